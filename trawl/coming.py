"""The runs a job will have: when each starts, what it scrapes, where it writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from etl_callables.run import Run, object_key
from schemas.counting import fires_between
from schemas.job import Job
from schemas.schedule import next_after, window_at, window_before
from schemas.window import Window
from trawl.request import own_window


@dataclass(frozen=True, slots=True)
class Coming:
    """A run to come. `moment` is when it starts, aware, None where a person starts it.

    `key` is the object's name in the bucket; empty where the run finds nothing to do, because its
    interval lies before the job's date range.
    """

    moment: datetime | None
    window: Window
    key: str


def next_runs(job: Job, now: datetime, count: int) -> list[Coming]:
    """The next runs that the schedule starts after `now`; fewer, or none, where the date range ends."""
    return list(islice(_scheduled(job, next_after(job.schedule, now)), count))


def runs_when_new(job: Job, now: datetime, count: int) -> list[Coming]:
    """The first runs of a job that appears now, as `trawl.timetable` makes them.

    Those whose window is over start at once: of a job with backfill from `since` on, of any other the
    last complete one.
    """
    if job.schedule.cron is None:
        return []
    window = None if job.backfill else window_before(job.schedule, now)
    since = job.date_range.since
    if since is not None:
        first = window_at(job.schedule, since)
        window = first if window is None else max(window, first)
    return [] if window is None else list(islice(_scheduled(job, window.end), count))


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


def _scheduled(job: Job, moment: datetime | None) -> Iterator[Coming]:
    until = job.date_range.until
    interval = None if moment is None else window_before(job.schedule, moment)
    while interval is not None:
        if job.date_range.each_run == "interval" and until is not None and interval.start >= until:
            return
        yield _coming(job, interval.end, interval)
        following = next_after(job.schedule, interval.end)
        interval = None if following is None else Window(interval.end, following)


def _coming(job: Job, moment: datetime, interval: Window) -> Coming:
    window = own_window(job, interval)
    return Coming(moment, window or interval, object_key(job, window, Run()) if window else "")


def _windows(job: Job, first: datetime) -> Iterator[Coming]:
    window = window_at(job.schedule, first)
    while (clipped := window.clip(job.date_range.since, job.date_range.until)) is not None:
        yield Coming(None, clipped, object_key(job, clipped, Run()))
        window = window_at(job.schedule, window.end)
