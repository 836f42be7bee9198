"""The Airflow asset of a job: what other DAGs are scheduled on."""

from __future__ import annotations

from airflow.sdk import Asset

from schemas.job import Job


def asset_of(job: Job) -> Asset:
    """The one asset of a job, `trawl/<id>`, wherever it writes.

    Its address is its name, not the bucket's: Airflow runs no task whose asset has the name of one that
    another DAG speaks of, but another address. So a job that moves to another bucket goes on, and nobody
    who waits for it can spell it wrongly. Where an object is, its event says.
    """
    return Asset(f"trawl/{job.id}")
