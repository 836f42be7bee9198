"""How `trawl up` ends, and where it does not begin."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.airflow.served import Airflow, free_port, processes_of, project, unset, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("airflow")]

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
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0, output.read_text()
    assert processes_of(tmp_path) == []
    assert "Traceback" not in output.read_text()
