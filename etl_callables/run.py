"""Who runs, and where the things of a run are kept."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from schemas.job import Job
from schemas.key import TABLE, render_key
from schemas.window import Window

STATE = "_trawl"
"""Top folder of everything in a bucket that is not an object: Athena, Spark and DuckDB's hive
readers pass over names that begin with an underscore."""

REJECTED = "rejected"
"""Folder of a window with posts that are not as their job expects, kept until somebody has looked."""


ABANDONED: Final = timedelta(days=1)
"""After this a run that has not written its manifest is over, and its files are nobody's."""


def _no_connections(name: str) -> Mapping[str, Any]:
    raise LookupError(name)


def _now() -> datetime:
    return datetime.now(UTC)


class Kept(NamedTuple):
    """How far an extract is: pages and posts kept, and the creation times of the earliest and latest post."""

    pages: int
    posts: int
    oldest: datetime | None
    newest: datetime | None


def _nobody(kept: Kept) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution over one window.

    `id` names the run: the Airflow run id, so that a retried task goes on where it was, or `cli`.
    `variant` is empty for the job's own runs; a manual run that changes the query, the limit or
    the window gets a slug here, and writes beside the job's own objects, never over them.
    `connection` resolves a connection's name to its values and raises LookupError; `now` is the
    clock and `sleep` lets seconds pass on it; `log` takes lines for a person. `watch` is told after
    each page that is kept, and may raise to stop there: the next execution goes on after it.
    """

    id: str = "cli"
    variant: str = ""
    connection: Callable[[str], Mapping[str, Any]] = _no_connections
    now: Callable[[], datetime] = _now
    sleep: Callable[[float], None] = time.sleep
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("trawl"))
    watch: Callable[[Kept], None] = _nobody


def prefix(job: Job, window: Window, run: Run) -> str:
    """The folder, inside the bucket, of the raw pages, staged objects and manifest of a window."""
    variant = f"~{run.variant}" if run.variant else ""
    return f"{STATE}/{job.id}/{window}{variant}"


def object_key(job: Job, window: Window, run: Run) -> str:
    """Where, inside the bucket, the posts of a window go: a pure function of job and window.

    It is the table's place where a job has one; a variant has a file of its own even so.
    """
    key = render_key(job.key, window, job.id, job.schedule.timezone)
    if run.variant:
        return f"{prefix(job, window, run)}/{file_name(job, key)}"
    return key


def has_table(job: Job, run: Run) -> bool:
    """Whether a run writes rows of a table."""
    return job.format == TABLE and not run.variant


def file_name(job: Job, key: str) -> str:
    """The name of the file with a window's posts: the last of its key, with a suffix where that has none."""
    return key.rpartition("/")[2] + (".parquet" if job.format == TABLE else "")
