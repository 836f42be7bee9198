"""What a job would find, asked of its source without fetching anything."""

from __future__ import annotations

from typing import cast

from etl_callables.extraction import credentials
from etl_callables.preview import Counting, Preview
from etl_callables.run import Run
from etl_callables.shares import parts
from etl_callables.sources import Request, source_for
from schemas.job import Job
from schemas.window import Window


def preview(job: Job, window: Window, run: Run) -> Preview | None:
    """How many posts the job would find in a window; None where its source cannot tell.

    Counting may cost a little itself, which the answer says. Raises RetryLater and Stop.
    """
    source = source_for(job.source, job.via)
    if not hasattr(source, "counts"):
        return None
    request = Request(
        query=job.query,
        window=window,
        limit=job.limit,
        options=job.options,
        folder=job.folder,
        credentials=credentials(job, run),
        connection=job.source_connection or "",
        parts=parts(job, window),
    )
    return cast("Counting", source).counts(request, run)
