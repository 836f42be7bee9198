"""`trawl verify`: what of a bucket is not as its manifests say, for people and for tools."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from etl_callables.errors import RetryLater, Stop
from etl_callables.publishing import shown_by_tables
from etl_callables.restoration import Repair, restore
from etl_callables.run import Run
from etl_callables.store import store_at
from etl_callables.verification import Finding, Report, verify
from schemas.bucket import place_of
from schemas.folder import SUFFIXES
from schemas.job import Job
from schemas.reading import Reading, read_jobs
from schemas.words import counted
from trawl.connections import connections
from trawl.naming import find, left_out, some
from trawl.project import PIPELINES, project

_A_FOLDER: Final = ("./", "../", "/")

_BLINK: Final = 0.1
"""Seconds between two states of the progress, which a person can tell apart."""


class NothingToVerify(LookupError):  # noqa: N818  says what is so; the person sees its text only
    """There is nothing to verify where somebody looked for it; `str()` is a sentence for a person."""


@dataclass(frozen=True, slots=True)
class Target:
    """A bucket: all of it, or what `only` (jobs by id) write there. `jobs` are those known to write there."""

    bucket: str
    root: str
    connection: str | None
    jobs: Mapping[str, Job]
    only: Mapping[str, Job] | None


@dataclass(frozen=True, slots=True)
class Verified:
    """A target, what was found, and what became of it where repairs were asked for."""

    target: Target
    report: Report
    repairs: tuple[Repair, ...] = ()

    @property
    def wrong(self) -> int:
        """How many things are wrong still."""
        return self.report.wrong - sum(repair.done for repair in self.repairs)


Progress = Callable[[str, int, int], None]
"""Told what is done, how many of it, of how many."""


def targets(
    names: Sequence[str], here: Path, reading: Reading, pipelines: Path, connection: str | None
) -> list[Target]:
    """What names mean: buckets, as seen from `here`, jobs or their files; every job where there are none.

    `connection` is for the buckets named; jobs have their own. Raises NotThere and NothingToVerify.
    """
    every = reading.jobs
    if not names and not every:
        raise NothingToVerify("there is no job in pipelines here: name a bucket, as s3://my-bucket")
    found = []
    wanted = [] if names else list(every)
    for name in names:
        if _is_bucket(name):
            found.append(_whole(name, here, connection, every))
        else:
            job = find(name, pipelines)
            if not isinstance(job, Job):
                raise NothingToVerify(f"{name} has problems, which `trawl check` shows")
            wanted.append(job)
    places: dict[tuple[str, str | None], list[Job]] = {}
    for job in wanted:
        places.setdefault((place_of(job.bucket, job.root), job.bucket_connection), []).append(job)
    for (_, named), jobs in places.items():
        mine = {job.id: job for job in jobs}
        found.append(Target(jobs[0].bucket, jobs[0].root, named, mine, mine))
    return found


def _is_bucket(name: str) -> bool:
    return "://" in name or (name.startswith(_A_FOLDER) and not name.endswith(SUFFIXES))


def _whole(name: str, here: Path, connection: str | None, every: Iterable[Job]) -> Target:
    place = place_of(name, str(here))
    mine = {job.id: job for job in every if place_of(job.bucket, job.root) == place}
    return Target(name, str(here), connection, mine, None)


def verified(
    target: Target, run: Run, progress: Progress, *, repair: bool, with_raw: bool = False
) -> Verified:
    """Verify a target and, where asked for, repair it. Raises RetryLater, Stop and NothingToVerify."""
    store = store_at(target.bucket, root=target.root, connection=target.connection, run=run)

    def reading(done: int, whole: int) -> None:
        progress("windows read", done, whole)

    shown = shown_by_tables(target.jobs, store, run)
    report = verify(store, run.now(), target.only, reading, known=target.jobs, shown=shown, with_raw=with_raw)
    if target.only is None and not report.manifests:
        raise NothingToVerify(f"there is no manifest in {target.bucket}: is it a bucket that jobs write to?")
    if not repair or not report.wrong:
        return Verified(target, report)
    wrong = [finding for finding in report.findings if finding.wrong]
    place = {finding: number for number, finding in enumerate(wrong, 1)}

    def repairing(finding: Finding) -> None:
        progress("repairs tried", place[finding], len(wrong))

    return Verified(target, report, tuple(restore(store, wrong, target.jobs, run, repairing)))


def verify_named(
    names: Sequence[str], connection: str | None, as_format: str, *, repair: bool, with_raw: bool
) -> tuple[str, str, bool]:
    """What `trawl verify` prints, on standard output and on standard error, and whether anything is wrong."""
    root = project()
    pipelines = root / PIPELINES
    reading = read_jobs(pipelines) if pipelines.is_dir() else Reading((), ())
    try:
        wanted = targets(names, Path.cwd(), reading, pipelines, connection)
        with _shown() as progress:
            run = Run(connection=connections(root))
            found: list[Verified] = []
            problems = [] if names else left_out(reading)
            # A bucket that cannot be read keeps no other from it.
            for target in wanted:
                try:
                    found.append(verified(target, run, progress, repair=repair, with_raw=with_raw))
                except (RetryLater, Stop) as problem:
                    files = sorted(job.file for job in target.jobs.values())
                    problems.append(f"{some(files)}: {problem}" if files else str(problem))
    except NothingToVerify as error:
        raise click.ClickException(str(error)) from None
    if not found:
        raise click.ClickException("; ".join(problems))
    text = as_json(found) if as_format == "json" else "\n".join(lines(found))
    said = "\n".join([summary(found), *(f"Error: {problem}" for problem in problems)])
    return text, said, bool(problems) or any(one.wrong for one in found)


@contextmanager
def _shown() -> Iterator[Progress]:
    """Progress on one line of a terminal, wiped away at the end; nothing where nobody looks."""
    if not sys.stderr.isatty():
        yield lambda _what, _done, _whole: None
        return
    shown = 0.0

    def show(what: str, done: int, whole: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown >= _BLINK or done == whole:
            shown = now
            click.echo(f"\r\x1b[K{done:,} of {whole:,} {what}", err=True, nl=False)

    try:
        yield show
    finally:
        click.echo("\r\x1b[K", err=True, nl=False)


def lines(found: Iterable[Verified]) -> list[str]:
    """A line for each finding, and one below it for what became of it."""
    said = []
    for one in found:
        repairs = {repair.finding: repair for repair in one.repairs}
        for finding in one.report.findings:
            said.append(f"{click.style(finding.url, bold=True)}{str(finding).removeprefix(finding.url)}")
            if finding in repairs:
                said.append(_repaired(repairs[finding]))
    return said


def _repaired(repair: Repair) -> str:
    if repair.done:
        return click.style(f"  repaired: {repair.note}", fg="green")
    return f"  not repaired: {repair.note}"


def summary(found: Sequence[Verified]) -> str:
    """How much was read, and how much of it is wrong."""
    objects = counted(sum(one.report.objects for one in found), "object")
    size = sum(one.report.size for one in found)
    pages = [one.report.pages for one in found if one.report.pages is not None]
    raw = f" and {counted(sum(pages), 'raw page')}" if pages else ""
    read = f"{objects} of {size:,} bytes{raw} in {counted(len(found), 'bucket')} read"
    wrong = sum(one.report.wrong for one in found)
    repaired = wrong - sum(one.wrong for one in found)
    kinds = Counter(finding.kind for one in found for finding in one.report.findings)
    untold = sum(one.report.untold for one in found)
    parts = [
        counted(wrong, "thing") + " wrong" if wrong else "nothing wrong",
        f"{repaired:,} of them repaired" if repaired else "",
        f"{counted(kinds['unfinished'], 'run')} unfinished" if kinds["unfinished"] else "",
        f"{counted(kinds['superseded'], 'run')} superseded" if kinds["superseded"] else "",
        f"raw pages of {counted(untold, 'window')} not compared, for no manifest says which they were"
        if untold
        else "",
    ]
    return f"{read}: {', '.join(part for part in parts if part)}"


def as_json(found: Iterable[Verified]) -> str:
    """`{"wrong": n, "buckets": [{"bucket", "manifests", "objects", "size", "wrong", "findings": [{…}]}]}`.

    `wrong` counts what is wrong still, after repairs. A bucket has `raw_pages`, how many were read, and
    `raw_untold`, of how many windows none could be compared: null where raw pages are not read.
    """
    buckets = [_plain(one) for one in found]
    whole = {"wrong": sum(bucket["wrong"] for bucket in buckets), "buckets": buckets}
    return json.dumps(whole, indent=2, ensure_ascii=False)


def _plain(one: Verified) -> dict[str, Any]:
    repairs = {repair.finding: repair for repair in one.repairs}
    return {
        "bucket": one.target.bucket,
        "manifests": one.report.manifests,
        "objects": one.report.objects,
        "size": one.report.size,
        "raw_pages": one.report.pages,
        "raw_untold": None if one.report.pages is None else one.report.untold,
        "wrong": one.wrong,
        "findings": [_finding(finding, repairs.get(finding)) for finding in one.report.findings],
    }


def _finding(finding: Finding, repair: Repair | None) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "wrong": finding.wrong,
        "url": finding.url,
        "message": finding.message,
        "keys": list(finding.keys),
        "job": finding.job or None,
        "window": finding.window or None,
        "repaired": None if repair is None else repair.done,
        "note": None if repair is None else repair.note,
    }
