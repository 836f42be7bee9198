"""The words that every form of a plan shares."""

from __future__ import annotations

from datetime import datetime, tzinfo
from decimal import ROUND_CEILING, Decimal
from typing import Any, Final

from etl_callables.sources.facts import facts_of
from schemas.job import Job
from schemas.words import counted, printable
from trawl.coming import Coming
from trawl.plan import Item, Plan
from trawl.plan.changes import Change, Value
from trawl.secrets import hide

SIGNS: Final = {"added": "+", "edited": "~", "renamed": "~", "removed": "-", "broken": "!", "mended": "+"}
_ORDER: Final = tuple(SIGNS)


def summary(plan: Plan) -> str:
    """`1 added, 2 edited`; what it says where nothing changes is a sentence too."""
    counts = plan.counts
    parts = [f"{counts[kind]:,} {kind}" for kind in _ORDER if kind in counts]
    return ", ".join(parts) or "no job changes"


def rest(plan: Plan) -> list[str]:
    """Sentences on the jobs that the items do not show."""
    said = []
    if plan.same:
        said.append(f"{counted(plan.same, 'job')} {'stays' if plan.same == 1 else 'stay'} as before.")
    if plan.reworded:
        verb = "changes" if len(plan.reworded) == 1 else "change"
        said.append(f"{counted(len(plan.reworded), 'file')} {verb} in wording only.")
    if plan.still:
        said.append(f"{counted(plan.still, 'file')} had problems before and {_have(plan.still)} them still.")
    return said


def _have(count: int) -> str:
    return "has" if count == 1 else "have"


def shown(name: str, value: Any) -> str:
    """A value as a person would write it, on one line; numbers in `options` are identifiers."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if name.startswith("options.") else f"{value:,}"
    if isinstance(value, list | tuple):
        return printable(", ".join(map(str, value))) or "none"
    if value in (None, "", {}):
        return "none"
    return printable(str(value))


def origin(value: Value, change: Change) -> str:
    """Where a value is written, or was in a job that goes; a built-in default says so."""
    if value.is_from is None and change.after is not None:
        return "no longer set"
    return str(value.is_from or value.was_from)


def when(run: Coming, now: datetime, place: tzinfo) -> str:
    """When a run starts, by the job's clocks."""
    if run.moment is None:
        return "by hand"
    return "at once" if run.moment <= now else f"{run.moment.astimezone(place):%Y-%m-%d %H:%M}"


def takes(run: Coming, place: tzinfo) -> str:
    """A run's window, by the job's clocks."""
    ends = (run.window.start, run.window.end)
    return " to ".join(f"{end.astimezone(place):%Y-%m-%d %H:%M}" for end in ends)


def money(dollars: Decimal) -> str:
    """US dollars that are an upper bound, or the difference of two, as people read them."""
    exact = cents(dollars)
    return f"${exact:,}" if exact >= 0 else f"-${-exact:,}"


def cents(dollars: Decimal) -> Decimal:
    """To the cent, and never below, or it would be no upper bound any more."""
    return dollars.quantize(Decimal("0.01"), ROUND_CEILING)


def bounds(item: Item) -> list[str]:
    """Sentences on the most that a job can fetch and cost a month, and how that differs from before."""
    job, ahead = item.change.after, item.after
    if job is None or ahead is None:
        return _saved(item)
    if job.schedule.cron is None:
        text = f"At most {counted(job.limit, 'post')} a run" if job.limit else "No limit of posts a run"
        return [f"{text}, {money(ahead.run_dollars)}." if ahead.run_dollars else f"{text}."]
    if ahead.over or not ahead.monthly:
        return []
    runs = counted(ahead.monthly, "run")
    was = item.before
    if ahead.posts is None:
        text = f"At most {runs} a month, with no limit of posts"
    else:
        text = f"At most {counted(ahead.posts, 'post')} a month ({runs}"
        if was is not None and was.posts is not None and was.posts != ahead.posts:
            text += f"; {ahead.posts - was.posts:+,} posts"
        text += ")"
    if ahead.dollars is not None:
        text += f", {money(ahead.dollars)}{_dearer(item, ahead.dollars)}"
    return [f"{text}."]


def _dearer(item: Item, dollars: Decimal) -> str:
    """How a month's cost differs from before, in brackets."""
    job, was = item.change.before, item.before
    if job is None or was is None or was.dollars == dollars:
        return ""
    if was.dollars is None and facts_of(job.source, job.via).dollars is not None:
        return " (so far without a limit)"
    more = cents(dollars) - cents(was.dollars or Decimal(0))
    return f" ({'+' if more > 0 else ''}{money(more)})"


def _saved(item: Item) -> list[str]:
    was = item.before
    if was is None or not was.posts or item.change.kind != "removed":
        return []
    text = f"It fetched at most {counted(was.posts, 'post')} a month"
    return [f"{text}, {money(was.dollars)}." if was.dollars else f"{text}."]


def backfill(item: Item) -> str:
    """A sentence on the runs of the past; empty where there are none."""
    job, ahead = item.change.after, item.after
    if job is None or ahead is None or not ahead.past:
        return ""
    begins = "At once it creates" if item.change.kind == "edited" else "Appearing, it creates"
    text = f"{begins} {counted(ahead.past, 'run')} of the past" if ahead.at_once else ""
    text = text or f"A backfill of its range would create {counted(ahead.past, 'run')}"
    if ahead.past_posts is not None:
        text += f", {counted(ahead.past_posts, 'post')} at most"
    if ahead.past_dollars is not None:
        text += f", {money(ahead.past_dollars)}"
    return f"{text}."


def headline(item: Item) -> str:
    """What happened, in a few words: `renamed from team.flu`."""
    change = item.change
    if change.kind == "renamed" and change.before is not None:
        return f"renamed from {hide(change.before.id)}"
    return {"broken": "has problems now" if change.before else "has problems", "mended": "mended"}.get(
        change.kind, change.kind
    )


def runs_in_words(item: Item) -> str:
    """The schedule in words, and what it was."""
    if item.after is None:
        return ""
    was = item.before
    if was is not None and was.schedule != item.after.schedule:
        return f"Runs {item.after.schedule}; so far {was.schedule}."
    return f"Runs {item.after.schedule}."


def runs_heading(item: Item) -> str:
    """What the shown runs are."""
    if item.after is not None and item.after.over:
        return "A backfill begins with"
    return "First runs" if item.before is None or item.change.kind != "edited" else "Next runs"


def where(job: Job, run: Coming) -> str:
    """The object that a run writes, as the job's file names the bucket."""
    return f"{job.bucket.rstrip('/')}/{run.key}"
