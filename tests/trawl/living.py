"""A job's whole life in a bucket, as far as it asks S3 for anything."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from etl_callables import extract, load, transform
from etl_callables.run import Kept, Run, object_key, prefix
from etl_callables.store import open_store
from etl_callables.verification import verify
from schemas.job import Job
from schemas.reading import read_job
from schemas.window import Window
from tests.trawl.jobs import utc
from trawl.health import bucket

ROOT = Path(__file__).resolve().parents[2]
WINDOW = Window(utc(2021, 7, 5), utc(2021, 7, 6))
NEXT = Window(utc(2021, 7, 6), utc(2021, 7, 7))


class Unwell(Exception):  # noqa: N818 - what a life was like, and no error
    """Something was refused, though perhaps nobody stopped at it."""


class Killed(Exception):  # noqa: N818 - as above
    """What a run dies of."""


def example(where: str, **changes: Any) -> Job:
    """The example of the archive, writing elsewhere."""
    job = read_job(ROOT / "pipelines/examples/covid_archive.yaml", ROOT)
    assert isinstance(job, Job), job
    return replace(job, bucket=where, **changes)


def live(job: Job, *, again: bool = True) -> None:
    """Ask whether all is well, run, run again, be killed twice and go on, be verified; Unwell if it is not.

    Removes what killed runs left, two days later. Raises what any of it raises, too. Without `again`, a
    second run over the same window is left out.
    """
    said: list[str] = []
    run = Run(id="first", log=_log(said))
    found = bucket(job, run)
    if found.remedy:
        raise Unwell(found.remedy)
    whole(job, WINDOW, run)
    if again:
        whole(job, WINDOW, replace(run, id="again"))
    _killed(lambda: extract(job, NEXT, replace(run, id="killed", watch=_dying)))
    extracted = extract(job, NEXT, replace(run, id="killed"))
    transform(job, NEXT, run, extracted)  # and nobody loads it
    later = replace(run, id="later", now=lambda: run.now() + timedelta(days=2))
    whole(job, NEXT, later)
    findings = verify(open_store(job, run), later.now(), {job.id: job}, with_raw=True).findings
    said += [str(finding) for finding in findings if finding.wrong]
    if said:
        raise Unwell("\n".join(said))


def whole(job: Job, window: Window, run: Run) -> dict[str, Any]:
    """The three steps."""
    return load(job, window, run, transform(job, window, run, extract(job, window, run)))


def unfinished(job: Job, upload: Callable[[str], None]) -> None:
    """Have uploads begun that nobody came to finish: of a staged file, and of the object."""
    for window in (WINDOW, NEXT):
        upload(f"{prefix(job, window, Run())}/staged/20210706T000000.000000Z-dead/posts.csv")
        upload(object_key(job, window, Run()))


def _dying(kept: Kept) -> None:
    del kept
    raise Killed


def _killed(step: Callable[[], Any]) -> None:
    try:
        step()
    except Killed:
        return
    raise AssertionError("nothing was killed")


def _log(said: list[str]) -> logging.Logger:
    """A logger that keeps what it is warned of."""

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    log = logging.Logger("trawl.life")  # noqa: LOG001 - nobody else's, and gone with the life
    log.addHandler(Keeping(logging.WARNING))
    return log
