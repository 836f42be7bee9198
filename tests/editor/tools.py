"""Tools from npm that tests use, installed once into the person's cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
_FILES = ("package.json", "package-lock.json", ".npmrc")


def installed() -> Path:
    """The folder whose node_modules has the tools; where there is no npm, the test is skipped and says so."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("npm and node are missing, which run the language server of editors")
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in _FILES)).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trawl-tests"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"editor-{digest}"
    with (cache / "editor.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs at once install once
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for name in _FILES:
                shutil.copy(HERE / name, folder)
            subprocess.run(
                [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
                cwd=folder,
                check=True,
                capture_output=True,
            )
            (folder / "complete").touch()
    return folder
