"""The runs a job will have: when each starts, what it scrapes, where it writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from etl_callables.run import Run, object_key
from schemas.counting import fires_between
from schemas.job import Job
from schemas.schedule import next_after, window_at, window_before, window_from
from schemas.window import Window
from trawl.request import own_window

_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Coming:
    """A run to come. `moment` is when it starts, aware, None where a person starts it.

    `key` is the object's name in the bucket.
    """

    moment: datetime | None
    window: Window
    key: str


def next_runs(job: Job, now: datetime, count: int) -> list[Coming]:
    """The next runs of a job that stays as it is; fewer, or none, where its date range ends."""
    return runs_after(job, last_end(job, now), now, count)


def runs_after(job: Job, last: datetime | None, now: datetime, count: int) -> list[Coming]:
    """The runs of a job that is as it is from `now` on, as `trawl.timetable` makes them.

    `last` is as in `first_window`. Those whose window is over start at once.
    """
    return list(islice(_scheduled(job, first_window(job, last, now)), count))


def first_window(job: Job, last: datetime | None, now: datetime) -> Window | None:
    """The window of a job's first run from `now` on, where its date range does not end before.

    `last` is where its last run so far ended, by whatever schedule; None of one that has had none, which
    begins with `since` where it has backfill, else with the last complete window. None where only a person
    starts runs.
    """
    if job.schedule.cron is None:
        return None
    found = [] if job.backfill else [window_before(job.schedule, now)]
    found += [] if last is None else [window_from(job.schedule, last)]
    since = job.date_range.since
    found += [] if since is None else [window_at(job.schedule, since)]
    return max(found, default=None)


def last_end(job: Job, now: datetime) -> datetime | None:
    """Where the last run ended that the schedule has made by `now`; None where it has made none yet."""
    if job.schedule.cron is None:
        return None
    since, until = job.date_range.since, job.date_range.until
    window = window_before(job.schedule, now)
    if until is not None and until <= window.start and job.date_range.each_run == "interval":
        window = window_at(job.schedule, until - _TICK)
    return None if since is not None and since >= window.end else window.end


def windows_from(job: Job, first: datetime, count: int) -> list[Coming]:
    """The windows of a job from `first` on that lie in its date range, for a person to ask for."""
    return list(islice(_windows(job, first), count))


def past_runs(job: Job, now: datetime) -> int:
    """How many runs a backfill of the whole date range would create; those to come are not among them."""
    since, until = job.date_range.since, job.date_range.until
    cron = job.schedule.cron
    if since is None or cron is None or job.date_range.each_run == "whole":
        return 0
    end = window_before(job.schedule, now).end
    return fires_between(
        cron, job.schedule.timezone, window_at(job.schedule, since).start, min(end, until or end)
    )


def _scheduled(job: Job, interval: Window | None) -> Iterator[Coming]:
    until = job.date_range.until
    while interval is not None:
        if job.date_range.each_run == "interval" and until is not None and interval.start >= until:
            return
        window = own_window(job, interval)
        if window is not None:
            yield Coming(interval.end, window, object_key(job, window, Run()))
        following = next_after(job.schedule, interval.end)
        interval = None if following is None else Window(interval.end, following)


def _windows(job: Job, first: datetime) -> Iterator[Coming]:
    window = window_at(job.schedule, first)
    while (clipped := window.clip(job.date_range.since, job.date_range.until)) is not None:
        yield Coming(None, clipped, object_key(job, clipped, Run()))
        window = window_at(job.schedule, window.end)
