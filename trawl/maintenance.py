"""What is older than jobs let it be: listed first, then deleted, by hand or every day by a DAG."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import click

from etl_callables.errors import RetryLater, Stop
from etl_callables.publishing import withdraw
from etl_callables.retention import Due, due, expire
from etl_callables.run import Run
from etl_callables.store import open_store
from schemas.job import Job
from schemas.words import counted
from trawl.connections import connections
from trawl.naming import jobs_named
from trawl.project import PIPELINES, project


@dataclass(frozen=True, slots=True)
class Old:
    """What one job has to delete. `problem` says why its bucket could not be looked at, if it could not."""

    job: Job
    things: tuple[Due, ...] = ()
    problem: str = ""


def looked(jobs: Iterable[Job], run: Run) -> list[Old]:
    """What each job has to delete; the bucket of one that cannot be reached keeps no other from it."""
    found = []
    for job in jobs:
        try:
            found.append(Old(job, tuple(due(open_store(job, run), job, run.now()))))
        except (RetryLater, Stop) as problem:
            found.append(Old(job, problem=str(problem)))
    return found


def deleted(old: Iterable[Old], run: Run) -> tuple[int, list[str]]:
    """Delete what was listed, as far as it is still so: how many files went, and what could not be done."""
    count, problems = 0, []
    for one in old:
        try:
            store = open_store(one.job, run)
            count += expire(store, one.things, run.now(), partial(withdraw, one.job, store, run))
        except (RetryLater, Stop) as problem:
            problems.append(f"{one.job.file}: {problem}")
    return count, problems


def ageing(jobs: Iterable[Job]) -> list[Job]:
    """The jobs whose objects or raw pages are not kept for good."""
    return [job for job in jobs if job.keep is not None or job.keep_raw is not True]


def summary(old: Sequence[Old]) -> str:
    """How much there is to delete."""
    things = [thing for one in old for thing in one.things]
    files, size = sum(len(thing.keys) for thing in things), sum(thing.size for thing in things)
    if not files:
        return "Nothing is older than its job lets it be."
    jobs = counted(sum(bool(one.things) for one in old), "job")
    return f"{counted(files, 'file')} of {size:,} bytes, of {jobs}."


def expire_named(names: Sequence[str], *, yes: bool) -> int:
    """What `trawl expire` does; its exit code."""
    here = project()
    jobs, problems = jobs_named(names, here / PIPELINES)
    run = Run(connection=connections(here))
    old = looked(ageing(jobs), run)
    for one in old:
        for thing in one.things:
            click.echo(str(thing))
    problems += [f"{one.job.file}: {one.problem}" for one in old if one.problem]
    click.echo(summary(old), err=True)
    if any(one.things for one in old) and _agreed(yes=yes):
        count, more = deleted(old, run)
        problems += more
        click.echo(f"{counted(count, 'file')} deleted.", err=True)
    for problem in problems:
        click.echo(f"Error: {problem}", err=True)
    return 1 if problems else 0


def _agreed(*, yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is here to agree: pass --yes to delete these")
    return click.confirm("Delete them for good?", err=True)
