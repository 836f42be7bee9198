"""The pipelines folder: which files are jobs, and what a job is called.

A job is called by its path below pipelines/ without the suffix, folders joined by dots. Names hold
letters, digits, _ and - only, so that each name is one file and the other way round.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from schemas.fault import Fault, Place
from schemas.problem import Problem

SUFFIXES: Final = (".yaml", ".yml")
DEFAULTS: Final = "defaults"
DEFAULTS_FILES: Final = tuple(f"{DEFAULTS}{suffix}" for suffix in SUFFIXES)
_MAX_ID: Final = 200
"""Airflow takes 250 characters; the rest is for what is written around it."""

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_TOP: Final = Place(1, 1)


def job_path(job_id: str, pipelines: Path) -> Path | None:
    """The file of a job, None where there is none; looks at no more than two names."""
    parts = job_id.split(".")
    if parts[-1] == DEFAULTS or not all(map(_NAME.fullmatch, parts)):
        return None
    for suffix in SUFFIXES:
        path = pipelines.joinpath(*parts[:-1], parts[-1] + suffix)
        if os.path.isfile(path):  # noqa: PTH113  false, too, of a name that is too long
            return path
    return None


RESERVED: Final = frozenset({"trawl.maintenance"})
"""Names of DAGs that are there without a file; a job of such a name would take their place."""


def job_id_of(file: str, root: str) -> tuple[str, list[Fault]]:
    """The job's id, and what is wrong with the names it comes from."""
    stem, suffix = os.path.splitext(file)  # noqa: PTH122  hot path
    parts = stem.replace(os.sep, "/").split("/")[1:]
    faults = []
    for part in parts:
        if not _NAME.fullmatch(part):
            message = f'"{part}" in the name of this file has more than letters, digits, _ and -'
            faults.append(Fault(message, "bad-name", "rename it; the job is called by it", place=_TOP))
    job_id = ".".join(parts)
    if parts and parts[-1] == DEFAULTS:
        message = f"a file called {DEFAULTS} has the defaults of its folder's jobs, and is no job itself"
        faults.append(Fault(message, "bad-name", "choose another name for a job", place=_TOP))
    if job_id in RESERVED:
        message = f"{job_id} is the name of a DAG of Trawl's own"
        faults.append(Fault(message, "bad-name", "rename the file", place=_TOP))
    if len(job_id) > _MAX_ID:
        message = f"the job's name is {len(job_id)} characters long; {_MAX_ID} is the most"
        faults.append(Fault(message, "bad-name", "shorten the names of its folders", place=_TOP))
    other = next(one for one in SUFFIXES if one != suffix)
    if os.path.lexists(os.path.join(root, stem + other)):  # noqa: PTH118  hot path
        message = f"{os.path.basename(stem)}{other} beside it is the same job"  # noqa: PTH119  as above
        faults.append(Fault(message, "two-files", "keep one of the two files", place=_TOP))
    return job_id, faults


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a link to a folder; false of one that leads nowhere, or to itself."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def job_files(folder: str, name: str, problems: list[Problem]) -> Iterator[str]:
    """The job files below a folder by the names a person would type, in order."""
    try:
        with os.scandir(folder) as entries:
            inside = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        problems.append(Problem(name, 1, 1, f"cannot read this folder: {error.strerror}", "unreadable"))
        return
    for entry in inside:
        if entry.name.startswith("."):
            continue
        inner = f"{name}/{entry.name}"
        stem, suffix = os.path.splitext(entry.name)  # noqa: PTH122  hot path
        if entry.is_dir(follow_symlinks=False):
            yield from job_files(entry.path, inner, problems)
        elif _leads_to_folder(entry):
            message = "this folder is a link, and jobs behind links are not read"
            problems.append(Problem(inner, 1, 1, message, "linked-folder", "move the folder here"))
        elif suffix in SUFFIXES:
            if stem != DEFAULTS:
                yield inner
        elif suffix.lower() in SUFFIXES:
            message = f"this file ends in {suffix}, so that it is no job"
            hint = f"rename it to {stem}{suffix.lower()}"
            problems.append(Problem(inner, 1, 1, message, "bad-name", hint))
