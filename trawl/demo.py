"""`trawl demo`: an example job for three days through Airflow, on this machine alone, and what it left."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.syntax import Syntax
from rich.table import Table

from etl_callables.manifest import Manifest, read_manifest
from etl_callables.reader import read_posts
from etl_callables.run import Run, prefix
from etl_callables.store import Store, open_store
from schemas.job import Job
from schemas.reading import read_job
from schemas.window import Window
from trawl.local import environment
from trawl.up import CannotStart, migrate

JOB = "pipelines/examples/covid_archive.yaml"
DAYS = tuple(datetime(2021, 7, day, tzinfo=UTC) for day in (5, 6, 7))
ROWS = 5


def demo(root: Path, console: Console) -> None:
    """Run the example job for three days and show what happened. Raises CannotStart."""
    home = root / ".airflow"
    log = home / "logs" / "demo.log"
    if not (root / JOB).exists():
        raise CannotStart(f"there is no {JOB} here; run the demo in Trawl's own folder")
    job = read_job(root / JOB, root)
    if not isinstance(job, Job):
        raise CannotStart("\n".join(map(str, job)))
    _heading(console, "The job", JOB)
    console.print(Syntax(job.text.rstrip(), "yaml", background_color="default"), soft_wrap=True)
    store = open_store(job, Run())
    before = _digests(store, [manifest for day in DAYS if (manifest := _manifest(job, store, day))])
    env = environment(root, home)
    log.parent.mkdir(parents=True, exist_ok=True)
    with console.status("Preparing Airflow's database …"):
        migrate(env, log)
    days = [f"{day:%Y-%m-%d}" for day in DAYS]
    with console.status(f"Airflow runs {job.id} for {days[0]} to {days[-1]} …"):
        _rehearse(job, days, env, log)
    manifests = [manifest for day in DAYS if (manifest := _manifest(job, store, day))]
    if len(manifests) < len(DAYS):
        raise CannotStart(f"the example job left no manifest for one of its days; Airflow's log is {log}")
    _show_days(console, manifests)
    _show_rows(console, manifests[0])
    _show_objects(console, job, store, manifests, before)
    _show_next(console, root, log)


def _rehearse(job: Job, days: list[str], env: dict[str, str], log: Path) -> None:
    with log.open("ab") as out:
        done = subprocess.run(  # noqa: S603 (our own virtual environment's Python)
            [sys.executable, "-m", "trawl.rehearsal", job.id, *days],
            env=env,
            stdout=out,
            stderr=out,
            check=False,
        )
    if done.returncode:
        raise CannotStart(f"the example job did not succeed; Airflow's log of it is {log}")


def _window(day: datetime) -> Window:
    return Window(day, day + timedelta(days=1))


def _manifest(job: Job, store: Store, day: datetime) -> Manifest | None:
    return read_manifest(store, prefix(job, _window(day), Run()))


def _digests(store: Store, manifests: list[Manifest]) -> dict[str, str]:
    """SHA-256 of every object that the manifests speak of and that is there, by key."""
    keys = [manifest.object.key for manifest in manifests]
    return {key: hashlib.sha256(store.read(key)).hexdigest() for key in keys if store.size(key) is not None}


def _heading(console: Console, title: str, detail: str = "") -> None:
    console.print()
    console.print(f"[bold]{title}[/bold]  [dim]{detail}[/dim]", highlight=False)


def _show_days(console: Console, manifests: list[Manifest]) -> None:
    _heading(console, "Three runs", "extract, transform and load as Airflow tasks")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("day", "fetched", "kept", "duplicate", "skipped", "outside", "first post", "last post"):
        table.add_column(name, justify="left" if name in {"day", "first post", "last post"} else "right")
    for manifest in manifests:
        counts = manifest.counts
        table.add_row(
            f"{Window.parse(manifest.window).start:%Y-%m-%d}",
            *map(str, (counts.fetched, counts.kept, counts.duplicate, sum(counts.skipped.values()))),
            str(counts.outside_window),
            *(f"{moment:%H:%M:%S}" if moment else "" for moment in (manifest.first_post, manifest.last_post)),
        )
    console.print(table)


def _show_rows(console: Console, manifest: Manifest) -> None:
    _heading(console, "A few rows", manifest.object.key)
    rows = read_posts(manifest.object.url).slice(0, ROWS)
    names = ("created_at", "author", "likes", "text")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in names:
        table.add_column(name, no_wrap=True, justify="right" if name == "likes" else "left")
    for row in rows.select(names).to_pylist():
        table.add_row(*(_cell(row[name], max(20, console.width - 36)) for name in names))
    console.print(table)


def _cell(value: object, width: int) -> str:
    if isinstance(value, datetime):
        return f"{value:%H:%M:%S}"
    text = " ".join(str(value).split())
    return escape(text if len(text) <= width else text[: width - 1] + "…")


def _show_objects(
    console: Console, job: Job, store: Store, manifests: list[Manifest], before: dict[str, str]
) -> None:
    _heading(console, "What is in the bucket", job.bucket)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("object", overflow="fold")
    table.add_column("bytes", justify="right")
    table.add_column("sha256", no_wrap=True)
    table.add_column("", no_wrap=True)
    for key, digest in _digests(store, manifests).items():
        known = before.get(key)
        note = "new" if known is None else "same bytes" if known == digest else "replaced"
        table.add_row(key, f"{store.size(key):,}", digest[:8], note)
    console.print(table)
    console.print("[dim]and a manifest for each, written last:[/dim]")
    for day in DAYS:
        console.print(f"[dim]{prefix(job, _window(day), Run())}/manifest.json[/dim]", highlight=False)


def _show_next(console: Console, root: Path, log: Path) -> None:
    _heading(console, "What next")
    for command, what in (
        ("make up", "Airflow's web interface, with every job in pipelines/ as a DAG"),
        (
            f"cp {JOB} pipelines/examples/mine.yaml",
            "a job of your own: change its query and see its DAG appear",
        ),
        (".venv/bin/trawl check", "what is wrong with a job file, and where"),
        ("make demo", "this again: the same bytes"),
    ):
        console.print(f"[bold]{command}[/bold]\n    [dim]{what}[/dim]", highlight=False)
    console.print(f"[dim]Airflow's log of this: {log.relative_to(root)}[/dim]", highlight=False)
