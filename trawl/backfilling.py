"""`trawl backfill` from announcement to last run: says, asks the person, asks Airflow, follows."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from etl_callables.errors import Stop
from etl_callables.run import Run
from schemas.job import Job
from schemas.words import counted
from schemas.zone import zone
from trawl.airflow_api import Airflow, airflow_at, create, follow, known_runs, ready
from trawl.backfill import Part, backfill_of, by_hand, sheet, span_of
from trawl.connections import connections
from trawl.history import day
from trawl.up import running

INTERRUPTED: Final = 130

_NAMED: Final = 5
"""Failed windows that are named."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the person said: two days, an Airflow's address (None: that of `trawl up`), and the flags."""

    since: str | None = None
    until: str | None = None
    url: str | None = None
    again: bool = False
    yes: bool = False
    wait: bool = False


def backfill_job(job: Job, wish: Wish, width: int | None, environment: Mapping[str, str] = os.environ) -> int:
    """Do what `trawl backfill` says; the exit code: 1 where the person said no or a run failed.

    Raises Stop, and a usage error where nobody can be asked.
    """
    now = datetime.now(UTC)
    run = Run(connection=connections(Path(job.root), environment))
    fill = backfill_of(job, span_of(job, wish.since, wish.until, now), now, run, again=wish.again)
    click.echo(sheet(fill, width), color=False if environment.get("NO_COLOR") else None)
    if not fill.parts:
        return 0
    if not wish.yes and not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here: say --yes to have this done")
    root = Path(job.root)
    if wish.url is None and running(root / ".airflow") is None:
        raise Stop(
            "no Airflow runs for this folder, so nothing is done: start it (make up, or trawl up) and say"
            f" this again, or run the windows here, one by one: {by_hand(fill)}"
        )
    airflow = airflow_at(root, wish.url, environment)
    ready(airflow, job)
    known = known_runs(airflow, job, fill.parts)
    under_way = {start for start, one in known.items() if one.under_way}
    todo = [part for part in fill.parts if part.interval.start not in under_way]
    if len(todo) < len(fill.parts):
        waiting = len(fill.parts) - len(todo)
        click.echo(
            f"{waiting:,} of them {'is' if waiting == 1 else 'are'} under way in Airflow, and left to end."
        )
    if todo and not wish.yes and not click.confirm("Go ahead?", default=False):
        click.echo("Nothing is done.", err=True)
        return 1
    if todo:
        create(airflow, job, todo, known, lambda text: click.echo(text, err=True))
        click.echo(f"Airflow has {counted(len(todo), 'run')} to do.")
    click.echo(f"Watch: {airflow.page_of(job)}\nAfterwards: trawl runs {job.id}")
    return _followed(airflow, job, fill.parts) if wish.wait else 0


def _followed(airflow: Airflow, job: Job, parts: Sequence[Part]) -> int:
    """One line that says how far it is, made anew on a terminal, one each time elsewhere."""
    seen = None
    terminal = sys.stderr.isatty()
    try:
        for seen in follow(airflow, job, parts):
            click.echo(
                f"\r\x1b[K{seen}" if terminal else str(seen), err=True, nl=not terminal, color=terminal
            )
    except KeyboardInterrupt:
        click.echo("\nAirflow goes on without being watched.", err=True)
        return INTERRUPTED
    if terminal:
        click.echo(err=True)
    if seen is None or not seen.failed:
        return 0
    place = zone(job.schedule.timezone)
    failed = [day(part.window, place) for part in parts if part.interval.start in seen.failed]
    more = f" and {len(failed) - _NAMED:,} more" if len(failed) > _NAMED else ""
    click.echo(f"failed: {', '.join(failed[:_NAMED])}{more}; see {airflow.page_of(job)}", err=True)
    return 1
