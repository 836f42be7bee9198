"""PostgreSQL and Redis as throw-away processes on loopback, from Debian's packages.

Each is a child that ends with the process that started it, whatever becomes of that.
"""

from __future__ import annotations

import os
import pwd
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

SECONDS = 60
"""How long a server may take to answer; it takes about one."""


class Absent(Exception):  # noqa: N818 - it says what is the matter
    """A server is not installed on this machine; the text says what is missing."""


def free_port() -> int:
    """A port of loopback that nobody listens on just now, and that no connection is given by chance later."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def postgres() -> Iterator[str]:
    """A new PostgreSQL; its URL, with a superuser. Raises Absent."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not programs:
        raise Absent("Debian's package postgresql is not installed")
    bin_ = programs[-1]
    folder = Path(tempfile.mkdtemp(prefix="trawl-postgres-"))
    user = _owner(folder)
    port = free_port()
    try:
        create = [bin_ / "initdb", "-D", folder / "data", "-A", "trust", "-U", "postgres", "--no-sync"]
        _run([*create, "-E", "UTF8", "--locale=C.UTF-8"], user)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": folder,
            "max_connections": 200,
            "fsync": "off",  # nothing in it outlives the tests
            "full_page_writes": "off",
            "synchronous_commit": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with _child([bin_ / "postgres", "-D", folder / "data", *options], user, folder / "log") as process:
            _wait_for(port, process, folder / "log")
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def redis() -> Iterator[str]:
    """A new Redis that keeps nothing; its host and port. Raises Absent."""
    program = shutil.which("redis-server")
    if program is None:
        raise Absent("Debian's package redis-server is not installed")
    folder = Path(tempfile.mkdtemp(prefix="trawl-redis-"))
    port = free_port()
    command = [program, "--bind", "127.0.0.1", "--port", port, "--dir", folder]
    command += ["--save", "", "--appendonly", "no"]
    try:
        with _child(command, None, folder / "log") as process:
            _wait_for(port, process, folder / "log")
            yield f"127.0.0.1:{port}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _owner(folder: Path) -> str | None:
    """Whom PostgreSQL runs as: it refuses to be root. None is whoever we are."""
    if os.getuid() != 0:
        return None
    account = pwd.getpwnam("postgres")
    os.chown(folder, account.pw_uid, account.pw_gid)
    return "postgres"


def _as(user: str | None) -> list[str]:
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else ["setpriv"]


def _run(command: Sequence[Any], user: str | None) -> None:
    prefix = _as(user) if user else []
    done = subprocess.run([*prefix, *map(str, command)], cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def _child(command: Sequence[Any], user: str | None, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ended, by its id, when the block is left or its parent is gone."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*_as(user), "--pdeathsig=INT", "--", *map(str, command)], cwd="/", stdout=out, stderr=out
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
