"""A command in a terminal of its own: what a person sees, colours included."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_WAIT = 120


def seen(
    command: Sequence[str], folder: Path, environ: Mapping[str, str], columns: int = 100, answers: str = ""
) -> tuple[int, str]:
    """Run a command on a terminal `columns` wide; its exit code, and all that was written there.

    `answers` are typed at once, so they wait for the questions. A TimeoutError after two minutes.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 60, columns, 0, 0))
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**environ, "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    os.write(ours, answers.encode())
    found = b""
    deadline = time.monotonic() + _WAIT
    try:
        while part := _read(ours, deadline):
            found += part
        return process.wait(_WAIT), found.decode().replace("\r\n", "\n")
    finally:
        os.close(ours)
        if process.poll() is None:
            process.kill()
            process.wait()


def _read(terminal: int, deadline: float) -> bytes:
    """What comes next; nothing once nobody holds the other end."""
    if not select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))[0]:
        raise TimeoutError(f"the command wrote nothing more and did not end within {_WAIT} s")
    try:
        return os.read(terminal, 65536)
    except OSError:  # what Linux says of a terminal that its last program has left
        return b""
