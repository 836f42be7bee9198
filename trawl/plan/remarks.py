"""What a good colleague would say about a change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from etl_callables.run import STATE
from etl_callables.sources.facts import facts_of
from schemas.collisions import target
from schemas.counting import fires_between, runs_a_day
from schemas.job import Job
from schemas.schedule import window_at, window_before
from schemas.window import Window
from schemas.words import counted
from schemas.zone import zone
from trawl.coming import first_window, last_end
from trawl.plan import reach
from trawl.plan.changes import Change
from trawl.plan.forecast import Forecast
from trawl.plan.remark import Remark

TENFOLD: Final = 10
MANY_RUNS: Final = 1000

_PERSONAL: Final = ("author", "author_name", "author_id", "mentions")
"""Fields of a post that say who somebody is."""

_CONTENT: Final = ("source", "via", "query", "options", "date_range.each_run")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a remark may look at beside the change itself: the connections that jobs have named so far,
    and the names of the jobs that used to write to a target and no longer do.
    """

    connections: frozenset[str]
    left: Mapping[str, str]


def remarks(change: Change, ahead: Forecast | None, around: Surroundings, now: datetime) -> list[Remark]:
    """All there is to say about one change, what may lose or cost something first."""
    before, after = change.before, change.after
    found: list[Remark] = []
    if change.kind == "broken" and before is not None:
        found.append(Remark("broken", "it is no valid job any more, and is not scheduled until it is mended"))
    if change.kind == "removed" and before is not None:
        found.append(_left_behind(before))
    if after is not None:
        found += _of_the_job(after, ahead, around, now)
        if before is None:
            found += _of_a_new_one(after, ahead, around)
        else:
            found += _of_an_edit(change, before, after, now)
    return found


def place(job: Job) -> str:
    """Where a job writes, as its file says it, with its own name for {job}."""
    return f"{job.bucket.rstrip('/')}/{job.key.replace('{job}', job.id.replace('.', '/'))}"


def where(job: Job) -> str:
    """What two jobs have in common that write to one place, in whatever folder the project lies."""
    return target(job).replace(f"file://{job.root}/", "./", 1)


def _left_behind(job: Job) -> Remark:
    records = f"{job.bucket.rstrip('/')}/{STATE}/{job.id}/"
    text = "its objects ({0}) and its records ({1}) stay; delete them by hand when nobody needs them"
    return Remark("data-stays", text, (place(job), records))


def _of_the_job(job: Job, ahead: Forecast | None, around: Surroundings, now: datetime) -> Iterator[Remark]:
    """What is so of a job whatever it was before."""
    facts = facts_of(job.source, job.via)
    for name in job.connections:
        if name not in around.connections:
            text = "it needs the connection {0}, which no job has named before: create it in Airflow first"
            yield Remark("new-connection", text, (name,))
    if ahead is not None:
        yield from _reach(job, ahead, now)
    if facts.dollars is not None and ahead is not None and ahead.dollars is None and ahead.monthly:
        text = "{0} charges for what it gives, and neither limit nor max_cost says when to stop"
        yield Remark("no-limit-of-cost", text, (f"{job.source} via {job.via}",))
    if ahead is not None and ahead.over:
        yield Remark("over", "its date range is over, so nothing runs by itself")


def _reach(job: Job, ahead: Forecast, now: datetime) -> Iterator[Remark]:
    """What of a job lies beyond its source's reach."""
    yield from reach.of_a_limit(job)
    facts = facts_of(job.source, job.via)
    back = facts.reach and facts.reach(job)
    longest = max((run.window.end - run.window.start for run in ahead.runs), default=timedelta(0))
    if back is not None and longest > back:
        days = counted(back.days, "day")
        text = f"a run takes {longest.days} days, but {{0}} via {{1}} goes back {days} only"
        yield Remark("beyond-reach", text, (job.source, job.via))
        return
    cron, first = job.schedule.cron, next(iter(ahead.runs), None)
    if cron is None or first is None or ahead.over:
        return
    yield from reach.of_a_day(job, runs_a_day(job.schedule))
    over, until = window_before(job.schedule, now), job.date_range.until
    if job.backfill and first.window.start < over.start:
        begin, end = window_at(job.schedule, first.window.start).start, min(over.end, until or over.end)
        place = job.schedule.timezone
        yield from reach.of_the_past(job, lambda by: fires_between(cron, place, begin, min(by, end)), now)


def _of_a_new_one(job: Job, ahead: Forecast | None, around: Surroundings) -> Iterator[Remark]:
    yield from _takes_over(job, around)
    yield from _personal((), _plain_fields(job))
    if ahead is not None and ahead.at_once and ahead.past > MANY_RUNS:
        yield Remark("many-runs", f"{ahead.past:,} runs start as soon as it appears")


def _takes_over(job: Job, around: Surroundings) -> Iterator[Remark]:
    other = around.left.get(where(job))
    if other is not None:
        yield _taking_over(other, job)


def _taking_over(other: str, job: Job) -> Remark:
    text = "it writes over the objects that {0} left: both are called {1}"
    return Remark("takes-over", text, (other, place(job)))


def _plain_fields(job: Job) -> tuple[str, ...]:
    """The fields that an object says as the source gave them."""
    hidden = job.pseudonymise.fields if job.pseudonymise else ()
    return tuple(column.field for column in job.columns if column.field not in hidden)


def _pseudonyms(before: Job, after: Job) -> Iterator[Remark]:
    old, new = before.pseudonymise, after.pseudonymise
    if old is None or new is None:
        if new is not None:
            text = "objects written so far, and their raw pages, still say who people are: run them again"
            yield Remark("named-so-far", text)
        return
    if (old.key, old.stable) != (new.key, new.stable) or (before.id != after.id and new.stable == "job"):
        text = "everybody gets another pseudonym: objects written so far cannot be joined with new ones"
        yield Remark("other-pseudonyms", text)


def _personal(before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[Remark]:
    """Of the fields that an object says as they are, before and after a change."""
    fields = [name for name in _PERSONAL if name in after and name not in before]
    if fields:
        text = f"it writes who people are ({', '.join(fields)}) as it is, not as a pseudonym"
        yield Remark("personal-data", text)


def _of_an_edit(change: Change, before: Job, after: Job, now: datetime) -> Iterator[Remark]:
    names = {value.name for value in change.values}
    moved = where(before) != where(after)
    if change.kind == "renamed":
        yield from _renamed(before, after)
    if moved:
        text = "objects written so far stay at {0}; nothing moves or deletes them"
        yield Remark("old-objects", text, (place(before),))
    else:
        yield from _mixed(before, after, names)
    yield from _limit(before, after)
    yield from _dates(change, before, after, now)
    yield from _personal(_plain_fields(before), _plain_fields(after))
    yield from _pseudonyms(before, after)
    yield from _unprotected(before, after)


def _unprotected(before: Job, after: Job) -> Iterator[Remark]:
    """What was to hold or to go, and is not any more."""
    if before.quality is not None and after.quality is None:
        yield Remark("no-bounds", "quality is gone: whatever a run finds is published")
    if before.keep is not None and after.keep is None:
        yield Remark("kept-longer", "keep is gone: objects do not expire any more")
    if before.keep_raw is not True and after.keep_raw is True:
        yield Remark("kept-longer", "raw pages, which say who people are, are kept as long as objects")


def _renamed(before: Job, after: Job) -> Iterator[Remark]:
    text = "to Airflow it is a new job: the runs and manifests so far stay with {0}"
    yield Remark("history", text, (before.id,))
    if where(before) == where(after):
        yield _taking_over(before.id, after)
    files = after.options.get("files")
    names = [files] if isinstance(files, str) else files or []
    relative = [name for name in names if "://" not in name and not name.startswith("/")]
    if relative and before.file.rpartition("/")[0] != after.file.rpartition("/")[0]:
        text = "its files ({0}) are named relative to its folder, which is another now"
        yield Remark("moved-files", text, (", ".join(relative),))


def _mixed(before: Job, after: Job, names: Iterable[str]) -> Iterator[Remark]:
    """Objects old and new that lie under the same names and are not alike."""
    form = (before.format, before.compression) != (after.format, after.compression)
    kept = [word for word, other in (("format", form), ("columns", before.columns != after.columns)) if other]
    if kept:
        text = f"objects written so far keep their {' and '.join(kept)}: a table over {{0}} sees both"
        yield Remark("other-columns" if kept[-1] == "columns" else "other-format", text, (place(after),))
    changed = [name for name in names if name in _CONTENT or name.startswith("options.")]
    if {"source", "via"} & set(changed):
        changed = [name for name in changed if not name.startswith("options.")]  # they follow from it
    if changed:
        text = f"objects written so far hold what the old {' and '.join(sorted(changed))} found, under the "
        yield Remark("other-posts", text + "same names")


def _limit(before: Job, after: Job) -> Iterator[Remark]:
    if before.limit is None:
        return
    if after.limit is None:
        yield Remark("no-limit", f"the limit of {before.limit:,} is gone: a run keeps all there are")
    elif after.limit >= TENFOLD * before.limit:
        times = after.limit // before.limit
        yield Remark("limit-grew", f"the limit is {times:,} times what it was")


def _dates(change: Change, before: Job, after: Job, now: datetime) -> Iterator[Remark]:
    """What the runs so far and those to come leave out between them, and what nobody makes by itself."""
    last = last_end(before, now)
    if last is None or after.schedule.cron is None or after.date_range.each_run == "whole":
        return
    new = change.kind != "edited"
    first = first_window(after, None if new else last, now)
    gap = None if first is None else _gap(before, after, last, first)
    if gap is not None:
        here = zone(after.schedule.timezone)
        span = " to ".join(f"{end.astimezone(here):%Y-%m-%d %H:%M}" for end in (gap.start, gap.end))
        text = f"between the last run so far and the first after this change, nothing takes {span}"
        yield Remark("gap", f"{text} ({after.schedule.timezone})")
    if new and after.backfill:
        return
    if first is not None and (late := _late(after, first, now)) > 1:
        yield Remark("catches-up", f"{late:,} runs start at once, of what no run has taken so far")
    earlier, since = before.date_range.since, after.date_range.since
    if earlier is not None and (since is None or since < earlier):
        yield Remark(
            "earlier", "runs of dates before the old since are not made by themselves: backfill them"
        )
    if after.backfill and not before.backfill:
        text = "backfill acts when a job first appears: the past runs of this one are not made by themselves"
        yield Remark("late-backfill", text)


def _late(job: Job, first: Window, now: datetime) -> int:
    """How many windows of a job, from its first to come on, are over already."""
    end = window_before(job.schedule, now).end
    until = job.date_range.until or end
    return fires_between(job.schedule.cron or "", job.schedule.timezone, first.start, min(end, until))


def _gap(before: Job, after: Job, last: datetime, first: Window) -> Window | None:
    """What lies in the date range between the last run, which ended at `last`, and the first to come."""
    taken = min(last, before.date_range.until or last)
    if first.start <= taken:
        return None
    return Window(taken, first.start).clip(after.date_range.since, after.date_range.until)
