"""`trawl backfill` and a real Airflow: what is announced is what is created, whatever was there before."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from etl_callables.manifest import list_manifests
from etl_callables.run import Run
from etl_callables.store import open_store
from schemas.job import Job
from schemas.reading import read_job
from schemas.window import Window
from tests.airflow.served import Airflow, unset, wait_for
from trawl import airflow_api
from trawl.backfill import Part, parts_of, span_of

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("airflow")]

TRAWL = Path(sys.executable).parent / "trawl"
JOB = """\
source: archive
query: covid
options: {files: examples/covid_archive/posts.jsonl}
date_range: {since: 2021-07-05, until: 2021-07-08}
limit: 20
schedule: daily at 06:00
timezone: Europe/Berlin
bucket: ./bucket
key: "{job}/{start}.csv"
"""
NAME = "filled"


def trawl(served: Airflow, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TRAWL, *arguments],
        cwd=served.root,
        env=unset(os.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def job_of(served: Airflow) -> Job:
    job = read_job(served.root / f"pipelines/{NAME}.yaml", served.root)
    assert isinstance(job, Job), job
    return job


def announced(served: Airflow) -> list[Part]:
    """The windows of the job's whole date range."""
    now = datetime.now(UTC)
    job = job_of(served)
    return list(parts_of(job, span_of(job, None, None, now), now))


def created(served: Airflow) -> dict[Window, str]:
    """The intervals of the runs that Airflow has, with their states."""
    runs = served.call("GET", f"/api/v2/dags/{NAME}/dagRuns?limit=100")["dag_runs"]
    return {
        Window(
            datetime.fromisoformat(run["data_interval_start"]),
            datetime.fromisoformat(run["data_interval_end"]),
        ): run["state"]
        for run in runs
    }


def written(served: Airflow) -> list[Window]:
    """The windows that the manifests in the bucket tell of."""
    job = job_of(served)
    return [Window(one.start, one.end) for one in list_manifests(open_store(job, Run()), NAME)]


@pytest.fixture(scope="module")
def known(served: Airflow) -> None:
    """The job is one of Airflow's, new and therefore paused."""
    served.job(NAME, JOB)
    wait_for("the DAG", lambda: served.dag(NAME))


def done(answer: subprocess.CompletedProcess[str]) -> str:
    """What was printed by what went well."""
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def test_a_file_that_airflow_has_not_met_yet_is_said_to_be_unknown(served: Airflow) -> None:
    served.job("newer", JOB)
    answer = trawl(served, "backfill", "newer", "--yes")
    assert answer.returncode == 1
    assert "does not know newer yet" in answer.stderr or "newer is paused" in answer.stderr


@pytest.mark.usefixtures("known")
def test_another_airflow_is_asked_with_what_the_environment_says(served: Airflow) -> None:
    """Its address, user and password; a wrong one is refused."""
    url, login = f"http://127.0.0.1:{served.port}", served.credentials()
    environment = {airflow_api.USER: login["username"], airflow_api.PASSWORD: login["password"]}
    assert len(airflow_api.airflow_at(Path("/nowhere"), url, environment).token) > len(url)
    environment[airflow_api.PASSWORD] = "wrong"
    with pytest.raises(airflow_api.Stop, match="does not let admin in with that password"):
        airflow_api.airflow_at(Path("/nowhere"), url, environment)
    with pytest.raises(airflow_api.Refused, match=r"answers 403: .*; ask as a user who may run its DAGs"):
        airflow_api.ready(airflow_api.Airflow(url, "no-token"), job_of(served))


@pytest.mark.usefixtures("known")
def test_what_is_announced_is_what_airflow_creates_whatever_was_there_before(served: Airflow) -> None:
    """The first window begins where the date range does, in the midst of an interval of the schedule."""
    parts = announced(served)
    first, second, alone, last = parts
    served.call("PATCH", f"/api/v2/dags/{NAME}", {"is_paused": True})
    paused = trawl(served, "backfill", NAME, "--yes")
    page = f"http://127.0.0.1:{served.port}/dags/{NAME}"
    words = f"Error: {NAME} is paused in Airflow: switch it on at {page}, and say this again\n"
    assert (paused.returncode, paused.stderr) == (1, words)
    assert created(served) == {}
    served.call("PATCH", f"/api/v2/dags/{NAME}", {"is_paused": False})

    # Nothing is there: one backfill.
    some = trawl(served, "backfill", NAME, "--to", "2021-07-06", "--yes", "--wait")
    said = done(some)
    assert "2 runs to create (Europe/Berlin):" in said
    assert re.search(r"^  first  2021-07-05 00:00 to 2021-07-05 06:00  ", said, re.MULTILINE)
    assert re.search(r"^  last   2021-07-05 06:00 to 2021-07-06 06:00  ", said, re.MULTILINE)
    assert f"Watch: {page}" in said
    assert some.stderr.splitlines()[-1] == "2 of 2 done, 0 running"
    assert created(served) == {first.interval: "success", second.interval: "success"}
    assert written(served) == [first.window, second.window]
    said = done(trawl(served, "backfill", NAME, "--to", "2021-07-06"))
    assert said.splitlines()[-1] == "Nothing is left to do."

    # One more is there without Airflow, and one that Airflow ran is lost: a run each.
    done(trawl(served, "run", NAME, "--start", "2021-07-06T06:00"))
    kept = served.root / f"bucket/_trawl/{NAME}/{alone.window}/manifest.json"
    before = kept.read_bytes()
    (served.root / f"bucket/_trawl/{NAME}/{first.window}/manifest.json").unlink()
    said = done(trawl(served, "backfill", NAME, "--yes", "--wait"))
    assert "2 windows are there already and left out" in said
    assert "2 runs to create" in said
    assert created(served) == {part.interval: "success" for part in parts if part is not alone}
    assert written(served) == [part.window for part in parts]
    assert kept.read_bytes() == before
    said = done(trawl(served, "backfill", NAME))
    assert said.splitlines()[-1] == "Nothing is left to do."

    # How Airflow would be told of others.
    airflow = airflow_api.airflow_at(served.root, None, {})
    for wanted, behaviour in (
        ([first, second], "completed"),
        ([alone], "none"),
        ([first, last], None),
        (parts, "completed"),
    ):
        assert airflow_api.behaviour_of(airflow, job_of(served), wanted) == behaviour
