"""A plan for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import click

from schemas.words import printable
from schemas.zone import zone
from trawl.plan import Item, Plan
from trawl.plan.changes import Change
from trawl.plan.remark import Remark
from trawl.plan.words import (
    SIGNS,
    backfill,
    bounds,
    headline,
    origin,
    rest,
    runs_heading,
    runs_in_words,
    shown,
    summary,
    takes,
    when,
    where,
)
from trawl.secrets import hide
from trawl.table import table

_COLOURS: Final = {"+": "green", "~": "yellow", "-": "red", "!": "magenta"}
_LINE: Final = 60
"""A value and the one before it that are longer together get a line each."""


def text(plan: Plan, now: datetime, width: int | None = None) -> str:
    """The whole plan, with styles that a terminal shows and a pipe does not; `width` as for a table.

    Whatever in it looks like a credential is hidden, with the words or the line that it is in.
    """
    lines = [f"Compared with {hide(printable(plan.base))} ({plan.commit[:10]}): {summary(plan)}."]
    lines += [" ".join(rest(plan))] if rest(plan) else []
    for item in plan.items:
        lines += ["", *_item(item, now, width)]
    if plan.problems:
        lines += ["", *(f"! {problem}" for problem in plan.problems)]
    if plan.remarks:
        lines += ["", *map(_remark, plan.remarks)]
    return "\n".join(hide(line.rstrip()) for line in lines)


def _item(item: Item, now: datetime, width: int | None) -> Iterator[str]:
    change = item.change
    sign = SIGNS[change.kind]
    yield click.style(f"{sign} {hide(change.id)}", fg=_COLOURS[sign], bold=True) + f"  {headline(item)}"
    yield from (f"    {problem}" for problem in change.problems)
    yield from _values(change, width)
    job, ahead = change.after, item.after
    if job is not None and ahead is not None:
        yield f"  {runs_in_words(item)}"
        if ahead.runs:
            place = zone(job.schedule.timezone)
            yield f"  {runs_heading(item)}:"
            rows = [(when(run, now, place), takes(run, place), hide(where(job, run))) for run in ahead.runs]
            yield from table(rows, "    ", width)
    yield from (f"  {sentence}" for sentence in (backfill(item), *bounds(item)) if sentence)
    yield from (f"  {_remark(remark)}" for remark in item.remarks)


def _values(change: Change, width: int | None) -> Iterator[str]:
    """A line for each value, with what it was where there is a before and an after."""
    both = change.before is not None and change.after is not None
    short: list[tuple[str, ...]] = []
    long: list[tuple[str, str, str, str]] = []
    for value in change.values:
        source = hide(origin(value, change))
        before = "(none)" if value.was_from is None else shown(value.name, value.before)
        after = "(none)" if value.is_from is None else shown(value.name, value.after)
        only = before if value.is_from is None else after
        arrow = f"{before} -> {after}" if both else only
        if len(arrow) <= _LINE or not both:
            short.append((value.name, arrow, source))
        else:
            long.append((value.name, source, before, after))
    yield from table(short, "    ", width)
    for name, source, before, after in long:
        yield f"    {name}  {source}"
        yield f"      - {before}"
        yield f"      + {after}"


def _remark(remark: Remark) -> str:
    said = remark.text.format(*(hide(printable(word)) for word in remark.words))
    return click.style("!", fg="yellow", bold=True) + f" {said} [{remark.kind}]"
