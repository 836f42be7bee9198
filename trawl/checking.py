"""`trawl check`: the problems of some files, for people and for tools."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import click

from schemas.folder import DEFAULTS, SUFFIXES
from schemas.problem import Problem
from schemas.reading import Reading, read_jobs, read_some


def check_paths(paths: Iterable[Path]) -> Reading:
    """What there is in the files and folders, each file once; paths as seen from here.

    Raises click.UsageError for a file that cannot be a job by its name.
    """
    whole: dict[Path, list[Path]] = {}
    single: dict[Path, list[Path]] = {}
    for path in paths:
        place = Path(os.path.abspath(path))  # noqa: PTH100  links keep the name the person knows
        if not place.is_dir() and place.suffix not in SUFFIXES:
            raise click.UsageError(f"{path} is no job file; those end in .yaml or .yml")
        if not place.is_dir() and place.stem == DEFAULTS:
            place = place.parent  # defaults are right or wrong together with the jobs they reach
        pipelines = _pipelines_of(place)
        (whole if place.is_dir() else single).setdefault(pipelines, []).append(place)
    readings = [_part(read_jobs(pipelines), pipelines, places) for pipelines, places in whole.items()]
    for pipelines, files in single.items():
        rest = [
            file
            for file in files
            if not any(file.is_relative_to(place) for place in whole.get(pipelines, ()))
        ]
        if rest:
            readings.append(_seen_from_here(read_some(rest, pipelines.parent), pipelines.parent))
    return Reading(
        jobs=tuple(job for reading in readings for job in reading.jobs),
        problems=tuple(sorted({problem for reading in readings for problem in reading.problems})),
        files=sum(reading.files for reading in readings),
    )


def _pipelines_of(place: Path) -> Path:
    """The pipelines folder that a path is, or is in; any other folder is taken for one."""
    for folder in (place, *place.parents):
        if folder.name == "pipelines" and folder.is_dir():
            return folder
    if place.is_dir():
        inside = place / "pipelines"
        return inside if inside.is_dir() else place
    return place.parent


def _part(reading: Reading, pipelines: Path, places: list[Path]) -> Reading:
    """What of a whole reading lies in the places asked for."""
    root = pipelines.parent
    if any(pipelines.is_relative_to(place) for place in places):
        return _seen_from_here(reading, root)

    def inside(file: str) -> bool:
        return any((root / file).is_relative_to(place) for place in places)

    jobs = tuple(job for job in reading.jobs if inside(job.file))
    problems = tuple(problem for problem in reading.problems if inside(problem.path))
    files = len(jobs) + len({problem.path for problem in problems})
    return _seen_from_here(Reading(jobs, problems, files), root)


def _seen_from_here(reading: Reading, root: Path) -> Reading:
    here = Path.cwd()
    if root == here:
        return reading
    problems = (
        replace(problem, path=os.path.relpath(root / problem.path, here)) for problem in reading.problems
    )
    return replace(reading, problems=tuple(problems))


def report(reading: Reading, as_format: str) -> tuple[str, str]:
    """What to print on standard output, and on standard error."""
    if as_format == "json":
        import json  # noqa: PLC0415  people want text

        problems = [_plain(problem) for problem in reading.problems]
        jobs = [job.id for job in reading.jobs]
        return json.dumps({"files": reading.files, "jobs": jobs, "problems": problems}, indent=2), ""
    files = _count(reading.files, "job file")
    if not reading.problems:
        return "", f"{files}, no problems"
    bad = _count(len({problem.path for problem in reading.problems}), "file")
    count = _count(len(reading.problems), "problem")
    return "\n".join(map(str, reading.problems)), f"{count} in {bad}; {files} read"


def _plain(problem: Problem) -> dict[str, str | int]:
    return {name: getattr(problem, name) for name in ("path", "line", "column", "kind", "message", "hint")}


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
