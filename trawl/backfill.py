"""`trawl backfill`: which windows of the past a job has yet to take, and what taking them can cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

import click

from etl_callables.ahead import in_order
from etl_callables.cost import dollars
from etl_callables.errors import RetryLater, Stop
from etl_callables.manifest import Damaged, Manifest, read_manifest
from etl_callables.run import Run, object_key, prefix
from etl_callables.sources.facts import facts_of
from etl_callables.store import READERS, open_store
from schemas.bucket import place_of
from schemas.counting import fires_between
from schemas.job import Job
from schemas.key import TABLE
from schemas.schedule import window_at, window_before
from schemas.window import Window
from schemas.words import counted, printable
from schemas.zone import zone
from trawl.history import day
from trawl.plan import reach
from trawl.plan.forecast import bounds_of
from trawl.plan.words import money
from trawl.request import moment_of, own_window
from trawl.showing import clock
from trawl.table import table

MOST: Final = 10_000
"""Runs that are asked for at a time: Airflow creates all of them before it answers."""


@dataclass(frozen=True, slots=True)
class Part:
    """A window to take: the schedule's `interval`, what of it lies in the date range, its object's key."""

    interval: Window
    window: Window
    key: str


@dataclass(frozen=True, slots=True)
class Span:
    """What is asked for, [since, until), aware, and `remarks` on what was cut off."""

    since: datetime
    until: datetime
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Backfill:
    """The runs to create, and those left out: `there` are their windows, or were until they `expired`.

    `early` of the runs take windows again that are there and whose source ended early, `redone` others that
    are there. `unseen` says why the bucket could not be looked into, empty where it could. `remarks` are
    sentences for the person.
    """

    job: Job
    parts: tuple[Part, ...]
    there: int = 0
    expired: int = 0
    early: int = 0
    redone: int = 0
    unseen: str = ""
    remarks: tuple[str, ...] = ()


def span_of(job: Job, start: str | None, end: str | None, now: datetime) -> Span:
    """What `--from` and `--to` name, clipped to the job's date range; without them, all of that.

    Raises Stop for what makes no sense.
    """
    first, last = moment_of(job, "--from", start), moment_of(job, "--to", end)
    since, until = job.date_range.since, job.date_range.until
    if job.date_range.each_run == "whole":
        raise Stop(
            f"each run of {job.id} takes its whole date range, so there are no windows to fill; run it once: "
            f"trawl run {job.id}"
        )
    if first is None and since is None:
        raise Stop(f"{job.id} has no date_range.since: say with --from where to begin")
    if first and last and first >= last:
        raise Stop(f"--from {start} is not before --to {end}")
    remarks = []
    if first and since and first < since:
        remarks.append(f"What is before {_clock(job, since)}, where its date range begins, is left out.")
    if last and until and last > until:
        remarks.append(f"What is from {_clock(job, until)} on, where its date range ends, is left out.")
    begin = max(moment for moment in (first, since) if moment)
    finish = min(moment for moment in (last or now, until or last or now))
    if begin >= finish:
        outside = _outside(job, begin, now)
        if first or last:
            raise Stop(f"there is nothing to fill: {outside}")
        remarks.append(f"{outside[:1].upper()}{outside[1:]}.")
    over = window_before(job.schedule, now).end
    if last and finish > over:
        remarks.append(f"What is not over yet, from {_clock(job, over)} on, is left out.")
    return Span(begin, finish, tuple(remarks))


def _outside(job: Job, begin: datetime, now: datetime) -> str:
    """Why a span is empty."""
    since, until = job.date_range.since, job.date_range.until
    if begin >= now and not (until and until <= begin):
        return f"{_clock(job, begin)} is yet to come"
    return f"its date range is {_clock(job, since)} to {_clock(job, until)}"


def _clock(job: Job, moment: datetime | None) -> str:
    return "…" if moment is None else clock(moment, zone(job.schedule.timezone))


def parts_of(job: Job, span: Span, now: datetime) -> tuple[Part, ...]:
    """The windows that begin in the span and are over, as the schedule's own runs take them.

    Raises Stop where they are more than `MOST`.
    """
    if span.since >= span.until:
        return ()
    cron = job.schedule.cron or "0 0 * * *"
    runs = fires_between(cron, job.schedule.timezone, span.since, min(span.until, now))
    if runs > MOST:
        raise Stop(f"that would be {runs:,} runs; ask for {MOST:,} at most, with --from and --to")
    return tuple(_parts(job, span, now))


def _parts(job: Job, span: Span, now: datetime) -> Iterator[Part]:
    interval = window_at(job.schedule, span.since)
    while interval.end < now and interval.start < span.until:
        window = own_window(job, interval)
        if window is not None and window.start >= span.since:
            yield Part(interval, window, object_key(job, window, Run()))
        interval = window_at(job.schedule, interval.end)


def backfill_of(job: Job, span: Span, now: datetime, run: Run, *, again: bool) -> Backfill:
    """What there is to do: the windows whose manifest is missing or incomplete, or, `again`, all of them.

    What was deleted for its age stays so, unless `again`.

    Reads the manifest of each window. Raises Stop for a manifest that is damaged.
    """
    parts = parts_of(job, span, now)
    unseen = ""
    found: dict[Part, Manifest | None] = dict.fromkeys(parts)
    try:
        found = dict(zip(parts, _manifests(job, parts, run), strict=True))
    except Damaged:
        raise
    except (RetryLater, Stop) as error:
        unseen = str(error)
    except ModuleNotFoundError as error:
        unseen = f"{error.name} is missing: pip install 'trawl[airflow]'"
    old = {part for part, manifest in found.items() if manifest and manifest.expired}
    whole = {part for part, manifest in found.items() if manifest and manifest.complete} | old
    wanted = tuple(part for part in parts if again or part not in whole)
    early = sum(manifest is not None and part not in whole for part, manifest in found.items())
    remarks = (*span.remarks, *_remarks(job, wanted, now))
    there, expired = (0, 0) if again else (len(whole - old), len(old))
    return Backfill(job, wanted, there, expired, early, len(whole) if again else 0, unseen, remarks)


def _manifests(job: Job, parts: Sequence[Part], run: Run) -> list[Manifest | None]:
    store = open_store(job, run)
    folders = (prefix(job, part.window, Run()) for part in parts)
    return list(in_order(partial(read_manifest, store), folders, READERS))


def _remarks(job: Job, parts: Sequence[Part], now: datetime) -> Iterator[str]:
    """What a person should know of the source and the money before saying yes."""
    if not parts:
        return
    facts, name = facts_of(job.source, job.via), f"{job.source} via {job.via}"
    lost = reach.of_the_past(job, lambda moment: sum(part.window.start < moment for part in parts), now)
    yield from (f"{remark}." for remark in lost)
    shared = [key for key, runs in Counter(part.key for part in parts).items() if runs > 1]
    if shared and job.format != TABLE:
        yield f"Several of these windows write {shared[0]}, and the last one stays: put {{start}} into it."
    _, cost = bounds_of(job, len(parts))
    month = job.max_cost.month
    if facts.dollars is not None and cost is None and month is None:
        yield f"{name} charges for what it gives, and neither limit nor max_cost says when to stop."
    if month is not None and cost is not None and cost > month:
        yield f"max_cost.month of {dollars(month)} may not pay for all: runs that it does not pay for fail."
    if facts.note:
        yield facts.note


def sheet(fill: Backfill, width: int | None = None) -> str:
    """What is announced, with styles, in lines that tell it to a person before they say yes."""
    job, place = fill.job, zone(fill.job.schedule.timezone)
    lines = [click.style(job.id, bold=True)]
    if fill.unseen:
        lines.append(_warned("The bucket cannot be looked into, so nothing that is there is left out:"))
        lines.append(f"  {printable(fill.unseen)}")
    if fill.there:
        verb = "is" if fill.there == 1 else "are"
        again = "it" if fill.there == 1 else "them"
        lines.append(
            f"{counted(fill.there, 'window')} {verb} there already and left out; --again does {again} again."
        )
    if fill.expired:
        words = (
            "was deleted for its age and is" if fill.expired == 1 else "were deleted for their age and are"
        )
        lines.append(f"{counted(fill.expired, 'window')} {words} left out.")
    if not fill.parts:
        lines += [*map(_warned, fill.remarks), "Nothing is left to do."]
        return "\n".join(lines)
    lines.append(f"{counted(len(fill.parts), 'run')} to create ({job.schedule.timezone}):")
    bucket = place_of(job.bucket, job.root)
    ends = [("first", fill.parts[0]), ("last", fill.parts[-1])][: len(fill.parts)]
    rows = [(name, day(part.window, place), f"{bucket}/{part.key}") for name, part in ends]
    lines += table(rows, "  ", width)
    for count, words in ((fill.redone, "and done again"), (fill.early, "but the source ended early")):
        if count:
            lines.append(f"{count:,} of them {'is' if count == 1 else 'are'} there already, {words}.")
    lines.append(_most(job, len(fill.parts)))
    return "\n".join([*lines, *map(_warned, fill.remarks)])


def _most(job: Job, runs: int) -> str:
    posts, cost = bounds_of(job, runs)
    text = "No limit of posts" if posts is None else f"At most {counted(posts, 'post')}"
    text += f", {money(cost)}" if cost is not None else ""
    bounds = ((job.max_cost.run, "run"), (job.max_cost.month, "month"))
    allowed = [f"{dollars(bound)} a {per}" for bound, per in bounds if bound is not None]
    return f"{text}; max_cost allows {' and '.join(allowed)}." if allowed else f"{text}."


def _warned(text: str) -> str:
    return click.style(text, fg="yellow")


def by_hand(fill: Backfill) -> str:
    """The command line that takes the first of the windows here, without Airflow."""
    start = fill.parts[0].window.start.astimezone(zone(fill.job.schedule.timezone))
    text = f"{start:%Y-%m-%d}" if f"{start:%H%M}" == "0000" else f"{start:%Y-%m-%dT%H:%M}"
    return f"trawl run {fill.job.id} --start {text}"
