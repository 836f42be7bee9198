"""`trawl check`: the problems of some files, for people and for tools."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from schemas.folder import DEFAULTS, DEFAULTS_FILES, SUFFIXES, job_files
from schemas.problem import Problem
from schemas.reading import Reading, essential, read_jobs, read_some
from schemas.tree import MAX_BYTES
from trawl.absent import notes
from trawl.excerpt import excerpt, lines_of, token_at
from trawl.secrets import Secret, credentials, guarded, secrets_in

if TYPE_CHECKING:
    from trawl.mending import Fix


def check_paths(paths: Iterable[Path]) -> Reading:
    """What there is in the files and folders, each file once; paths as seen from here.

    What looks like a credential is a problem here, and none to Airflow: a guess stops no job.
    Raises click.UsageError for a file that cannot be a job by its name.
    """
    whole: dict[Path, list[Path]] = {}
    single: dict[Path, list[Path]] = {}
    for path in paths:
        place = Path(os.path.abspath(path))  # noqa: PTH100  links keep the name the person knows
        if not place.is_dir() and place.suffix not in SUFFIXES:
            raise click.UsageError(f"{path} is no job file; those end in .yaml or .yml")
        if not place.is_dir() and place.stem == DEFAULTS:
            place = place.parent  # defaults are right or wrong together with the jobs they reach
        pipelines = _pipelines_of(place)
        (whole if place.is_dir() else single).setdefault(pipelines, []).append(place)
    readings = [_part(_all_of(pipelines), pipelines, places) for pipelines, places in whole.items()]
    for pipelines, files in single.items():
        rest = [
            file
            for file in files
            if not any(file.is_relative_to(place) for place in whole.get(pipelines, ()))
        ]
        if rest:
            readings.append(_seen_from_here(read_some(rest, pipelines.parent), pipelines.parent))
    return Reading(
        jobs=tuple(job for reading in readings for job in reading.jobs),
        problems=tuple(sorted({problem for reading in readings for problem in reading.problems})),
        files=sum(reading.files for reading in readings),
    )


def _all_of(pipelines: Path) -> Reading:
    """As `read_jobs`, with the texts of defaults that reach no job yet: git would have them too."""
    reading = read_jobs(pipelines)
    texts = dict(reading.texts)
    for folder, inner, files in os.walk(pipelines):
        inner[:] = [name for name in inner if not name.startswith(".")]
        for name in files:
            if name in DEFAULTS_FILES:
                path = Path(folder, name)
                file = str(path.relative_to(pipelines.parent))
                if file not in texts:
                    texts[file] = _text(path)
    return replace(reading, texts=texts)


def _pipelines_of(place: Path) -> Path:
    """The pipelines folder that a path is, or is in; any other folder is taken for one."""
    for folder in (place, *place.parents):
        if folder.name == "pipelines" and folder.is_dir():
            return folder
    if place.is_dir():
        inside = place / "pipelines"
        return inside if inside.is_dir() else place
    return place.parent


def _part(reading: Reading, pipelines: Path, places: list[Path]) -> Reading:
    """What of a whole reading lies in the places asked for."""
    root = pipelines.parent
    if any(pipelines.is_relative_to(place) for place in places):
        return _seen_from_here(reading, root)

    def inside(file: str) -> bool:
        return any((root / file).is_relative_to(place) for place in places)

    jobs = tuple(job for job in reading.jobs if inside(job.file))
    problems = tuple(problem for problem in reading.problems if inside(problem.path))
    files = len(jobs) + len({problem.path for problem in problems})
    texts = {file: text for file, text in reading.texts.items() if inside(file)}
    return _seen_from_here(Reading(jobs, problems, files, texts), root)


def _seen_from_here(reading: Reading, root: Path) -> Reading:
    leaks = (leak for file, text in reading.texts.items() for leak in credentials(file, secrets_in(text)))
    problems = tuple(from_here(problem, root) for problem in (*reading.problems, *leaks))
    return replace(reading, problems=problems)


def from_here(problem: Problem, root: Path) -> Problem:
    """A problem of a project, its path as it is seen from the working directory."""
    here = Path.cwd()
    return replace(problem, path=problem.path if root == here else os.path.relpath(root / problem.path, here))


def mend_paths(paths: Iterable[Path]) -> tuple[Reading, list[Fix]]:
    """As `check_paths`, after everything certain has been mended on the disk; and what was."""
    from trawl.mending import mend  # noqa: PLC0415  most people only look

    wanted = list(paths)
    reading = check_paths(wanted)
    by_root: dict[Path, list[Problem]] = {}
    for problem in reading.problems:
        pipelines = _pipelines_of(Path(os.path.abspath(problem.path)))  # noqa: PTH100  as check_paths
        by_root.setdefault(pipelines, []).append(problem)
    fixes = []
    for pipelines, problems in by_root.items():
        root = pipelines.parent
        files: list[Problem] = []
        names = list(job_files(str(pipelines), pipelines.name, files))
        below = [replace(problem, path=_below(problem.path, root)) for problem in problems]
        fixes += [_fix_from_here(fix, root) for fix in mend(root, below, names)]
    texts = _Texts()
    fixes = [fix._replace(problem=texts.guarded(fix.problem)) for fix in fixes]
    return (check_paths(wanted) if fixes else reading), fixes


def _below(path: str, root: Path) -> str:
    return os.path.relpath(os.path.abspath(path), root)  # noqa: PTH100  as check_paths


def _fix_from_here(fix: Fix, root: Path) -> Fix:
    return fix._replace(problem=from_here(fix.problem, root))


def report(reading: Reading, as_format: str, width: int) -> tuple[str, str]:
    """What to print on standard output, and on standard error; lines of files in `width` columns."""
    texts = _Texts()
    shown = replace(reading, problems=tuple(map(texts.guarded, reading.problems)))
    if as_format != "text":
        from trawl.reports import FORMS  # noqa: PLC0415  people want text

        return FORMS[as_format](shown, texts.length), ""
    beside = notes(reading.jobs, os.getcwd())  # noqa: PTH109  text in and out
    lines = texts.lines(essential(shown.problems)[0], width)
    return "\n".join(lines), "\n".join((*beside, summary(reading)))


def printed(problems: Iterable[Problem], width: int) -> str:
    """Problems for a person, each with its line."""
    texts = _Texts()
    return "\n".join(texts.lines(map(texts.guarded, problems), width))


def summary(reading: Reading) -> str:
    """How many there are."""
    files = _count(reading.files, "job file")
    if not reading.problems:
        return f"{files}, no problems"
    shown, held = essential(reading.problems)
    bad = _count(len({problem.path for problem in shown}), "file")
    count = _count(len(shown), "problem")
    some = "" if held == reading.files else f"{held:,} of them "
    part = f", {some}in part: the defaults are to be mended first" if held else ""
    return f"{count} in {bad}; {files} read{part}"


_AT_THE_TOP: Final = frozenset({"syntax", "tab", "not-a-mapping", "control-character", "duplicate-key"})
"""Kinds whose culprit can be the first character of a file."""


class _Texts:
    """The files that problems are in, each read once."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, list[Secret]]] = {}

    def guarded(self, problem: Problem) -> Problem:
        """The problem as anybody may see it: reports of a check are read by more than its author."""
        return guarded(problem, self._of(problem)[1])

    def lines(self, problems: Iterable[Problem], width: int) -> Iterator[str]:
        """Each problem, and its line where that may be seen."""
        for problem in problems:
            yield _styled(problem)
            text, secrets = self._of(problem)
            if self._is_there(problem) and all(secret.line != problem.line for secret in secrets):
                drawn = excerpt(text, problem.line, problem.column, width)
                yield from drawn[:1]
                yield from (click.style(mark, fg="green", bold=True) for mark in drawn[1:])

    def _is_there(self, problem: Problem) -> bool:
        """Whether the culprit is where the problem points; what is about a whole file points at its top."""
        if (problem.line, problem.column) != (1, 1) or problem.kind in _AT_THE_TOP:
            return True
        token = token_at(lines_of(self._of(problem)[0])[0], 1)
        return f'"{token}"' in problem.message

    def length(self, problem: Problem) -> int:
        """How many characters the culprit has, at least one."""
        lines = lines_of(self._of(problem)[0])
        line = lines[problem.line - 1] if problem.line <= len(lines) else ""
        return max(1, len(token_at(line, problem.column)))

    def _of(self, problem: Problem) -> tuple[str, list[Secret]]:
        if problem.path not in self._known:
            text = _text(Path(problem.path))
            self._known[problem.path] = text, secrets_in(text)
        return self._known[problem.path]


def _text(path: Path) -> str:
    """What is in a file; nothing, of a link or of what cannot be read, for that is nobody's to see."""
    if path.is_symlink() or not path.is_file():
        return ""
    try:
        with path.open("rb") as source:
            return source.read(MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _styled(problem: Problem) -> str:
    place, message = str(problem).split(": ", 1)
    return f"{click.style(place, bold=True)}: {message}"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
