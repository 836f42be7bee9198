"""`trawl up`: Airflow on this machine with every job, stopped by Ctrl-C without orphans."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from trawl.local import environment

SERVICES: Mapping[str, tuple[str, ...]] = {
    # Task logs are read from disk: the log servers would listen on every interface.
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
    "api-server": ("api-server",),
}
PATIENCE = 20.0
"""Seconds that a service gets to end by itself before its whole process group is killed."""


class CannotStart(Exception):  # noqa: N818 (read as a sentence by the command line)
    """One sentence for the person: what stands in the way."""


def migrate(env: Mapping[str, str], log: Path) -> None:
    """Create or renew Airflow's database; raises CannotStart naming the log when that fails."""
    with log.open("ab") as out:
        done = subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"], env=env, stdout=out, stderr=out, check=False
        )
    if done.returncode:
        raise CannotStart(f"Airflow could not prepare its database; see {log}")


def password(home: Path) -> str:
    """The password of the user `admin`, made once a home."""
    path = home / "simple_auth_manager_passwords.json.generated"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(json.dumps({"admin": secrets.token_urlsafe(12)}), encoding="ascii")
    found: str = json.loads(path.read_text(encoding="ascii"))["admin"]
    return found


@contextlib.contextmanager
def airflow(
    root: Path, home: Path | None = None, port: int = 8080
) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Airflow's four services, running until the block ends; then every process of theirs is gone.

    Logs go to `<home>/logs/<service>.log`. Raises CannotStart when the port is taken.
    """
    home = home or root / ".airflow"
    env = environment(root, home, port)
    _must_be_free(port)
    logs = home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    migrate(env, logs / "migrate.log")
    password(home)
    with contextlib.ExitStack() as stack:
        services: dict[str, subprocess.Popen[bytes]] = {}
        stack.callback(stop, services)
        for name, arguments in SERVICES.items():
            out = stack.enter_context((logs / f"{name}.log").open("ab"))
            services[name] = subprocess.Popen(  # noqa: S603 (our own virtual environment's command)
                [sys.executable, "-m", "airflow", *arguments],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                # A group of its own: Ctrl-C reaches us alone, and we can end all that it started.
                start_new_session=True,
            )
        yield services


def stop(services: Mapping[str, subprocess.Popen[bytes]]) -> None:
    """End the services and everything they started, politely first."""
    for service in services.values():
        _signal(service, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE
    for service in services.values():
        with contextlib.suppress(subprocess.TimeoutExpired):
            service.wait(max(0.1, deadline - time.monotonic()))
        _signal(service, signal.SIGKILL)
        service.wait()


def ready(port: int) -> bool:
    """Whether the API answers and scheduler, processor and triggerer have reported in."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/monitor/health", timeout=5) as answer:
            health = json.load(answer)
    except (OSError, ValueError):
        return False
    return all(
        (health.get(part) or {}).get("status") == "healthy"
        for part in ("scheduler", "dag_processor", "triggerer")
    )


def died(services: Mapping[str, subprocess.Popen[bytes]]) -> str | None:
    """The name of a service that has ended, if one has."""
    return next((name for name, service in services.items() if service.poll() is not None), None)


def _signal(service: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(service.pid, number)


def _must_be_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise CannotStart(
                f"port {port} on 127.0.0.1 is taken, perhaps by another Airflow; stop it, or choose "
                f"another port: make up PORT={port + 1}"
            ) from None


def up(root: Path, port: int) -> None:
    """Run Airflow until Ctrl-C, telling the person where to look. Raises CannotStart."""
    home = root / ".airflow"
    signal.signal(signal.SIGTERM, _interrupt)
    print(f"Starting Airflow in {home} …", flush=True)  # noqa: T201 (this is the command's output)
    with airflow(root, home, port) as services:
        try:
            while not ready(port):
                if name := died(services):
                    raise CannotStart(
                        f"Airflow's {name} ended while starting; see {home / 'logs' / name}.log"
                    )
                time.sleep(0.5)
            print(_banner(root, home, port), flush=True)  # noqa: T201
            while not (name := died(services)):
                time.sleep(1)
        except KeyboardInterrupt:
            print("\nStopping Airflow …", flush=True)  # noqa: T201
            return
        raise CannotStart(f"Airflow's {name} ended by itself; see {home / 'logs' / name}.log")


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _banner(root: Path, home: Path, port: int) -> str:
    return f"""
Airflow is up:  http://127.0.0.1:{port}
  user          admin
  password      {password(home)}
  jobs          {root / "pipelines"}  (copy a file, and its DAG appears within seconds)
  logs          {home / "logs"}
New jobs start paused: switch one on in the list, or press its trigger button.
Ctrl-C stops everything."""
