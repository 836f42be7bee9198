CREATE EXTERNAL TABLE `team_covid` (
  `id` string,
  `created_at` timestamp,
  `text` string,
  `likes` bigint,
  `hashtags` array<string>
)
PARTITIONED BY (`dt` string)
STORED AS PARQUET
LOCATION 's3://analytics/team/team/covid/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date',
  'projection.dt.format' = 'yyyy-MM-dd',
  'projection.dt.range' = '2021-07-05,2021-07-11',
  'projection.dt.interval' = '1',
  'projection.dt.interval.unit' = 'DAYS',
  'storage.location.template' = 's3://analytics/team/team/covid/dt=${dt}/'
);
