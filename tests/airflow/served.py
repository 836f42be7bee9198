"""A project of its own under a real Airflow: scheduler, processor, triggerer and API server."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.databases import free_port
from trawl.local import QUIET

LISTEN = "0A"
"""The state of a listening socket in /proc/net/tcp."""
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Airflow:
    """A running Airflow and the project it serves."""

    root: Path
    port: int
    token: str = ""
    banner: str = ""

    def credentials(self) -> dict[str, str]:
        """The user and the password as `trawl up` printed them."""
        found = re.search(r"user +(\S+)\n +password +(\S+)", self.banner)
        assert found, self.banner
        return {"username": found[1], "password": found[2]}

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


def project(root: Path) -> None:
    """The project's loaders and examples, in a folder of their own."""
    shutil.copytree(ROOT / "dags", root / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "pipelines" / "examples", root / "pipelines" / "examples")


@contextlib.contextmanager
def served_project(root: Path) -> Iterator[Airflow]:
    """`trawl up` over a copy, in the empty folder `root`, of the project's dags and examples.

    Ended as a person ends it, by Ctrl-C; an AssertionError if that leaves anything running.
    """
    project(root)
    server = Airflow(root, free_port())
    output = root / "up.log"
    with output.open("wb") as out:
        process = subprocess.Popen(
            [Path(sys.executable).parent / "trawl", "up", "--port", str(server.port)],
            cwd=root,
            env=unset(os.environ),
            stdout=out,
            stderr=out,
        )
        try:
            wait_for("Airflow", lambda: process.poll() is not None or "Ctrl-C" in output.read_text(), 180)
            server.banner = output.read_text()
            assert process.poll() is None, server.banner
            server.token = server.call("POST", "/auth/token", server.credentials())["access_token"]
            yield server
        finally:
            process.send_signal(signal.SIGINT)
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)  # the person is impatient
            code = process.wait(60)
    assert code == 0, output.read_text()
    assert processes_of(root) == []


def unset(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment as a stranger's, without what these tests set for their own Airflow."""
    return {
        name: value for name, value in environ.items() if name not in QUIET and not name.startswith("AIRFLOW")
    }


def processes_of(root: Path) -> list[int]:
    """The processes that work in `root`, orphans too: what a title covers up, the folder still tells."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and (entry / "cwd").readlink().is_relative_to(root):
                found.append(int(entry.name))
    return found


def listening(pids: list[int]) -> set[str]:
    """The addresses, as `ip:port`, that processes listen on (Linux's /proc/net/tcp and tcp6)."""
    inodes = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    inodes.add(str(link.readlink()).removeprefix("socket:[").removesuffix("]"))
    found = set()
    for table, family, width in (("tcp", socket.AF_INET, 4), ("tcp6", socket.AF_INET6, 16)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTEN and fields[9] in inodes:
                address, port = fields[1].split(":")
                words = bytes.fromhex(address)
                packed = b"".join(words[place : place + 4][::-1] for place in range(0, width, 4))
                found.add(f"{socket.inet_ntop(family, packed)}:{int(port, 16)}")
    return found
