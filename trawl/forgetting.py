"""`trawl forget`: a post, or somebody's posts, out of everything that jobs have written."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import click

from etl_callables.erasure import Erasure, Trace
from etl_callables.errors import RetryLater, Stop
from etl_callables.forgetting import Kind, Subject
from etl_callables.run import STATE, Run
from etl_callables.store import open_store
from schemas.bucket import place_of
from schemas.folder import job_id_of
from schemas.job import Job
from schemas.reading import Reading
from schemas.window import Window
from schemas.words import counted
from schemas.zone import zone
from trawl.connections import connections
from trawl.history import day
from trawl.naming import every_job, jobs_named, left_out
from trawl.project import PIPELINES, project


def forget_named(subjects: Sequence[Subject], names: Sequence[str], *, yes: bool) -> int:
    """What `trawl forget` does; its exit code."""
    here = project()
    run = Run(connection=connections(here))
    found: list[tuple[Erasure, list[Trace]]] = []
    reading = Reading((), ()) if names else every_job(here / PIPELINES)
    jobs = jobs_named(names, here / PIPELINES)[0] if names else reading.jobs
    problems = left_out(reading)
    missed = reading.files - len(reading.jobs)
    for job in jobs:
        try:
            erasure = Erasure(open_store(job, run), job, subjects, run)
            traces = erasure.traces()
            written = erasure.has_written()
        except (RetryLater, Stop) as problem:
            problems.append(f"{job.file}: {problem}")
            missed += 1
            continue
        found.append((erasure, traces))
        if not written:
            click.echo(f"{job.id} has written nothing to {place_of(job.bucket, job.root)}.", err=True)
        for trace in traces:
            click.echo(f"{_window(trace, job)} of {job.id}: {_said(trace)}")
            for url in trace.earlier:
                click.echo(f"  {url}, which an earlier key gave, is deleted whole")
    known = {job.id for job in jobs} | {job_id_of(one.path, str(here))[0] for one in reading.problems}
    gone = {} if names else _left_behind([erasure for erasure, _ in found], known)
    problems += [
        f"{url} has records of jobs that are not here ({', '.join(ids)}), which were not looked through:"
        " put their files back and say this again, or delete what they wrote"
        for url, ids in gone.items()
    ]
    missed += sum(map(len, gone.values()))
    posts = sum(trace.posts for _, traces in found for trace in traces)
    untold = sum(bool(trace.untold) for _, traces in found for trace in traces)
    windows = sum(len(traces) for _, traces in found)
    unseen = f"; what {counted(untold, 'window')} of them may have cannot be told" if untold else ""
    unseen += f"; {_unseen(missed)}" if missed else ""
    click.echo(f"{counted(posts, 'post')} in {counted(windows, 'window')}{unseen}.", err=True)
    if found and not windows:
        click.echo(_KNOWN_BY, err=True)
    for said in problems:
        click.echo(f"Error: {said}", err=True)
    if not found or not _agreed(yes=yes):
        return 1 if problems else 0
    problems += _erased(found, missed)
    return 1 if problems else 0


def _said(trace: Trace) -> str:
    """What was found in a window."""
    if not trace.untold:
        return counted(trace.posts, "post")
    why = f"its raw pages are gone and {trace.untold}"
    if not trace.posts:
        return f"{why}, so that none can be taken out"
    return f"{counted(trace.posts, 'post')}, and there may be more: {why}"


_KNOWN_BY: Final = (
    "Authors are known by their handle or id, as in the columns author and author_id; posts by their id."
)


def _left_behind(erasures: Iterable[Erasure], known: Collection[str]) -> dict[str, list[str]]:
    """Jobs that are not here and have records in the buckets of those that are, by where these are."""
    buckets = {erasure.store.url(STATE): erasure.store for erasure in erasures}
    found = {}
    for url, store in sorted(buckets.items()):
        there = {entry.key.split("/")[1] for entry in store.list(STATE) if entry.key.count("/") > 1}
        if gone := sorted(there - {*known, "doctor"}):
            found[url] = gone
    return found


def _erased(found: Iterable[tuple[Erasure, list[Trace]]], missed: int) -> list[str]:
    """Erase what was found, in jobs where nothing was too: later runs are to know. What could not be done."""
    problems = []
    windows = left = stopped = 0
    for erasure, traces in found:
        try:
            done = erasure.erase(traces)
        except (RetryLater, Stop) as problem:
            problems.append(f"{erasure.job.file}: {problem}")
            stopped += 1
            continue
        windows += sum(not one.problem for one in done)
        left += sum(bool(one.problem) for one in done)
        problems += [f"{erasure.job.file}: {one.problem}" for one in done if one.problem]
    said = f"Forgotten in {counted(windows, 'window')}"
    amiss = [
        _unseen(missed) if missed else "",
        f"{counted(stopped, 'job')} could not be gone through to the end" if stopped else "",
        f"{counted(left, 'window')} may have it still" if left else "",
    ]
    if any(amiss):
        why = ", ".join(filter(None, amiss))
        click.echo(f"{said}, but not everywhere: {why}. Mend that and say this again.", err=True)
    else:
        click.echo(f"{said}; later runs leave it out.", err=True)
    for problem_said in problems:
        click.echo(f"Error: {problem_said}", err=True)
    return problems


def _unseen(jobs: int) -> str:
    return f"{counted(jobs, 'job')} {'was' if jobs == 1 else 'were'} not looked through"


def subjects_from(said: Mapping[str, Iterable[str]], files: Mapping[Kind, Iterable[Path]]) -> list[Subject]:
    """Subjects from the command line (`authors`, `posts`) and from files; click.UsageError for none at all.

    A file has an id a line, or a JSON object with an `id`, as X answers compliance jobs.
    """
    found = [Subject("author", name.strip()) for name in said["authors"]]
    found += [Subject("post", name.strip()) for name in said["posts"]]
    if empty := [one.kind for one in found if not _names(one)]:
        raise click.UsageError(f"--{empty[0]} is empty, and would name nobody: say whom or what to forget")
    for kind, path in ((kind, path) for kind, paths in files.items() for path in paths):
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            try:
                name = _id_of(line.decode("utf-8-sig"), path, number)
            except UnicodeDecodeError:
                raise click.ClickException(
                    f"{path}:{number}: this is no UTF-8 text: save the file as UTF-8, an id a line"
                ) from None
            if name:
                found.append(Subject(kind, name))
                if not _names(found[-1]):
                    raise click.ClickException(f"{path}:{number}: this names nobody")
    if not found:
        raise click.UsageError("say whom or what: --author NAME, --post ID, --authors FILE or --posts FILE")
    return list(dict.fromkeys(found))


def _names(subject: Subject) -> bool:
    """Whether there is anything in a name."""
    name = subject.value
    return bool(name.removeprefix("@") if subject.kind == "author" else name)


def _id_of(line: str, path: Path, number: int) -> str:
    line = line.strip()
    if not line.startswith("{"):
        return line
    try:
        name = json.loads(line).get("id")
    except (ValueError, RecursionError) as problem:
        raise click.ClickException(f"{path}:{number}: this is no whole JSON ({problem})") from None
    if not isinstance(name, str | int) or isinstance(name, bool):
        raise click.ClickException(f"{path}:{number}: this has no id, which says what to forget")
    return str(name)


def _agreed(*, yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is here to agree: pass --yes to forget these for good")
    return click.confirm("Forget them for good?", err=True)


def _window(trace: Trace, job: Job) -> str:
    """The window of a trace by the clocks of its job."""
    name, _, variant = trace.folder.rpartition("/")[2].partition("~")
    try:
        when = day(Window.parse(name), zone(job.schedule.timezone))
    except ValueError:  # a folder that somebody else has put there
        return trace.folder
    return f"{when} {variant}" if variant else when
