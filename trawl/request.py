"""From a run's interval, and what a person overrode by hand, to what is fetched and where it goes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from etl_callables.errors import NothingToDo, Stop
from etl_callables.sources import ONE_AT_A_TIME
from schemas.job import Job
from schemas.moment import parse_moment
from schemas.window import Window
from schemas.zone import zone

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Where a job without `since` begins when each run takes the whole range."""

AT_ONCE = 4
"""Runs of a job that may go on side by side, where they share nothing."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a manual run may change: None leaves the job's own value. Times are aware."""

    since: datetime | None = None
    until: datetime | None = None
    query: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What one run is to fetch. `variant` is empty for the job's own runs (see `Run.variant`)."""

    job: Job
    window: Window
    variant: str = ""


def ask(job: Job, interval: Window, overrides: Overrides | None = None) -> Asked:
    """What a run of `job` over its data interval fetches.

    A run that a person gave another query, limit or window writes beside the job's own objects, so
    that a look at three days never replaces the object of the first of them. Raises NothingToDo
    where the interval lies outside the job's date range, Stop for overrides that make no sense.
    """
    overrides = overrides or Overrides()
    own = own_window(job, interval)
    by_hand = overrides.since is not None or overrides.until is not None
    if own is None and not by_hand:
        raise NothingToDo(_outside(job, interval))
    window = _window(own or interval, overrides)
    changed = replace(
        job,
        query=job.query if overrides.query is None else overrides.query,
        limit=job.limit if overrides.limit is None else overrides.limit,
    )
    if (changed.query, changed.limit) != (job.query, job.limit):
        text = json.dumps([changed.query, changed.limit])
        return Asked(changed, window, "manual-" + hashlib.sha256(text.encode()).hexdigest()[:8])
    return Asked(job, window, "manual" if window != own else "")


def own_window(job: Job, interval: Window) -> Window | None:
    """What a run of the schedule over `interval` takes; None where that lies outside the date range."""
    span = job.date_range
    if span.each_run == "whole":
        return Window(span.since or EPOCH, span.until or interval.end)
    return interval.clip(span.since, span.until)


def runs_at_once(job: Job) -> int:
    """How many runs of a job may go on side by side: one where they share something.

    That is one object, what a month has left to spend, or a memory.
    """
    whole = job.date_range.each_run == "whole"
    alone = whole or bool(job.max_cost.month) or (job.source, job.via) in ONE_AT_A_TIME
    return 1 if alone else AT_ONCE


class NoMoment(Stop):
    """An option of the command line that names a moment names none."""


def moment_of(job: Job, option: str, text: str | None) -> datetime | None:
    """The moment that an option of the command line names; without an offset by the clocks of the job's zone.

    Raises NoMoment for what is none.
    """
    if text is None:
        return None
    try:
        return parse_moment(text, zone(job.schedule.timezone))
    except ValueError as error:
        raise NoMoment(f"{option}: {error}; write 2021-07-05 or 2021-07-05T06:00Z") from None


def _window(base: Window, overrides: Overrides) -> Window:
    start, end = overrides.since or base.start, overrides.until or base.end
    if start >= end:
        raise Stop(
            f"since ({start:%Y-%m-%d %H:%M} UTC) must be before until ({end:%Y-%m-%d %H:%M} UTC); "
            "trigger the run again with both of them set"
        )
    return Window(start, end)


def _outside(job: Job, interval: Window) -> str:
    since, until = job.date_range.since, job.date_range.until
    return (
        f"nothing to do: {interval.start:%Y-%m-%d %H:%M} to {interval.end:%Y-%m-%d %H:%M} UTC lies outside "
        f"the job's date range (since {_day(since)}, until {_day(until)}) in {job.file}"
    )


def _day(moment: datetime | None) -> str:
    return "always" if moment is None else f"{moment:%Y-%m-%d %H:%M}"
