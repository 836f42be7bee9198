CREATE OR REPLACE VIEW team_covid AS
SELECT
  "id"::VARCHAR AS "id",
  "created_at"::TIMESTAMPTZ AS "created_at",
  "text"::VARCHAR AS "text",
  "likes"::BIGINT AS "likes",
  "hashtags"::VARCHAR[] AS "hashtags"
FROM (
  SELECT
    NULL::VARCHAR AS "id",
    NULL::TIMESTAMPTZ AS "created_at",
    NULL::VARCHAR AS "text",
    NULL::BIGINT AS "likes",
    NULL::VARCHAR[] AS "hashtags"
  WHERE false
  UNION ALL BY NAME
  SELECT * FROM read_parquet(
    's3://analytics/team/????/??/??/??.parquet'
    , union_by_name = true
    , hive_partitioning = false
  )
);
-- For S3, DuckDB wants once: CREATE SECRET (TYPE s3, PROVIDER credential_chain);
