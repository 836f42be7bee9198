CREATE EXTERNAL TABLE `team_covid` (
  `id` string,
  `created_at` timestamp,
  `text` string,
  `likes` bigint,
  `hashtags` array<string>
)
PARTITIONED BY (`year` int, `month` int, `day` int)
STORED AS PARQUET
LOCATION 's3://analytics/team/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.year.type' = 'integer',
  'projection.year.range' = '2006,2099',
  'projection.month.type' = 'integer',
  'projection.month.range' = '1,12',
  'projection.month.digits' = '2',
  'projection.day.type' = 'integer',
  'projection.day.range' = '1,31',
  'projection.day.digits' = '2',
  'storage.location.template' = 's3://analytics/team/${year}/${month}/${day}/'
);
-- Ask for a year in each query: without one, Athena looks into every folder until 2099.
