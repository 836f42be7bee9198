"""Other DAGs run once a job has published an object, and at no other time."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from etl_callables.manifest import Manifest, read_manifest
from etl_callables.run import Run, prefix
from etl_callables.store import open_store
from schemas.job import Job
from schemas.reading import read_job
from schemas.window import Window
from tests.airflow.served import Airflow, wait_for

READING = (Path(__file__).resolve().parents[2] / "docs" / "reading.md").read_text(encoding="utf-8")
SECTION = READING.partition("\n## When an object is ready\n")[2].partition("\n## ")[0]
EXAMPLES = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)

JOB = """\
source: archive
query: covid
options: {files: examples/covid_archive/posts.jsonl}
date_range: {since: 2021-07-05, until: 2021-07-12}
retries: 0
schedule: daily
bucket: ./bucket
key: "ready/{job}/{date}.csv"
"""
PICKY = JOB + "quality: {min_posts: 1000}\n"
MISTAKEN = """\
from airflow.sdk import DAG, Asset

mistaken = DAG("mistaken", schedule=[Asset("trawl/spoken_for", "s3://somewhere/else")])
"""
DAY = Window.parse("20210705T000000Z_20210706T000000Z")


def test_the_pages_examples_are_dags_that_name_the_asset_and_nothing_more() -> None:
    assert len(EXAMPLES) == 2
    for example in EXAMPLES:
        strings = [node.value for node in ast.walk(ast.parse(example)) if isinstance(node, ast.Constant)]
        assert "trawl/library" in strings


def test_the_page_names_all_that_an_event_holds(tmp_path: Path) -> None:
    from etl_callables import extract, load, transform

    path = tmp_path / "pipelines" / "library.yaml"
    path.parent.mkdir()
    path.write_text(JOB.replace("examples/covid_archive/", ""))
    (path.parent / "posts.jsonl").touch()
    job = read_job(path, tmp_path)
    assert isinstance(job, Job)
    told = load(job, DAY, Run(), transform(job, DAY, Run(), extract(job, DAY, Run())))
    assert {f"`{name}`" for name in told} <= set(re.findall("`[a-z0-9]+`", SECTION))


def trigger(served: Airflow, dag_id: str, day: str, **conf: Any) -> str:
    """Start a run by hand; its path in the API."""
    body = {"logical_date": f"{day}T00:00:00Z", "conf": conf}
    run = served.call("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)
    return f"/api/v2/dags/{dag_id}/dagRuns/{run['dag_run_id']}"


def ended(served: Airflow, path: str) -> str:
    """How the tasks of a run ended: the last one's state."""
    wait_for(path, lambda: served.call("GET", path)["state"] in {"success", "failed"})
    tasks = served.call("GET", f"{path}/taskInstances")["task_instances"]
    (state,) = (task["state"] for task in tasks if task["task_id"] == "load")
    return str(state)


def runs_of(served: Airflow, dag_id: str) -> list[dict[str, Any]]:
    """The runs of a DAG that nobody started by hand, in their order, once all have ended."""
    runs = wait_for(
        f"the runs of {dag_id}",
        lambda: settled(served.call("GET", f"/api/v2/dags/{dag_id}/dagRuns?order_by=id")["dag_runs"]),
    )
    assert {run["state"] for run in runs} == {"success"}
    return list(runs)


def settled(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return runs if not {run["state"] for run in runs} & {"queued", "running"} else []


def returned(served: Airflow, run: dict[str, Any], task: str) -> Any:
    """What the task of a run returned."""
    path = f"/api/v2/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances/{task}/xcomEntries"
    return served.call("GET", f"{path}/return_value?deserialize=true")["value"]


def events_of(served: Airflow, dag_id: str) -> list[dict[str, Any]]:
    """The asset events that a DAG's runs brought, each with the runs that it started."""

    def answered() -> Any:
        try:
            return served.call("GET", f"/api/v2/assets/events?source_dag_id={dag_id}&order_by=timestamp")
        except AssertionError as error:
            # Airflow 3.3.2 fails to answer while a run that an event started has not begun.
            if ": 500 " not in str(error):
                raise
            return None

    return list(wait_for("the events", answered)["asset_events"])


def manifest_of(served: Airflow, name: str) -> Manifest:
    job = read_job(served.root / "pipelines" / f"{name}.yaml", served.root)
    assert isinstance(job, Job)
    manifest = read_manifest(open_store(job, Run()), prefix(job, DAY, Run()))
    assert manifest is not None
    return manifest


@pytest.mark.slow
@pytest.mark.xdist_group("airflow")
def test_a_dag_that_waits_runs_for_each_object_and_for_nothing_else(served: Airflow) -> None:
    """The page's own DAGs wait. What is skipped, rejected or written beside the job's objects starts none.

    Whoever spoils an asset's name keeps the job from telling, but not from publishing.
    """
    waiting = ("count_library", "key_library", "each_window")
    (served.root / "dags" / "mistaken.py").write_text(MISTAKEN, encoding="utf-8")
    served.job("library", JOB)
    served.job("picky", PICKY)
    for number, example in enumerate(EXAMPLES):
        (served.root / "dags" / f"waiting_{number}.py").write_text(example, encoding="utf-8")
    for dag_id in ("library", "picky", *waiting):
        wait_for(dag_id, lambda dag_id=dag_id: served.dag(dag_id))
        served.call("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": False})
    wait_for("mistaken", lambda: served.dag("mistaken"))
    served.job("spoken_for", JOB)

    published = trigger(served, "library", "2021-07-05")
    nothing = {
        trigger(served, "library", "2021-07-03"): "skipped",
        trigger(served, "library", "2021-07-06", query="mask"): "success",
        trigger(served, "picky", "2021-07-05"): "failed",
    }
    assert ended(served, published) == "success"
    assert {path: ended(served, path) for path in nothing} == nothing
    (event,) = events_of(served, "library")
    assert events_of(served, "picky") == []

    wait_for("spoken_for", lambda: served.dag("spoken_for"))
    served.call("PATCH", "/api/v2/dags/spoken_for", {"is_paused": False})
    silent = trigger(served, "spoken_for", "2021-07-05")

    manifest = manifest_of(served, "library")
    (run,) = runs_of(served, "count_library")
    (told,) = returned(served, run, "count")
    assert told == event["extra"]
    assert (told["object"], told["partition"], told["posts"]) == (
        manifest.object.url,
        "ready/library/2021-07-05.csv",
        manifest.counts.kept,
    )
    assert (told["start"], told["end"]) == ("2021-07-05T00:00:00Z", "2021-07-06T00:00:00Z")
    assert told["posts"] > 0
    assert (told["sha256"], told["size"]) == (manifest.object.sha256, manifest.object.size)
    assert told["run"] == published.rpartition("/")[2]

    served.call(
        "POST",
        "/api/v2/dags/library/clearTaskInstances",
        {
            "dry_run": False,
            "dag_run_id": told["run"],
            "task_ids": ["transform", "load"],
            "only_failed": False,
            "reset_dag_runs": True,
        },
    )
    assert ended(served, published) == "success"
    _, again = events_of(served, "library")
    assert again["extra"] == told | {"unchanged": True}
    wait_for("the second run", lambda: len(runs_of(served, "count_library")) == 2)
    assert [returned(served, run, "count") for run in runs_of(served, "count_library")] == [[told], []]
    wait_for("both windows", lambda: len(runs_of(served, "each_window")) == 2)
    assert ended(served, silent) == "success"
    assert manifest_of(served, "spoken_for").counts.kept == told["posts"]
    assert events_of(served, "spoken_for") == []
    keys = Counter(returned(served, run, "window") for run in runs_of(served, "each_window"))
    assert keys == {"2021-07-05T00:00:00": 2}
