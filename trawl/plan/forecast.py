"""What a job will do and cost, before it has done anything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from etl_callables.shares import parts
from etl_callables.sources.facts import facts_of
from schemas.counting import days_a_window, fires_between, runs_a_month
from schemas.job import Job
from schemas.schedule import describe, window_before
from schemas.window import Window
from trawl.coming import Coming, first_window, past_runs, runs_after, windows_from

RUNS: Final = 3
"""First runs that a plan shows."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """One job. `schedule` is in words, with the zone; `runs` are the first to come.

    `over` means that its date range is, so that nothing runs by itself. `past` is how many runs a
    backfill of its range would create today, and `at_once` whether the job creates them itself when it
    appears. The rest are upper bounds: `monthly` runs, `posts` and `dollars` a month, those of the runs
    of the past, and dollars of one run; None where there is no bound, or, of money, nothing to pay.
    """

    schedule: str
    runs: tuple[Coming, ...]
    over: bool
    past: int
    at_once: bool
    monthly: int
    posts: int | None
    past_posts: int | None
    dollars: Decimal | None
    past_dollars: Decimal | None
    run_dollars: Decimal | None


def forecast(job: Job, now: datetime, *, last: datetime | None, count: int = RUNS) -> Forecast:
    """What `job` will do from `now` on. Pure: nothing is asked or read.

    `last` is where its last run so far ended, by whatever schedule; None where it has no runs yet. `count`
    is how many of its first runs are worked out, at least one.
    """
    first = first_window(job, last, now)
    runs = runs_after(job, last, now, count)
    past = past_runs(job, now)
    over = job.schedule.cron is not None and not runs
    if over and job.date_range.since is not None:
        runs = windows_from(job, job.date_range.since, count)
    monthly = 0 if over else min(runs_a_month(job.schedule), _left(job, first, now))
    most = _most(job)
    posts = None if most is None else most * monthly
    past_posts, past_dollars = bounds_of(job, past)
    return Forecast(
        describe(job.schedule),
        tuple(runs),
        over,
        past,
        job.backfill and last is None,
        monthly,
        posts,
        past_posts,
        _dollars(job, monthly, job.max_cost.month),
        past_dollars,
        _dollars(job, 1, job.max_cost.month),
    )


def bounds_of(job: Job, runs: int) -> tuple[int | None, Decimal | None]:
    """The most posts, and US dollars, of so many runs; each None as in `Forecast`.

    What `max_cost` allows a month is not among the bounds.
    """
    most = _most(job)
    return None if most is None else most * runs, _dollars(job, runs, None)


def _most(job: Job) -> int | None:
    """The most posts of a run, by the job's limit and the source's."""
    there = facts_of(job.source, job.via).most
    bounds = (job.limit, None if there is None else there(job))
    return min((bound for bound in bounds if bound is not None), default=None)


def _parts(job: Job) -> int:
    """In how many parts a run asks for its window, at most."""
    if job.per != "day" or job.limit is None:
        return 1
    since, until = job.date_range.since, job.date_range.until
    if job.date_range.each_run == "interval":
        return days_a_window(job.schedule)
    if since is None or until is None:
        return job.limit  # it grows with time, until each post has a day of its own
    return parts(job, Window(since, until))


def _left(job: Job, first: Window | None, now: datetime) -> int:
    """How many runs there are until the date range ends; more than any month has where it does not.

    Of runs that catch up with what is past only the last is among them.
    """
    until, cron = job.date_range.until, job.schedule.cron
    if until is None or cron is None or first is None or job.date_range.each_run == "whole":
        return 10**9
    start = max(first.start, window_before(job.schedule, now).start)
    return fires_between(cron, job.schedule.timezone, start, until)


def _dollars(job: Job, runs: int, bound: float | None) -> Decimal | None:
    """The most that so many runs can cost, by what the source charges and what the job allows."""
    price = facts_of(job.source, job.via).dollars
    if price is None:
        return None
    charged = price(job, _parts(job))
    a_run = [] if charged is None else [charged]
    a_run += [] if job.max_cost.run is None else [Decimal(str(job.max_cost.run))]
    bounds = [min(a_run) * runs] if a_run else []
    bounds += [] if bound is None else [Decimal(str(bound))]
    return min(bounds, default=None)
