CREATE OR REPLACE VIEW team_covid AS
SELECT
  replace(replace(regexp_replace("id", '^''(''*[=+\-@\t\r\n＝＋－＠])', '\1'), '␀0', chr(0)), '␀1', '␀') AS "id",
  "created_at"::TIMESTAMPTZ AS "created_at",
  replace(replace(regexp_replace("text", '^''(''*[=+\-@\t\r\n＝＋－＠])', '\1'), '␀0', chr(0)), '␀1', '␀') AS "text",
  "likes"::BIGINT AS "likes",
  replace(replace(regexp_replace("hashtags", '^''(''*[=+\-@\t\r\n＝＋－＠])', '\1'), '␀0', chr(0)), '␀1', '␀')::JSON::VARCHAR[] AS "hashtags",
  "dt"
FROM (
  SELECT
    NULL::VARCHAR AS "id",
    NULL::VARCHAR AS "created_at",
    NULL::VARCHAR AS "text",
    NULL::VARCHAR AS "likes",
    NULL::VARCHAR AS "hashtags"
  WHERE false
  UNION ALL BY NAME
  SELECT * FROM read_csv(
    's3://analytics/team/team/covid/dt=????-??-??/posts.csv'
    , header = true
    , all_varchar = true
    , allow_quoted_nulls = false
    , delim = ','
    , quote = '"'
    , escape = '"'
    , union_by_name = true
    , hive_partitioning = true
    , hive_types = {'dt': DATE}
  )
);
-- For S3, DuckDB wants once: CREATE SECRET (TYPE s3, PROVIDER credential_chain);
