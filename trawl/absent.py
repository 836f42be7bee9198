"""Files of an archive that a job names and that are not here: a word of warning, never a problem.

A check also runs where the data is not: before a commit, in a pull request, on another machine than
the one that runs the jobs. What is missing there is no mistake; what is missing here may be one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from glob import iglob

from schemas.job import Job
from schemas.words import short


def absent_files(jobs: Iterable[Job]) -> Iterator[tuple[Job, str]]:
    """Each job of an archive with a pattern of its `files` that names no file of the project."""
    for job in jobs:
        if job.source != "archive":
            continue
        files = job.options["files"]
        for pattern in [files] if isinstance(files, str) else files:
            if not _is_there(pattern, job):
                yield job, pattern


def notes(jobs: Iterable[Job], seen_from: str) -> Iterator[str]:
    """A line for each file that is not here, paths as seen from a folder."""
    for job, pattern in absent_files(jobs):
        origin = job.origins["options.files"]
        path = os.path.relpath(os.path.join(job.root, origin.path), seen_from)  # noqa: PTH118  text in and out
        place = f"{path}:{origin.line}:{origin.column}"
        yield f"{place}: note: there is no file {short(pattern)} here; runs need it where they run"


def _is_there(pattern: str, job: Job) -> bool:
    """Whether a file is there, or nobody looks: only in the project, whatever a stranger's job names."""
    if "://" in pattern:
        return True
    path = os.path.normpath(os.path.join(job.folder, pattern))  # noqa: PTH118  a pattern is no path
    root = os.path.join(os.path.abspath(job.root), "")  # noqa: PTH100, PTH118  as above
    if not path.startswith(root):
        return True
    inside = path.removeprefix(root).replace("[", "[[]")
    return any(os.path.isfile(root + found) for found in iglob(inside, root_dir=root, recursive=True))  # noqa: PTH113, PTH207
