"""Temporary folders that do not outlive their process for long: the next one removes them."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_NAME: Final = "trawl-scratch-"


@contextmanager
def scratch() -> Iterator[Path]:
    """A private folder in the system's place for temporary files, gone at the end of the block.

    Its owner holds a lock on it; folders of this user without one were left by killed processes.
    """
    root = Path(tempfile.gettempdir())
    for left in root.glob(f"{_NAME}*"):
        _sweep(left)
    folder, handle = _own(root)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _own(root: Path) -> tuple[Path, int]:
    """A new folder and the lock on it; not one that another process swept before it was locked."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_NAME, dir=root))
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return folder, handle
        os.close(handle)


def _sweep(folder: Path) -> None:
    with suppress(OSError):  # another user's, or gone meanwhile
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(handle).st_uid == os.getuid():
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(handle)
