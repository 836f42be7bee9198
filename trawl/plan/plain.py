"""A plan for tools: plain values for JSON."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from schemas.problem import Problem
from trawl.coming import Coming
from trawl.plan import Item, Plan
from trawl.plan.changes import Value
from trawl.plan.forecast import Forecast
from trawl.plan.remark import Remark
from trawl.plan.words import cents, where
from trawl.secrets import hide

VERSION = 1
"""Of the form; it grows when a name goes or means something else."""


def plain(plan: Plan) -> dict[str, Any]:
    """The plan as JSON has it. Times are UTC; money is text, in US dollars; null is no bound or nothing.

    A text in which something looks like a credential is hidden, all of it.
    """
    return dict(_hidden(_plain(plan)))


def _plain(plan: Plan) -> dict[str, Any]:
    return {
        "version": VERSION,
        "base": plan.base,
        "commit": plan.commit,
        "jobs": [_item(item) for item in plan.items],
        "problems": [_problem(problem) for problem in plan.problems],
        "remarks": [_remark(remark) for remark in plan.remarks],
        "same": plan.same,
        "reworded": list(plan.reworded),
        "still_invalid": plan.still,
    }


def _item(item: Item) -> dict[str, Any]:
    change = item.change
    return {
        "job": change.id,
        "file": change.file,
        "change": change.kind,
        "renamed_from": change.before.id if change.before and change.kind == "renamed" else None,
        "values": [_value(value) for value in change.values],
        "before": None if item.before is None else _forecast(item.before),
        "after": None if item.after is None else _forecast(item.after),
        "runs": _runs(item),
        "problems": [_problem(problem) for problem in change.problems],
        "remarks": [_remark(remark) for remark in item.remarks],
    }


def _runs(item: Item) -> list[dict[str, Any]]:
    job, ahead = item.change.after, item.after
    return [] if job is None or ahead is None else [_run(run, where(job, run)) for run in ahead.runs]


def _value(value: Value) -> dict[str, Any]:
    return {
        "name": value.name,
        "before": value.before,
        "after": value.after,
        "written_in": None if value.is_from is None else str(value.is_from),
    }


def _hidden(value: Any) -> Any:
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, dict):
        return {name: _hidden(inner) for name, inner in value.items()}
    return [_hidden(item) for item in value] if isinstance(value, list | tuple) else value


def _forecast(ahead: Forecast) -> dict[str, Any]:
    return {
        "schedule": ahead.schedule,
        "over": ahead.over,
        "runs_a_month": ahead.monthly,
        "posts_a_month": ahead.posts,
        "dollars_a_month": _money(ahead.dollars),
        "dollars_a_run": _money(ahead.run_dollars),
        "backfill": {
            "runs": ahead.past,
            "at_once": ahead.at_once,
            "posts": ahead.past_posts,
            "dollars": _money(ahead.past_dollars),
        },
    }


def _money(dollars: Decimal | None) -> str | None:
    return None if dollars is None else str(cents(dollars))


def _run(run: Coming, place: str) -> dict[str, Any]:
    return {
        "starts": None if run.moment is None else f"{run.moment:%Y-%m-%dT%H:%M:%SZ}",
        "start": f"{run.window.start:%Y-%m-%dT%H:%M:%SZ}",
        "end": f"{run.window.end:%Y-%m-%dT%H:%M:%SZ}",
        "object": place,
    }


def _problem(problem: Problem) -> dict[str, str | int]:
    names = ("path", "line", "column", "kind", "message", "hint")
    return {name: getattr(problem, name) for name in names}


def _remark(remark: Remark) -> dict[str, str]:
    return {"kind": remark.kind, "text": remark.text.format(*map(hide, remark.words))}
