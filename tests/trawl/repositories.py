"""Real git repositories for tests, the same on every machine to the last hash."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ana",
    "GIT_AUTHOR_EMAIL": "ana@example.com",
    "GIT_AUTHOR_DATE": "2025-06-01T12:00:00Z",
    "GIT_COMMITTER_NAME": "Ana",
    "GIT_COMMITTER_EMAIL": "ana@example.com",
    "GIT_COMMITTER_DATE": "2025-06-01T12:00:00Z",
    "LC_ALL": "C",
}


def git(folder: Path, *words: str, **more: str) -> str:
    """What git prints; the test fails where git does."""
    done = subprocess.run(
        ["git", *words],
        cwd=folder,
        env={**ENVIRONMENT, **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def new(folder: Path) -> Path:
    """An empty repository whose branch is main."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", "--initial-branch=main", "--object-format=sha1", ".")
    return folder


def commit(folder: Path, message: str = "as it was") -> str:
    """Commit all that is there; the commit's name."""
    git(folder, "add", "--all", "--force", ".")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "HEAD").strip()
