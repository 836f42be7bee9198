"""A limit spread evenly over the days of a window (`per: day`): the same for extract and transform."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.job import Job
from schemas.window import Window
from schemas.zone import first_instant, zone


@dataclass(frozen=True, slots=True)
class Share:
    """The most posts that a run keeps of a part of its window."""

    window: Window
    limit: int


def shares(job: Job, window: Window) -> tuple[Share, ...]:
    """The share of each day of a window in the job's time zone, newest first; none unless asked for.

    They add up to the job's limit and differ by one at most; days that get more, or any at all where
    there are more days than posts, lie evenly among the others.
    """
    if job.per != "day" or job.limit is None:
        return ()
    days = list(days_of(window, job.schedule.timezone))[::-1]
    marks = [job.limit * place // len(days) for place in range(len(days) + 1)]
    return tuple(Share(day, high - low) for day, low, high in zip(days, marks, marks[1:], strict=False))


def parts(job: Job, window: Window) -> int:
    """In how many parts a run asks for a window: one, or one for each share that is to have posts."""
    return sum(share.limit > 0 for share in shares(job, window)) or 1


def days_of(window: Window, timezone: str) -> Iterator[Window]:
    """The days of a window, cut at the midnights of a time zone, the first and the last perhaps partly."""
    place = zone(timezone)
    start = window.start
    day = start.astimezone(place).date()
    while start < window.end:
        day += timedelta(days=1)
        midnight = first_instant(datetime(day.year, day.month, day.day), place)  # noqa: DTZ001 - wall clock
        end = min(midnight, window.end)
        if end > start:
            yield Window(start, end)
        start = max(start, end)
