"""A plan as a comment on a change: Markdown in which a person's words are never markup, nor call anybody."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from schemas.words import counted, printable
from schemas.zone import zone
from trawl.page import code
from trawl.plan import Item, Plan
from trawl.plan.remark import Remark
from trawl.plan.words import (
    backfill,
    bounds,
    headline,
    money,
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

LONGEST: Final = 60_000
"""Characters. GitHub takes 65,536 in a comment; the rest is for what is put around a plan."""

_ROWS: Final = 200
"""Lines of the table; a change of more jobs than that is read as numbers."""

_SIGNS: Final = {
    "added": "🟢",
    "edited": "🟡",
    "renamed": "🟡",
    "removed": "🔴",
    "broken": "❌",
    "mended": "🟢",
}

_LITERAL: Final = str.maketrans({"*": "\\*", "_": "\\_", "$": "\\$"})
"""What our own sentences hold of Markdown: the stars of cron, names of zones, and money, not formulas."""


def markdown(plan: Plan, now: datetime) -> str:
    """The whole plan; details of the last jobs are left out where it would be too long for a comment."""
    lines = [
        "### What this change does",
        "",
        f"**{summary(plan)}**, compared with {_word(plan.base)} ({_word(plan.commit[:10])}). "
        + " ".join(rest(plan)),
    ]
    if plan.items:
        lines += ["", *_overview(plan)]
    notes = [f"- ❌ {_word(str(problem))}" for problem in plan.problems]
    notes += [f"- ⚠️ {_remark(remark)}" for remark in plan.remarks]
    if notes:
        lines += ["", *notes]
    length = sum(len(line) + 1 for line in lines)
    for place, item in enumerate(plan.items):
        section = ["", *_item(item, now)]
        length += sum(len(line) + 1 for line in section)
        if length > LONGEST:
            left = counted(len(plan.items) - place, "more job")
            lines += ["", f"… and {left}; `trawl plan` shows all of it."]
            break
        lines += section
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _overview(plan: Plan) -> Iterator[str]:
    yield "| | job | what | runs a month | posts a month, at most | cost a month, at most | to know |"
    yield "|---|---|---|---|---|---|---|"
    for item in plan.items[:_ROWS]:
        change, ahead = item.change, item.after
        cells = [_SIGNS[change.kind], _word(change.id), change.kind, "", "", "", ""]
        if ahead is not None and ahead.monthly:
            cells[3] = f"{ahead.monthly:,}"
            cells[4] = "no limit" if ahead.posts is None else f"{ahead.posts:,}"
            cells[5] = "" if ahead.dollars is None else money(ahead.dollars).translate(_LITERAL)
        count = len(item.remarks) + len(change.problems)
        cells[6] = f"{'❌' if change.problems else '⚠️'} {count}" if count else ""
        yield f"| {' | '.join(cells)} |"
    if len(plan.items) > _ROWS:
        yield f"| | … and {len(plan.items) - _ROWS:,} more | | | | | |"


def _item(item: Item, now: datetime) -> Iterator[str]:
    change, job, ahead = item.change, item.change.after, item.after
    yield f"#### {_SIGNS[change.kind]} {_word(change.id)}: {_headline(item)}"
    yield ""
    for remark in item.remarks:
        yield f"- ⚠️ {_remark(remark)}"
    for problem in change.problems:
        yield f"- ❌ {_word(str(problem))}"
    if item.remarks or change.problems:
        yield ""
    sentences = " ".join(part for part in (runs_in_words(item), backfill(item), *bounds(item)) if part)
    if sentences:
        yield sentences.translate(_LITERAL)
        yield ""
    if change.values:
        yield "| field | before | after | written in |"
        yield "|---|---|---|---|"
        for value in change.values:
            before = "" if value.was_from is None else _word(shown(value.name, value.before))
            after = "" if value.is_from is None else _word(shown(value.name, value.after))
            source = origin(value, change)
            yield f"| {_word(value.name)} | {before} | {after} | {_word(source)} |"
        yield ""
    if job is not None and ahead is not None and ahead.runs:
        place = zone(job.schedule.timezone)
        yield f"<details><summary>{runs_heading(item)}</summary>"
        yield ""
        yield f"| starts | takes ({job.schedule.timezone}) | writes |"
        yield "|---|---|---|"
        for run in ahead.runs:
            yield f"| {when(run, now, place)} | {takes(run, place)} | {_word(where(job, run))} |"
        yield ""
        yield "</details>"


def _headline(item: Item) -> str:
    before = item.change.before
    return f"renamed from {_word(before.id)}" if item.change.kind == "renamed" and before else headline(item)


def _word(text: str) -> str:
    return code(hide(printable(text))) if text else ""


def _remark(remark: Remark) -> str:
    return f"{remark.text.format(*map(_word, remark.words))} ({remark.kind})"
