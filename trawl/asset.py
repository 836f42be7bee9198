"""The Airflow asset of a job: what other DAGs are scheduled on."""

from __future__ import annotations

from airflow.sdk import Asset

from schemas.job import Job


def asset_of(job: Job) -> Asset:
    """The one asset of a job, `trawl/<id>`, wherever it writes.

    Its address is its name, not the bucket's, for Airflow lets a name have one address and an address one
    name: so a job that moves to another bucket keeps its asset, two that share a folder have two, and nobody
    who waits for one can spell it wrongly. Where an object is, its event says.
    """
    return Asset(f"trawl/{job.id}")
