"""`trawl doctor`: whether this machine can run the jobs here, a line each, and what to do where not."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from textwrap import wrap
from typing import Final

import click

from etl_callables.errors import TrawlError
from etl_callables.run import STATE, Run
from etl_callables.sources.facts import facts_of
from etl_callables.store import Store, folder_to_make, open_store
from schemas.bucket import place_of
from schemas.job import Job
from schemas.reading import Reading
from trawl.connections import variable
from trawl.providers import answer_of

_PYTHON: Final = ((3, 11), (3, 14))
"""The first version that Trawl runs on, and the first that it does not."""

_PROBE: Final = b"trawl doctor wrote this, and was stopped before it took it away; delete it\n"


@dataclass(frozen=True, slots=True)
class Finding:
    """A line: `what` was looked at, and what was found. `remedy` is what to do, empty where all is well.

    `advice` is what to do where what was found is not what was meant, which only a person can tell.
    """

    what: str
    found: str
    remedy: str = ""
    advice: str = ""


def findings(
    reading: Reading, jobs: Iterable[Job], root: Path, run: Run, ask: Callable[[str], str] = answer_of
) -> Iterator[Finding]:
    """Everything that is looked at, each as soon as it is known; buckets and services are really asked.

    `jobs` are those whose connections, buckets and sources matter. Each bucket gets a small object below
    the first job's own folder, which is read, listed and deleted. `ask` says what an address answers.
    """
    known = list(jobs)
    yield python(sys.version_info[:3])
    yield airflow()
    yield _files(reading)
    yield _loader(root)
    for name, users in _grouped(known, _connections_of):
        yield _connection(name, users, run)
    for _, users in _grouped(
        known, lambda job: [f"{place_of(job.bucket, job.root)} {job.bucket_connection}"]
    ):
        yield bucket(users[0], run)
    for name, users in _grouped(
        known, lambda job: [job.catalog_connection] if job.catalog_connection else []
    ):
        yield from (_table(name, job, run) for job in users)
    for _, users in _grouped(known, lambda job: [f"{job.source} {job.via}"]):
        yield from _source(users[0], ask)


def _grouped(jobs: Iterable[Job], names: Callable[[Job], Iterable[str]]) -> list[tuple[str, list[Job]]]:
    """Each name, and the jobs that have it; by name."""
    found: dict[str, list[Job]] = {}
    for job in jobs:
        for name in names(job):
            found.setdefault(name, []).append(job)
    return sorted(found.items(), key=lambda pair: pair[0])


def python(running: tuple[int, ...]) -> Finding:
    """Whether Trawl runs on this Python."""
    shown = ".".join(map(str, running))
    first, end = (".".join(map(str, bound)) for bound in _PYTHON)
    fine = _PYTHON[0] <= running < _PYTHON[1]
    return Finding("Python", shown, "" if fine else f"use Python {first} or later, before {end}")


def airflow() -> Finding:
    """Whether the Airflow that Trawl is made for is installed; it is not imported."""
    wanted = next(
        (
            line.partition(";")[0].partition("==")[2].strip()
            for line in requires("trawl") or ()
            if line.startswith("apache-airflow==")
        ),
        "",
    )
    install = "pip install 'trawl[airflow]'"
    try:
        there = version("apache-airflow")
    except PackageNotFoundError:
        return Finding("Airflow", "not installed", f"{install}, where jobs are to run")
    return Finding("Airflow", there, "" if there == wanted else f"Trawl is made for {wanted}: {install}")


def _files(reading: Reading) -> Finding:
    good = len(reading.jobs)
    found = f"{good:,} job{'s'[: good != 1]}"
    if reading.problems:
        bad = len({problem.path for problem in reading.problems})
        return Finding("pipelines", f"{found}, {bad:,} file{'s'[: bad != 1]} with problems", "trawl check")
    return Finding("pipelines", found, "" if good else "write a job: trawl new")


def _loader(root: Path) -> Finding:
    file = root / "dags" / "scrape_jobs.py"
    if file.is_file():
        return Finding("dags", "the loader is here")
    return Finding("dags", f"there is no {file.name}", "copy the folder dags of Trawl beside pipelines")


def _connections_of(job: Job) -> list[str]:
    return list(job.connections)


def _bucket_of(job: Job) -> list[str]:
    return [f"{place_of(job.bucket, job.root)} {job.bucket_connection or ''}"]


def _connection(name: str, users: list[Job], run: Run) -> Finding:
    try:
        run.connection(name)
    except LookupError:
        remedy = "create it in Airflow under Admin, Connections"
        if name.isidentifier():  # other names have no variable that a shell could set
            remedy += f", or set {variable(name)}"
        return Finding(f"connection {name}", f"nobody knows it, and {users[0].file} names it", remedy)
    except TrawlError as error:
        return Finding(f"connection {name}", "cannot be read", str(error))
    return Finding(f"connection {name}", "is there")


def bucket(job: Job, run: Run, opened: Callable[[Job, Run], Store] = open_store) -> Finding:
    """Whether objects can be written, read, listed and deleted where a job keeps its own.

    A folder that is not there yet is made for that, and removed again.
    """
    made = _to_make(job)
    try:
        finding = _probed(job, run, opened)
    finally:
        for folder in made:
            with suppress(OSError):  # it was not made, or somebody writes to it meanwhile
                folder.rmdir()
    if not made or finding.remedy:
        return finding
    found = f"is not there, and will be made by the first run; {finding.found}"
    return replace(finding, found=found, advice=f"where another is meant, correct `bucket` in {job.file}")


def _to_make(job: Job) -> list[Path]:
    """The folders that the first write to a job's bucket makes, the innermost first."""
    folder = folder_to_make(job)
    return [] if folder is None else [one for one in (folder, *folder.parents) if not one.exists()]


def _probed(job: Job, run: Run, opened: Callable[[Job, Run], Store]) -> Finding:
    what, folder = f"bucket {job.bucket}", f"{STATE}/{job.id}/doctor"
    key = f"{folder}/{secrets.token_hex(8)}"
    step = "opened"
    try:
        store = opened(job, run)
        step = "written"
        store.write(key, _PROBE)
        try:
            step = "read"
            same = store.read(key) == _PROBE
            step = "listed"
            same = same and any(entry.key == key for entry in store.list(folder))
        except TrawlError:
            with suppress(TrawlError):
                store.delete([key])
            raise
        step = "deleted"
        store.delete([key])
    except TrawlError as error:
        return Finding(what, f"cannot be {step}", str(error))
    if not same:
        return Finding(what, "does not give back what it was given", "ask whoever runs it")
    return Finding(what, f"can be written, read, listed and deleted below {STATE}/{job.id}")


def _table(catalog: str, job: Job, run: Run) -> Finding:
    """Whether a job's table is reached through its catalog, and is the job's."""
    what = f"table {'.'.join(job.key.split('/'))} of {catalog}"
    try:
        from etl_callables.iceberg import lake  # noqa: PLC0415 (only for who has a table)

        rows = lake(job, open_store(job, run), run).rows()
    except TrawlError as error:
        return Finding(what, "cannot be reached", str(error))
    except ModuleNotFoundError as error:
        return Finding(what, f"{error.name} is missing", "pip install 'trawl[airflow,iceberg]'")
    return Finding(
        what, "is made by the first run" if rows is None else f"has {rows:,} row{'s'[: rows != 1]}"
    )


def _source(job: Job, ask: Callable[[str], str]) -> Iterator[Finding]:
    home = facts_of(job.source, job.via).home
    if not home:
        return
    answer = ask(home)
    fine = answer.startswith("answers")
    remedy = "" if fine else f"see whether this machine reaches {home}; a proxy is named by HTTPS_PROXY"
    yield Finding(f"{job.source} via {job.via}", answer, remedy)


def line(finding: Finding, width: int) -> str:
    """A finding as a person sees it: a line, and below it what to do, in `width` columns."""
    if finding.remedy:
        mark = click.style("red", fg="red", bold=True)
    else:
        mark = click.style("new", fg="yellow") if finding.advice else click.style("ok ", fg="green")
    text = wrap(f"{finding.what}: {finding.found}", max(20, width - 5), break_on_hyphens=False)
    lines = [f"{mark}  {text[0]}", *(f"     {part}" for part in text[1:])]
    if todo := finding.remedy or finding.advice:
        lines += [f"     {part}" for part in wrap(todo, max(20, width - 5), break_on_hyphens=False)]
    return "\n".join(lines)
