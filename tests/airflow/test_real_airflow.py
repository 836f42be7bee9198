"""What a person sees in a real Airflow, with its scheduler, processor and API server running."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from etl_callables.manifest import read_manifest
from etl_callables.run import Run, prefix
from etl_callables.store import open_store
from schemas.job import Job
from schemas.reading import read_job
from schemas.window import Window
from tests.airflow.served import Airflow, listening, processes_of, unset, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("airflow")]

DEMO = "examples.covid_archive"
"""The example that `make demo` runs."""

TEN_DAYS = """\
description: "Ten days; {{ ds }} and $HOME stay as they are <b>here</b>"
owner: analytics
source: archive
query: covid
options: {files: examples/covid_archive/posts.jsonl}
date_range: {since: 2021-07-01, until: 2021-07-11}
backfill: true
limit: 20
schedule: daily
bucket: ./bucket
key: "{job}/{date}.parquet"
"""


def job_of(served: Airflow, name: str) -> Job:
    job = read_job(served.root / "pipelines" / f"{name}.yaml", served.root)
    assert isinstance(job, Job), job
    return job


def manifests_of(served: Airflow, name: str) -> list[Any]:
    job = job_of(served, name)
    store = open_store(job, Run())
    keys = [entry.key for entry in store.list(f"_trawl/{job.id}") if entry.key.endswith("/manifest.json")]
    return [
        read_manifest(store, prefix(job, Window.parse(Path(key).parent.name), Run())) for key in sorted(keys)
    ]


def stale(served: Airflow, dag_id: str) -> bool:
    dag = served.dag(dag_id)
    assert dag is not None, f"{dag_id} is gone with its history"
    found: bool = dag["is_stale"]
    return found


def finished(served: Airflow, dag_id: str, runs: int) -> bool:
    states = list(served.runs(dag_id).values())
    return len(states) >= runs and not {"queued", "running"} & set(states)


def test_up_prints_where_to_look_and_listens_on_this_machine_alone(served: Airflow) -> None:
    assert f"http://127.0.0.1:{served.port}" in served.banner
    processes = processes_of(served.root)
    assert len(processes) > 4  # `up` itself, the scheduler, the processor, the triggerer, the API server
    addresses = listening(processes)
    assert f"127.0.0.1:{served.port}" in addresses
    assert {address.rpartition(":")[0] for address in addresses} == {"127.0.0.1"}


def test_every_job_file_is_a_dag_with_its_words(served: Airflow) -> None:
    dag = wait_for("the example's DAG", lambda: served.dag(DEMO))
    details = served.call("GET", f"/api/v2/dags/{DEMO}/details")
    job = job_of(served, "examples/covid_archive")
    assert dag["is_stale"] is False
    assert details["owners"] == [job.owner]
    assert {tag["name"] for tag in details["tags"]} == set(job.tags)
    assert details["timetable_description"] == "every day at 00:00 (UTC)"
    assert f"`{job.file}`" in details["doc_md"]
    tasks = served.call("GET", f"/api/v2/dags/{DEMO}/tasks")["tasks"]
    assert {task["task_id"]: task["downstream_task_ids"] for task in tasks} == {
        "extract": ["transform"],
        "transform": ["load"],
        "load": [],
    }


def test_a_backfill_of_ten_days_runs_while_another_file_breaks_and_is_mended(served: Airflow) -> None:
    served.job("ten_days", TEN_DAYS)
    broken = served.job("team/broken", TEN_DAYS)
    wait_for("both DAGs", lambda: served.dag("ten_days") and served.dag("team.broken"))
    served.call("PATCH", "/api/v2/dags/ten_days", {"is_paused": False})

    broken.write_text(TEN_DAYS.replace("query:", "querry:").replace("limit: 20", "limit: many"))
    (error,) = wait_for("the import error", served.import_errors)
    assert error["filename"].endswith("invalid_scrape_jobs.py")
    lines = error["stack_trace"].strip().splitlines()
    assert [line.split(" ")[0] for line in lines] == [
        "pipelines/team/broken.yaml:4:1:",
        "pipelines/team/broken.yaml:8:8:",
    ]
    wait_for("the broken job to go", lambda: stale(served, "team.broken"))
    assert not stale(served, "ten_days")
    assert not stale(served, DEMO)

    broken.write_text(TEN_DAYS)
    wait_for("the error to go", lambda: not served.import_errors())
    wait_for("the mended job to come back", lambda: not stale(served, "team.broken"))

    wait_for("ten runs", lambda: finished(served, "ten_days", 10), 300)
    assert served.runs("ten_days") == {f"2021-07-{day:02}": "success" for day in range(1, 11)}
    manifests = manifests_of(served, "ten_days")
    windows = [Window.parse(manifest.window) for manifest in manifests]
    assert len(windows) == 10
    assert all(before.end == after.start for before, after in pairwise(windows))
    for manifest in manifests:
        assert manifest.counts.kept <= 20
        assert (served.root / "bucket" / manifest.object.key).stat().st_size == manifest.object.size


def test_a_deleted_file_takes_its_dag_with_it(served: Airflow) -> None:
    path = served.job("short_lived", TEN_DAYS)
    wait_for("the new DAG", lambda: served.dag("short_lived"))
    path.unlink()
    wait_for("the DAG to go", lambda: stale(served, "short_lived"))


def test_a_run_by_hand_with_another_query_writes_beside_the_jobs_own(served: Airflow) -> None:
    wait_for("the example's DAG", lambda: served.dag(DEMO))
    served.call("PATCH", f"/api/v2/dags/{DEMO}", {"is_paused": False})
    run = served.call(
        "POST",
        f"/api/v2/dags/{DEMO}/dagRuns",
        {"logical_date": "2021-07-05T12:00:00Z", "conf": {"query": "{{ ds }}", "limit": 3}},
    )
    assert (run["data_interval_start"], run["data_interval_end"]) == (
        "2021-07-05T00:00:00Z",
        "2021-07-06T00:00:00Z",
    )
    path = f"/api/v2/dags/{DEMO}/dagRuns/{run['dag_run_id']}"
    wait_for("the run", lambda: served.call("GET", path)["state"] in {"success", "failed"})
    assert served.call("GET", path)["state"] == "success"
    written = list((served.root / "bucket").rglob("manual-*"))
    assert [found.parent.name for found in written] == []
    (folder,) = (served.root / "bucket" / "_trawl" / DEMO).glob("*~manual-*")
    assert '"query": "{{ ds }}"' in (folder / "manifest.json").read_text()


def test_a_run_by_hand_with_nonsense_is_refused_by_the_form(served: Airflow) -> None:
    with pytest.raises(AssertionError, match=r"400 .*limit"):
        served.call(
            "POST",
            f"/api/v2/dags/{DEMO}/dagRuns",
            {"logical_date": "2021-07-06T12:00:00Z", "conf": {"limit": 0}},
        )


def test_a_run_outside_the_jobs_range_is_skipped_and_says_so(served: Airflow) -> None:
    run = served.call("POST", f"/api/v2/dags/{DEMO}/dagRuns", {"logical_date": "2020-01-01T00:00:00Z"})
    path = f"/api/v2/dags/{DEMO}/dagRuns/{run['dag_run_id']}"
    wait_for("the run", lambda: served.call("GET", path)["state"] in {"success", "failed"})
    tasks = served.call("GET", f"{path}/taskInstances")["task_instances"]
    assert {task["task_id"]: task["state"] for task in tasks} == dict.fromkeys(
        ("extract", "transform", "load"), "skipped"
    )
    log = served.call("GET", f"{path}/taskInstances/extract/logs/1")
    assert "lies outside the job's date range" in str(log)


def test_nothing_about_the_jobs_leaves_the_machine(served: Airflow, outbound: list[str]) -> None:
    wait_for("the example's DAG", lambda: served.dag(DEMO))
    assert outbound == []


def test_the_witness_of_the_promise_above_would_see_usage_data(outbound: list[str]) -> None:
    about = {"status": "success", "dag_hash": "0", "task_count": 3}
    code = f"from dagfactory.telemetry import emit_usage_metrics_if_enabled as e; e('dag_run', {about})"
    before = len(outbound)
    subprocess.run([sys.executable, "-c", code], env=unset(os.environ), check=True, capture_output=True)
    assert outbound[before:]
    del outbound[before:]
