"""`trawl show`: what a job means, on one page."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Any

import click

from schemas.bucket import place_of
from schemas.job import Job
from schemas.schedule import describe, window_before
from schemas.window import Window
from schemas.words import short
from schemas.zone import zone
from trawl.coming import Coming, last_end, next_runs, windows_from
from trawl.plan import Item
from trawl.plan.changes import Change
from trawl.plan.forecast import forecast
from trawl.plan.words import backfill, bounds
from trawl.secrets import HIDDEN, looks_secret
from trawl.table import table

RUNS = 5


def sheet(job: Job, now: datetime | None = None, width: int | None = None) -> str:
    """The page, with styles that a terminal shows and a pipe does not; `now` is aware.

    Tables are at most `width` columns wide where one cell below the other helps (None: as it comes).
    """
    now = now or datetime.now(UTC)
    lines = [click.style(job.id, bold=True), *([short(job.description)] if job.description else []), ""]
    values = [(name, _value(value), str(job.origins[name])) for name, value in job.values.items()]
    lines += table(values, "  ", width)
    ahead = forecast(job, now, last=last_end(job, now))
    item = Item(Change("added", job.id, job.file, None, job), None, ahead, ())
    sentences = (f"Runs {describe(job.schedule)}.", backfill(item), *bounds(item))
    lines += ["", *filter(None, sentences)]
    heading, rows = _runs(job, now)
    lines += ["", click.style(heading, bold=True)]
    lines += table([("when", "scrapes", "writes"), *rows], "  ", width)
    return "\n".join(line.rstrip() for line in lines)


def _value(value: Any) -> str:
    if looks_secret(value):
        return HIDDEN
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return short(", ".join(map(str, value))) or "none"
    return short(str(value)) or "-"


def _runs(job: Job, now: datetime) -> tuple[str, list[tuple[str, ...]]]:
    """What the runs to come do; of a job whose range is over or that runs when asked, what they may."""
    rows = next_runs(job, now, RUNS)
    heading = "Next runs"
    if not rows:
        since = job.date_range.since
        first = since if since is not None and since < now else window_before(job.schedule, now).start
        rows = windows_from(job, first, RUNS)
        heading = "Its date range is over; a backfill of it begins with"
        if job.schedule.cron is None:
            heading = "Runs when asked, for example"
    place = zone(job.schedule.timezone)
    bucket = place_of(job.bucket, job.root)
    return heading, [_row(run, place, bucket) for run in rows]


def _row(run: Coming, place: tzinfo, bucket: str) -> tuple[str, ...]:
    when = "by hand" if run.moment is None else clock(run.moment, place)
    return when, span(run.window, place), f"{bucket}/{run.key}"


def span(window: Window, place: tzinfo) -> str:
    """A window by the clocks of a zone."""
    return f"{clock(window.start, place)} to {clock(window.end, place)}"


def clock(moment: datetime, place: tzinfo) -> str:
    """A moment, to the minute, by the clocks of a zone."""
    return f"{moment.astimezone(place):%Y-%m-%d %H:%M}"
