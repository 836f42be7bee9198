"""`trawl forget`: a post, or somebody's posts, out of everything that jobs have written."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import click

from etl_callables.erasure import Erasure, Trace
from etl_callables.errors import RetryLater, Stop
from etl_callables.forgetting import Kind, Subject
from etl_callables.run import STATE, Run
from etl_callables.store import open_store
from trawl.connections import connections
from trawl.naming import jobs_named
from trawl.project import PIPELINES, project


def forget_named(subjects: Sequence[Subject], names: Sequence[str], *, yes: bool) -> int:
    """What `trawl forget` does; its exit code."""
    here = project()
    run = Run(connection=connections(here))
    found: list[tuple[Erasure, list[Trace]]] = []
    jobs, problems = jobs_named(names, here / PIPELINES)
    for job in jobs:
        try:
            erasure = Erasure(open_store(job, run), job, subjects, run)
            traces = erasure.traces()
        except (RetryLater, Stop) as problem:
            problems.append(f"{job.file}: {problem}")
            continue
        found.append((erasure, traces))
        for trace in traces:
            click.echo(f"{_window(trace)} of {job.id}: {_counted(trace.posts, 'post')}")
    problems += [] if names else _left_behind([erasure for erasure, _ in found])
    posts = sum(trace.posts for _, traces in found for trace in traces)
    windows = sum(len(traces) for _, traces in found)
    click.echo(f"{_counted(posts, 'post')} in {_counted(windows, 'window')}.", err=True)
    for said in problems:
        click.echo(f"Error: {said}", err=True)
    if not found or not _agreed(yes=yes):
        return 1 if problems else 0
    problems += _erased(found)
    return 1 if problems else 0


def _left_behind(erasures: Iterable[Erasure]) -> list[str]:
    """Records of jobs that are not here, in the buckets of those that are: nobody knows what they wrote."""
    here = {erasure.job.id for erasure in erasures}
    buckets = {erasure.store.url(STATE): erasure.store for erasure in erasures}
    said = []
    for url, store in sorted(buckets.items()):
        there = {entry.key.split("/")[1] for entry in store.list(STATE) if entry.key.count("/") > 1}
        gone = sorted(there - here - {"doctor"})
        if gone:
            said.append(
                f"{url} has records of jobs that are not here ({', '.join(gone)}), which were not looked"
                " through: put their files back and say this again, or delete what they wrote"
            )
    return said


def _erased(found: Iterable[tuple[Erasure, list[Trace]]]) -> list[str]:
    """Erase what was found, in jobs where nothing was too: later runs are to know. What could not be done."""
    problems = []
    windows = 0
    for erasure, traces in found:
        try:
            done = erasure.erase(traces)
        except (RetryLater, Stop) as problem:
            problems.append(f"{erasure.job.file}: {problem}")
            continue
        windows += sum(not one.problem for one in done)
        problems += [f"{erasure.job.file}: {one.problem}" for one in done if one.problem]
    click.echo(f"Forgotten in {_counted(windows, 'window')}; later runs leave it out.", err=True)
    for said in problems:
        click.echo(f"Error: {said}", err=True)
    return problems


def subjects_from(said: Mapping[str, Iterable[str]], files: Mapping[Kind, Iterable[Path]]) -> list[Subject]:
    """Subjects from the command line (`authors`, `posts`) and from files; click.UsageError for none at all.

    A file has an id a line, or a JSON object with an `id`, as X answers compliance jobs.
    """
    found = [Subject("author", name) for name in said["authors"]]
    found += [Subject("post", name) for name in said["posts"]]
    for kind, path in ((kind, path) for kind, paths in files.items() for path in paths):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            name = _id_of(line, path, number)
            if name:
                found.append(Subject(kind, name))
    if not found:
        raise click.UsageError("say whom or what: --author NAME, --post ID, --authors FILE or --posts FILE")
    return list(dict.fromkeys(found))


def _id_of(line: str, path: Path, number: int) -> str:
    line = line.strip()
    if not line.startswith("{"):
        return line
    try:
        name = json.loads(line).get("id")
    except ValueError as problem:
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


def _window(trace: Trace) -> str:
    return trace.folder.rpartition("/")[2].replace("_", " to ")


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
