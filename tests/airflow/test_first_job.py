"""The part of docs/first-job.md that needs an Airflow which is up."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from scripts.terminal import seen
from tests.airflow.served import Airflow, unset, wait_for
from tests.test_first_job import ANSWERS, ELSEWHERE, job_block, run_block

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("airflow")]

NAME = "team.library"


def test_the_beginners_job_is_run_for_the_six_days_that_are_left(served: Airflow) -> None:
    """Written and run once as the page says, switched on, and backfilled by a command that asks first."""
    (backfill,) = (line for line in ELSEWHERE if line.startswith("trawl backfill"))
    environ = {**unset(os.environ), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for block, answers in ((job_block(), ANSWERS), (run_block(), "")):
        code, said = seen(["bash", "-euc", block], served.root, environ, answers=answers)
        assert code == 0, said
    wait_for("the job's DAG", lambda: served.dag(NAME))
    served.call("PATCH", f"/api/v2/dags/{NAME}", {"is_paused": False})
    code, said = seen(["bash", "-euc", backfill], served.root, environ, answers="y\n")
    assert code == 0, said
    assert "1 window is there already and left out" in said
    assert "6 runs to create" in said
    assert set(served.runs(NAME).values()) == {"success"}
    assert len(served.runs(NAME)) == 6
    posts = [served.root / f"bucket/team/library/2021-07-{day:02}/posts.csv" for day in range(5, 12)]
    assert [day.parent.name for day in posts if len(day.read_text().splitlines()) == 1] == ["2021-07-07"]
