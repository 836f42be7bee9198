"""Every valid file in pipelines/ as an Airflow DAG."""

from pathlib import Path

from trawl.factory import dags

globals().update(dags(Path(__file__).resolve().parent.parent / "pipelines"))
