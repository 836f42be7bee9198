CREATE EXTERNAL TABLE `team_covid` (
  `id` string,
  `created_at` timestamp,
  `text` string,
  `likes` bigint,
  `hashtags` array<string>
)
STORED AS PARQUET
LOCATION 's3://analytics/team/a/';
-- Athena reads everything below s3://analytics/team/a/: let nothing else lie there.
