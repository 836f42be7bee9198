"""The project a command is called in: the nearest folder from here upward that holds pipelines/."""

from __future__ import annotations

from pathlib import Path
from typing import Final

PIPELINES: Final = "pipelines"


def project() -> Path:
    """The folder that holds the pipelines folder around or above here, as git finds its own.

    Nothing above the top of a git checkout is looked at, for that is another's; outside of one, only what
    here lies in. Relative where it is here, so that what is printed stays short; also where there is none.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        jobs = folder / PIPELINES
        if jobs.is_dir() and (folder == here or here.is_relative_to(jobs) or _is_in_git(folder)):
            return Path() if folder == here else folder
        if (folder / ".git").exists():
            break
    return Path()


def _is_in_git(folder: Path) -> bool:
    return any((up / ".git").exists() for up in (folder, *folder.parents))
