"""The jobs that somebody means: one by its name or file, or all of a project."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from schemas.folder import DEFAULTS_FILES, SUFFIXES
from schemas.job import Job
from schemas.problem import Problem
from schemas.reading import Reading, job_path, read_job, read_jobs
from schemas.words import nearest, short
from trawl.checking import from_here

_NAMED: Final = 3
"""Files in one sentence."""


class NotThere(click.ClickException):
    """What the command line names is not there; the message is a sentence for a person."""

    exit_code = 2


def find(name: str, pipelines: Path) -> Job | tuple[Problem, ...]:
    """The job called `name`, or in the file of that name; raises NotThere."""
    if name.endswith(SUFFIXES):
        file = Path(name)
        if not file.is_file():
            raise NotThere(f"there is no file {short(name)}")
        if file.name in DEFAULTS_FILES:
            raise NotThere(f"{short(name)} has the defaults of its folder's jobs, and is no job itself")
        folder = next(
            (up for up in file.absolute().parents if up.name == "pipelines"), file.absolute().parent
        )
        return _read(file, folder.parent)
    return _read(file_of(name, pipelines), pipelines.absolute().parent)


def file_of(name: str, pipelines: Path) -> Path:
    """The file of the job called `name`; raises NotThere."""
    path = job_path(name, pipelines)
    if path is None and not pipelines.is_dir():
        raise NotThere(f'there is no folder pipelines here or above, where the job "{short(name)}" would be')
    if path is None:
        folder = pipelines.joinpath(*name.split("."))
        is_folder = os.path.isdir(folder)  # noqa: PTH112  false, too, of what can be no path
        hint = f"; {folder} is a folder of jobs" if is_folder else _near(name, pipelines)
        raise NotThere(f'there is no job "{short(name)}" in {pipelines}{hint}')
    return path


def jobs_named(names: Sequence[str], pipelines: Path) -> tuple[list[Job], list[str]]:
    """The jobs of these names or files, all where there are none, and which of all are left out.

    Raises click.ClickException.
    """
    if not names:
        reading = every_job(pipelines)
        return list(reading.jobs), left_out(reading)
    found = []
    for name in names:
        job = find(name, pipelines)
        if not isinstance(job, Job):
            raise click.ClickException(f"{name} has problems, which `trawl check` shows")
        found.append(job)
    return found, []


def every_job(pipelines: Path) -> Reading:
    """All jobs of a project, and what is wrong with the rest; raises click.ClickException."""
    if not pipelines.is_dir():
        raise NotThere("there is no folder pipelines here or above")
    return read_jobs(pipelines)


def left_out(reading: Reading) -> list[str]:
    """A sentence for whoever means all jobs and does not get those whose files have problems."""
    files = sorted({problem.path for problem in reading.problems})
    if not files:
        return []
    have, they = ("has", "it reaches") if len(files) == 1 else ("have", "they reach")
    return [f"{some(files)} {have} problems, which `trawl check` shows, and what {they} is left out"]


def some(files: Sequence[str]) -> str:
    """Names of files in a sentence, not more than it bears."""
    more = f" and {len(files) - _NAMED:,} more" if len(files) > _NAMED else ""
    return f"{', '.join(files[:_NAMED])}{more}"


def _read(path: Path, root: Path) -> Job | tuple[Problem, ...]:
    found = read_job(path, root)
    return found if isinstance(found, Job) else tuple(from_here(problem, root) for problem in found)


def _near(name: str, pipelines: Path) -> str:
    files = (file for suffix in SUFFIXES for file in pipelines.rglob(f"*{suffix}") if file.stem != "defaults")
    known = [".".join(file.relative_to(pipelines).with_suffix("").parts) for file in files]
    near = nearest(name, known)
    return f'; did you mean "{near}"?' if near else ""
