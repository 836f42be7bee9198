"""A job's page in Airflow: what it does, in words, and every value with where it was written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime

from etl_callables.run import STATE
from etl_callables.url import veiled
from schemas.job import Job
from schemas.schedule import describe

_BARE = re.compile(
    r"(?!(?:true|false|null|yes|no|on|off)$)[a-z./](?:[\w ./@*!+-]*[\w./@*!+])?|\d{4}-\d\d-\d\d",
    re.ASCII | re.IGNORECASE,
)
_MARKUP = str.maketrans({character: f"\\{character}" for character in r"\`*_{}[]()<>#+-.!|~&"})
# One encoder for all: a scheduler makes every job's page again in every pass.
_QUOTED = json.JSONEncoder(ensure_ascii=False, default=str)


def page(job: Job) -> str:
    """Markdown for Airflow's DAG documentation. A person's words are escaped, never markup.

    More people read it than the file: what is secret in an address is left out (`etl_callables.url`).

    Ends with a newline: Airflow takes documentation that ends in `.md` for the name of a file.
    """
    facts = [
        ("Owner", escape(job.owner or "nobody named")),
        ("Source", f"{escape(job.source)} via {escape(job.via)}"),
        ("Query", code(job.query) if job.query else "everything"),
        ("Runs", escape(describe(job.schedule))),
        ("Each run takes", escape(_takes(job))),
        ("At most", _at_most(job)),
        ("Writes", code(f"{job.bucket.rstrip('/')}/{job.key}")),
        ("Manifest", code(f"{job.bucket.rstrip('/')}/{STATE}/{job.id}/<window>/manifest.json")),
        ("Columns", escape(", ".join(column.header for column in job.columns))),
        ("Tags", escape(", ".join(job.tags)) or "none"),
    ]
    lines = [
        escape(job.description or "No description."),
        "",
        f"Defined in {code(job.file)}.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in facts),
        "",
        "### Effective job",
        "",
        *fenced(effective(job)),
    ]
    return "\n".join(lines) + "\n"


def effective(job: Job) -> list[str]:
    """Every effective value on a line, with the file and line that it was written in."""
    rows = [(f"{name}: {_plain(value)}", str(job.origins[name])) for name, value in job.values.items()]
    width = max((len(left) for left, _ in rows if len(left) <= 60), default=0)  # noqa: PLR2004 (a page's width)
    return [f"{left:<{width}}  # {origin}" for left, origin in rows]


def escape(text: str) -> str:
    """A person's words as Markdown that shows exactly them, on one line."""
    return " ".join(veiled(text).split()).translate(_MARKUP)


def code(text: str) -> str:
    """A person's words as a Markdown code span fit for a table cell."""
    flat = " ".join(veiled(text).split()).replace("|", "\\|")
    ticks = "`" * (max((len(run) for run in re.findall("`+", flat)), default=0) + 1)
    pad = " " if "`" in flat else ""
    return f"{ticks}{pad}{flat}{pad}{ticks}"


def fenced(lines: list[str]) -> list[str]:
    """Lines in a fence longer than any they hold."""
    longest = max(map(len, re.findall("`+", "\n".join(lines))), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}yaml", *lines, fence]


def _plain(value: object) -> str:
    """A value as YAML on one line: bare where that is what was meant, else quoted as JSON is."""
    if isinstance(value, str) and _BARE.fullmatch(value):
        return value
    return _QUOTED.encode(_veiled(value))


def _veiled(value: object) -> object:
    """A value without what addresses in it may have that is secret."""
    if isinstance(value, str):
        return veiled(value)
    if isinstance(value, list | tuple):
        return [_veiled(part) for part in value]
    return {name: _veiled(part) for name, part in value.items()} if isinstance(value, Mapping) else value


def _at_most(job: Job) -> str:
    if job.limit is None:
        return "no limit"
    return f"{job.limit:,} posts a run{', evenly from its days' if job.per == 'day' else ''}"


def _takes(job: Job) -> str:
    since, until = job.date_range.since, job.date_range.until
    span = f"{_moment(since, 'the beginning')} to {_moment(until, 'now')}"
    if job.date_range.each_run == "whole":
        return f"the whole range, {span}"
    if since is None and until is None:
        return "its own interval"
    return f"its own interval, within {span}"


def _moment(moment: datetime | None, otherwise: str) -> str:
    return otherwise if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"
