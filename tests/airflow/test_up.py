"""How `trawl up` ends, and where it does not begin."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.airflow.served import Airflow, processes_of, project, unset, wait_for
from tests.servers.databases import free_port

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("airflow")]

DEMO = "examples.covid_archive"
TRAWL = Path(sys.executable).parent / "trawl"


def refused(folder: Path) -> str:
    """What `trawl up` says that does not want to start in a folder."""
    done = subprocess.run(
        [TRAWL, "up", "--port", str(free_port())],
        cwd=folder,
        env=unset(os.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_second_airflow_of_the_same_folder_is_refused_and_the_first_one_named(served: Airflow) -> None:
    said = refused(served.root)
    assert f"Airflow of this folder runs already: http://127.0.0.1:{served.port}, process" in said
    assert served.call("GET", "/api/v2/monitor/health")["scheduler"]["status"] == "healthy"


def schedulers(root: Path) -> list[int]:
    """The scheduler itself, which leads its group, without what it started."""
    found = []
    for process in processes_of(root):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{process}/cmdline").read_bytes()
            if b"scheduler" in words and os.getpgid(process) == process:
                found.append(process)
    return found


def test_a_service_that_ends_by_itself_is_started_again_and_said(served: Airflow) -> None:
    wait_for("the example's DAG", lambda: served.dag(DEMO))
    served.call("PATCH", f"/api/v2/dags/{DEMO}", {"is_paused": False})
    (scheduler,) = schedulers(served.root)
    output, words = served.root / "up.log", "Airflow's scheduler ended by itself; see "
    before = output.read_text().count(words)
    os.kill(scheduler, signal.SIGKILL)
    wait_for("what is said", lambda: output.read_text().count(words) > before)
    wait_for("another scheduler", lambda: schedulers(served.root) not in ([], [scheduler]))
    run = served.call("POST", f"/api/v2/dags/{DEMO}/dagRuns", {"logical_date": "2020-02-02T00:00:00Z"})
    path = f"/api/v2/dags/{DEMO}/dagRuns/{run['dag_run_id']}"
    wait_for("a run", lambda: served.call("GET", path)["state"] == "success")
    assert output.read_text().count("It is started again.") == before + 1


def test_a_folder_without_jobs_is_left_as_it_is(tmp_path: Path) -> None:
    assert "there is no folder pipelines in" in refused(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("services", [0, 4])
def test_a_terminal_that_is_closed_leaves_nothing_running(tmp_path: Path, services: int) -> None:
    """Whether that is while the database is made or while the services start; twice, for good measure."""
    project(tmp_path)
    output = tmp_path / "up.log"
    with output.open("wb") as out:
        process = subprocess.Popen(
            # As a shell's `&` does: who is started so ignores Ctrl-C unless it says otherwise.
            ["sh", "-c", f"trap '' INT; exec {TRAWL} up --port {free_port()}"],
            cwd=tmp_path,
            env=unset(os.environ),
            stdout=out,
            stderr=out,
        )
    wait_for("its processes", lambda: len(processes_of(tmp_path)) > max(1, services))
    process.send_signal(signal.SIGHUP)
    while process.poll() is None:  # the person is impatient to the last moment
        process.send_signal(signal.SIGINT)
        time.sleep(0.0005)
    assert process.returncode == 0, output.read_text()
    assert processes_of(tmp_path) == []
    assert "Traceback" not in output.read_text()
