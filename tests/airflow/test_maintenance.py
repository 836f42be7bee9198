"""Every day Airflow deletes what is older than jobs let it be, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from etl_callables import extract, load, transform
from etl_callables.manifest import read_manifest
from etl_callables.run import Run, prefix
from etl_callables.store import open_store
from schemas.job import Job
from schemas.reading import read_job
from schemas.window import Window
from tests.airflow.served import Airflow, wait_for
from trawl.upkeep import DAG_ID

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("airflow")]

JOB = """\
source: archive
options: {files: examples/covid_archive/posts.jsonl}
schedule: manual
bucket: ./bucket
key: "{job}/{date}.parquet"
"""
DAY = Window(datetime(2021, 7, 5, tzinfo=UTC), datetime(2021, 7, 6, tzinfo=UTC))


def test_the_dag_lists_what_is_due_and_deletes_it(served: Airflow) -> None:
    """It is there unasked, and not paused, or nobody would notice that nothing goes."""
    jobs: dict[str, Job] = {}
    for name, more in (("kept_for_good", ""), ("kept_a_year", "keep: 1 year\n")):
        path = served.job(name, JOB + more)
        job = read_job(path, served.root)
        assert isinstance(job, Job)
        jobs[name] = job
        run = Run(id="long ago", now=lambda: datetime.now(UTC) - timedelta(days=400))
        load(job, DAY, run, transform(job, DAY, run, extract(job, DAY, run)))
    dag = wait_for("the DAG", lambda: served.dag(DAG_ID))
    assert dag["is_paused"] is False
    assert served.runs(DAG_ID) == {}
    started = served.call("POST", f"/api/v2/dags/{DAG_ID}/dagRuns", {"logical_date": None})
    path = f"/api/v2/dags/{DAG_ID}/dagRuns/{started['dag_run_id']}"
    wait_for("the run", lambda: served.call("GET", path)["state"] in {"success", "failed"})
    assert served.call("GET", path)["state"] == "success"
    log = str(served.call("GET", f"{path}/taskInstances/list/logs/1"))
    assert "2 files of " in log
    assert f"{served.root.as_uri()}/bucket/kept_a_year/2021-07-05.parquet: object, " in log
    for name, is_there in (("kept_for_good", True), ("kept_a_year", False)):
        store = open_store(jobs[name], Run())
        manifest = read_manifest(store, prefix(jobs[name], DAY, Run()))
        assert manifest is not None
        assert (store.size(manifest.object.key) is not None) == is_there == (manifest.expired is None)
