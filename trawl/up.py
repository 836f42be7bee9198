"""`trawl up`: Airflow on this machine with every job, stopped by Ctrl-C without orphans."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
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
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 20.0
"""Seconds that a service gets to end by itself before its whole process group is killed."""
AGAIN = 3
"""How often one service is started again that ended by itself."""


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

    Logs go to `<home>/logs/<service>.log`. Raises CannotStart when the port is taken, or where an
    Airflow of the same home runs already: two schedulers would share one SQLite file.
    """
    home = home or root / ".airflow"
    env = environment(root, home, port)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_alone(home, port))
        _must_be_free(port)
        logs = home / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        migrate(env, logs / "migrate.log")
        password(home)
        services: dict[str, subprocess.Popen[bytes]] = {}
        stack.callback(stop, services)
        for name in SERVICES:
            services[name] = _started(name, env, logs)
        yield services


def _started(name: str, env: Mapping[str, str], logs: Path) -> subprocess.Popen[bytes]:
    with (logs / f"{name}.log").open("ab") as out:
        return subprocess.Popen(  # noqa: S603 (our own virtual environment's command)
            [sys.executable, "-m", "airflow", *SERVICES[name]],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            # A group of its own: Ctrl-C reaches us alone, and we can end all that it started.
            start_new_session=True,
        )


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


@contextlib.contextmanager
def _alone(home: Path, port: int) -> Iterator[None]:
    """Hold the home's lock, which says who has it; the system lets it go however this process ends."""
    with (home / "up.lock").open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise CannotStart(f"Airflow of this folder runs already: {lock.read().strip()}") from None
        lock.truncate(0)
        lock.write(f"http://127.0.0.1:{port}, process {os.getpid()}\n")
        lock.flush()
        yield


def running(home: Path) -> str | None:
    """The address of the Airflow that `airflow` runs in a home, None where none does."""
    try:
        lock = (home / "up.lock").open("r", encoding="ascii")
    except OSError:
        return None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return lock.read().partition(",")[0] or None
    return None


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
    if not (root / "pipelines").is_dir():
        raise CannotStart(f"there is no folder pipelines in {root}; run this in the project's folder")
    home = root / ".airflow"
    # All of them explicitly: a shell that starts us in the background has Ctrl-C ignored, and a
    # terminal that is closed says so by SIGHUP.
    for number in ENDINGS:
        signal.signal(number, _interrupt)
    print(f"Starting Airflow in {home} …", flush=True)  # noqa: T201 (this is the command's output)
    try:
        with airflow(root, home, port) as services, _saying_goodbye():
            while not ready(port):
                if name := died(services):
                    raise CannotStart(
                        f"Airflow's {name} ended while starting; see {home / 'logs' / name}.log"
                    )
                time.sleep(0.5)
            print(_banner(root, home, port), flush=True)  # noqa: T201
            _keep_up(services, environment(root, home, port), home / "logs")
    except KeyboardInterrupt:
        return
    finally:
        # Whoever is impatient may press Ctrl-C while Python ends, which has let go of our handlers by then.
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)


def _keep_up(services: dict[str, subprocess.Popen[bytes]], env: Mapping[str, str], logs: Path) -> None:
    """Start what ends by itself again: Airflow 3.3's scheduler does now and then, SQLite being busy.

    Raises CannotStart for a service that ends more than AGAIN times.
    """
    ended: Counter[str] = Counter()
    while True:
        time.sleep(1)
        if not (name := died(services)):
            continue
        ended[name] += 1
        said = f"Airflow's {name} ended by itself; see {logs / name}.log"
        if ended[name] > AGAIN:
            raise CannotStart(said)
        # What it had started goes too: its tasks are told lost by their heartbeat and tried again.
        _signal(services[name], signal.SIGKILL)
        services[name] = _started(name, env, logs)
        print(f"{said}. It is started again.", flush=True)  # noqa: T201


@contextlib.contextmanager
def _saying_goodbye() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):  # the terminal may be gone
            print("\nStopping Airflow …", flush=True)  # noqa: T201
        raise


def _interrupt(_number: int, _frame: object) -> None:
    """End once: an impatient second Ctrl-C must not break the ending off."""
    for number in ENDINGS:
        signal.signal(number, _pass_over)
    raise KeyboardInterrupt


def _pass_over(_number: int, _frame: object) -> None:
    """Not SIG_IGN: of a signal that is on its way already, Python would print that it was lost."""


def _banner(root: Path, home: Path, port: int) -> str:
    return f"""
Airflow is up:  http://127.0.0.1:{port}
  user          admin
  password      {password(home)}
  jobs          {root / "pipelines"}  (copy a file, and its DAG appears within seconds)
  logs          {home / "logs"}
New jobs start paused: switch one on in the list, or press its trigger button.
Ctrl-C stops everything."""
