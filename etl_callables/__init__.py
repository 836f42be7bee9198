"""The three callables that every DAG shares.

They know nothing of Airflow: each takes the job, the window and the run, and returns a small dict of
keys and counts for the next. Each loads its own machinery when it is called, so that a scheduler that
only draws the DAG never pays for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from etl_callables.run import Run
from schemas.job import Job
from schemas.window import Window

__all__ = ["extract", "load", "transform"]


def extract(job: Job, window: Window, run: Run) -> dict[str, Any]:
    """Fetch the window's pages into the bucket, as they come; goes on where a killed run stopped.

    Returns {"raw": key of the closing record, "pages": int, "posts": int}. Raises TrawlError.
    """
    from etl_callables.extraction import extract as work  # noqa: PLC0415

    return work(job, window, run)


def transform(job: Job, window: Window, run: Run, extracted: dict[str, Any]) -> dict[str, Any]:
    """Turn raw pages into one typed, sorted, deduplicated object, staged beside them.

    Never asks the source. Returns {"staged": key of the staging record, "posts": int, …}. Raises
    TrawlError; Overtaken where the pages are gone because another run has published the window.
    """
    from etl_callables.raw import attempt_name  # noqa: PLC0415
    from etl_callables.transformation import transform as work  # noqa: PLC0415

    began = attempt_name(run.now())
    with _giving_way(job, window, run, began, extracted["raw"]):
        return work(job, window, run, extracted)


def load(job: Job, window: Window, run: Run, transformed: dict[str, Any]) -> dict[str, Any]:
    """Publish the staged object under its key, and then its manifest: the commit.

    Returns {"object": url, "manifest": url, "posts": int, …}: the gist of the manifest. Raises TrawlError;
    Overtaken where another run has published the window meanwhile, and what this one needs is gone.
    """
    from etl_callables.loading import load as work  # noqa: PLC0415
    from etl_callables.raw import attempt_of  # noqa: PLC0415

    with _giving_way(job, window, run, attempt_of(transformed["staged"]), transformed.get("raw")):
        return work(job, window, run, transformed)


@contextmanager
def _giving_way(job: Job, window: Window, run: Run, attempt: str, done: str | None) -> Iterator[None]:
    """Where something is missing or in the way, it may be that another run of the window has published."""
    from etl_callables.errors import Outdone  # noqa: PLC0415
    from etl_callables.store import Missing, open_store  # noqa: PLC0415

    try:
        yield
    except (Missing, Outdone):
        from etl_callables.run import prefix  # noqa: PLC0415
        from etl_callables.tidying import give_way  # noqa: PLC0415

        give_way(open_store(job, run), prefix(job, window, run), attempt, done)
        raise
