"""A project of its own under a real Airflow: scheduler, processor, triggerer and API server."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trawl.up import airflow, died, password, ready

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Airflow:
    """A running Airflow and the project it serves."""

    root: Path
    port: int
    token: str = ""

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON answer of its REST API; an AssertionError shows what a refusal said."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from None

    def dag(self, dag_id: str) -> dict[str, Any] | None:
        """What the API says of a DAG, None while it knows none of that id."""
        try:
            found: dict[str, Any] = self.call("GET", f"/api/v2/dags/{dag_id}")
        except AssertionError as error:
            if ": 404 " in str(error):
                return None
            raise
        return found

    def import_errors(self) -> list[dict[str, Any]]:
        """The import errors as the API lists them."""
        found: list[dict[str, Any]] = self.call("GET", "/api/v2/importErrors")["import_errors"]
        return found

    def runs(self, dag_id: str) -> dict[str, str]:
        """The state of each run of a DAG, by the start of its interval."""
        answer = self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns?limit=100")
        return {run["data_interval_start"][:10]: run["state"] for run in answer["dag_runs"]}

    def job(self, name: str, text: str) -> Path:
        """Write a job file below pipelines/."""
        path = self.root / "pipelines" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path


def wait_for(what: str, condition: Callable[[], Any], seconds: float = 120) -> Any:
    """The first true value of `condition`; an AssertionError naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.5)
    raise AssertionError(f"waited {seconds} s in vain for {what}")


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def served_project(root: Path) -> Iterator[Airflow]:
    """A real Airflow over a copy, in the empty folder `root`, of the project's dags and examples."""
    shutil.copytree(ROOT / "dags", root / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "pipelines" / "examples", root / "pipelines" / "examples")
    server = Airflow(root, free_port())
    with airflow(root, port=server.port) as services:
        wait_for("Airflow to be ready", lambda: died(services) or ready(server.port), 180)
        if name := died(services):
            raise AssertionError((root / ".airflow" / "logs" / f"{name}.log").read_text()[-2000:])
        body = {"username": "admin", "password": password(root / ".airflow")}
        server.token = server.call("POST", "/auth/token", body)["access_token"]
        yield server
