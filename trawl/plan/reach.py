"""What of a job lies beyond its source's reach, however it is asked: for a plan and for a backfill."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from etl_callables.sources import ONE_AT_A_TIME
from etl_callables.sources.facts import Quota, facts_of
from schemas.job import Job
from schemas.words import counted
from trawl.plan.remark import Remark


def of_a_limit(job: Job) -> Iterator[Remark]:
    """Where a run may keep more than there is to have."""
    facts = facts_of(job.source, job.via)
    most = facts.most and facts.most(job)
    if most is not None and job.limit is not None and job.limit > most:
        text = f"{{0}} via {{1}} gives the newest {most:,} posts only, and the limit is {job.limit:,}"
        yield Remark("limit-beyond-reach", text, (job.source, job.via))


def of_a_day(job: Job, runs: int) -> Iterator[Remark]:
    """Where so many runs a day may ask for more than is given in one."""
    facts = facts_of(job.source, job.via)
    quota = facts.quota and facts.quota(job)
    if quota is not None and (asked := runs * _questions(job, quota)) > quota.a_day:
        text = f"{counted(runs, 'run')} a day may take {asked:,} {quota.name}"
        yield _waiting(job, quota, f"{text}: what is more waits for the next day")


def _questions(job: Job, quota: Quota) -> int:
    """What a run takes: of one without a limit, at least."""
    return -(-(job.limit or 1) // quota.posts)


def _waiting(job: Job, quota: Quota, text: str) -> Remark:
    gives = f"{{0}} via {{1}} gives {quota.a_day:,} {quota.name} a day"
    return Remark("beyond-a-day", f"{gives}, and {text}", (job.source, job.via))


def of_the_past(job: Job, begun_before: Callable[[datetime], int], now: datetime) -> Iterator[Remark]:
    """Where runs of the past ask for what is not to have any more.

    `begun_before` says how many of them have a window that begins before a moment.
    """
    facts, provider = facts_of(job.source, job.via), (job.source, job.via)
    if provider in ONE_AT_A_TIME:
        text = "{0} via {1} has no past to ask for: each run of the past takes what is there now"
        yield Remark("beyond-reach", text, provider)
    reach = facts.reach and facts.reach(job)
    if reach is not None and (beyond := begun_before(now - reach)):
        text = f"{{0}} via {{1}} goes back {counted(reach.days, 'day')} only"
        text += f": {counted(beyond, 'run')} of the past cannot fetch all"
        yield Remark("beyond-reach", text, provider)
    most = facts.most and facts.most(job)
    if most is not None:
        text = f"gives the newest {most:,} posts only: runs of the past have none that are older"
        yield Remark("beyond-reach", f"{{0}} via {{1}} {text}", provider)
    quota = facts.quota and facts.quota(job)
    if quota is not None and (asked := (runs := begun_before(now)) * _questions(job, quota)) > quota.a_day:
        days = counted(-(-asked // quota.a_day), "day")
        yield _waiting(job, quota, f"{counted(runs, 'run')} of the past may take {days}")
