"""What a change does to jobs: which come, go, move or mean something else, value by value."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath
from typing import Any, Final, Literal

from schemas.folder import DEFAULTS, SUFFIXES
from schemas.job import Job, Origin
from schemas.problem import Problem
from schemas.reading import Reading
from schemas.shape import schema

Kind = Literal["added", "edited", "renamed", "removed", "broken", "mended"]
"""`broken`: its file has problems now. `mended`: it had, and is a job now."""

_ALIKE: Final = 0.6
_FEW: Final = 50
"""As many jobs of one query are compared with each other; among more, only equal ones are."""


@dataclass(frozen=True, slots=True)
class Value:
    """One effective value of a job that differs; an origin is None on the side that has no such value."""

    name: str
    before: Any
    after: Any
    was_from: Origin | None
    is_from: Origin | None


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one job. `id` and `file` are those of after, if it is there after.

    `problems` are those of a `broken` job's file. `values` are in the order of the schema.
    """

    kind: Kind
    id: str
    file: str
    before: Job | None
    after: Job | None
    values: tuple[Value, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Changes:
    """All of them, by job, and what else there is to say.

    `problems` are those of files that are no jobs (defaults, folders) and are new; `same` is how many
    jobs stay as they are; `reworded` are files whose text changes and whose meaning does not; `still`
    is how many files are as invalid as they were.
    """

    jobs: tuple[Change, ...]
    problems: tuple[Problem, ...]
    same: int
    reworded: tuple[str, ...]
    still: int


def compare(before: Reading, after: Reading) -> Changes:
    """What lies between two readings of one pipelines folder."""
    old, new = _by_id(before.jobs), _by_id(after.jobs)
    was_bad, is_bad = _by_file(before.problems), _by_file(after.problems)
    found = [_broken(file, problems, old, was_bad) for file, problems in is_bad.items() if _is_job(file)]
    broken = [change for change in found if change is not None]
    bad_now = {_id_of(file) for file in is_bad}
    bad_then = {_id_of(file) for file in was_bad}
    gone = [job for job in before.jobs if job.id not in new and job.id not in bad_now]
    come = [job for job in after.jobs if job.id not in old and job.id not in bad_then]
    pairs = _renames(gone, come)
    moved_from = {earlier.id for earlier, _ in pairs}
    moved_to = {later.id for _, later in pairs}
    kept = [(old[job.id], job) for job in after.jobs if job.id in old]
    edited = [(earlier, job, values) for earlier, job in kept if (values := _values(earlier, job))]
    changes = [
        *broken,
        *(_change("edited", *edit) for edit in edited),
        *(_change("renamed", earlier, job, _values(earlier, job)) for earlier, job in pairs),
        *(_change("removed", job, None, _values(job, None)) for job in gone if job.id not in moved_from),
        *(_change("added", None, job, _values(None, job)) for job in come if job.id not in moved_to),
        *(
            _change("mended", None, job, _values(None, job))
            for job in after.jobs
            if job.id not in old and job.id in bad_then
        ),
    ]
    meant = {job.id for _, job, _ in edited}
    known = {problem for problem in before.problems if not _is_job(problem.path)}
    return Changes(
        jobs=tuple(sorted(changes, key=lambda change: (change.id, change.kind))),
        problems=tuple(p for p in after.problems if not _is_job(p.path) and p not in known),
        same=len(kept) - len(edited),
        reworded=tuple(job.file for earlier, job in kept if job.id not in meant and earlier.text != job.text),
        still=len(found) - len(broken),
    )


def _change(kind: Kind, before: Job | None, after: Job | None, values: tuple[Value, ...]) -> Change:
    job = after or before
    if job is None:
        raise ValueError("a change has a job before or after")
    return Change(kind, job.id, job.file, before, after, values)


def _broken(
    file: str, problems: Sequence[Problem], old: Mapping[str, Job], was_bad: Mapping[str, Sequence[Problem]]
) -> Change | None:
    """The change of a file with problems; None where it had just these before."""
    if file in was_bad and _gist(was_bad[file]) == _gist(problems):
        return None
    job_id = _id_of(file)
    return Change("broken", job_id, file, old.get(job_id), None, (), tuple(problems))


def _gist(problems: Iterable[Problem]) -> set[tuple[str, str]]:
    """What is wrong, wherever it stands."""
    return {(problem.kind, problem.message) for problem in problems}


def _by_id(jobs: Iterable[Job]) -> dict[str, Job]:
    return {job.id: job for job in jobs}


def _by_file(problems: Iterable[Problem]) -> dict[str, list[Problem]]:
    found: dict[str, list[Problem]] = defaultdict(list)
    for problem in problems:
        found[problem.path].append(problem)
    return found


def _is_job(file: str) -> bool:
    path = PurePosixPath(file)
    return path.suffix in SUFFIXES and path.stem != DEFAULTS


def _id_of(file: str) -> str:
    return ".".join(PurePosixPath(file).with_suffix("").parts[1:])


def _values(before: Job | None, after: Job | None) -> tuple[Value, ...]:
    """The values that differ; of a job that comes or goes, those that a file says."""
    old = _said(before) if after is None else {} if before is None else before.values
    new = _said(after) if before is None else {} if after is None else after.values
    names = sorted({**old, **new}, key=_order)
    found = [
        Value(
            name,
            old.get(name),
            new.get(name),
            _origin(before, name) if name in old else None,
            _origin(after, name) if name in new else None,
        )
        for name in names
        if (name in old, old.get(name)) != (name in new, new.get(name))
    ]
    if before and after and before.columns != after.columns and not any(_is_column(v.name) for v in found):
        # The same columns in another order: mappings are compared by their keys.
        places = (_origin(job, next(filter(_is_column, job.values))) for job in (before, after))
        found.append(Value("columns", _headers(before), _headers(after), *places))
    return tuple(found)


def _is_column(name: str) -> bool:
    return name.partition(".")[0] == "columns"


def _headers(job: Job) -> list[str]:
    return [column.header for column in job.columns]


def _said(job: Job | None) -> dict[str, Any]:
    if job is None:
        return {}
    return {name: value for name, value in job.values.items() if job.origins[name].path}


def _origin(job: Job | None, name: str) -> Origin | None:
    return None if job is None else job.origins.get(name)


@cache
def _places() -> dict[str, int]:
    return {name: place for place, name in enumerate(schema()["properties"])}


def _order(name: str) -> tuple[int, str]:
    return _places().get(name.partition(".")[0], len(_places())), name


def _renames(gone: Sequence[Job], come: Sequence[Job]) -> list[tuple[Job, Job]]:
    """Pairs of a job that goes and one that comes which are one job under another name, surest first.

    They scrape the same, and their files are equal or most of their lines are.
    """
    groups: dict[tuple[str, str | None], tuple[list[Job], list[Job]]] = defaultdict(lambda: ([], []))
    for side, jobs in enumerate((gone, come)):
        for job in jobs:
            groups[job.source, job.query][side].append(job)
    candidates: list[tuple[float, str, str]] = []
    for left, right in groups.values():
        many = len(left) > _FEW and len(right) > _FEW
        lines = {job.id: _lines(job) for job in (*left, *right)}
        equal: dict[frozenset[str], list[Job]] = defaultdict(list)
        for job in right:
            equal[lines[job.id]].append(job)
        for job in left:
            others = equal[lines[job.id]][:_FEW] if many else right
            candidates += [
                (-likeness, job.id, other.id)
                for other in others
                if (likeness := _likeness(lines[job.id], lines[other.id], job, other)) >= _ALIKE
            ]
    old, new = _by_id(gone), _by_id(come)
    pairs = []
    for _, earlier, later in sorted(candidates):
        if earlier in old and later in new:
            pairs.append((old.pop(earlier), new.pop(later)))
    return pairs


def _lines(job: Job) -> frozenset[str]:
    """The lines that say something; a comment names the schema by its place, which moves with the file."""
    lines = (line.strip() for line in job.text.splitlines())
    return frozenset(line for line in lines if line and not line.startswith("#"))


def _likeness(one: frozenset[str], other: frozenset[str], before: Job, after: Job) -> float:
    share = len(one & other) / (len(one | other) or 1)
    same_name = before.id.rpartition(".")[2] == after.id.rpartition(".")[2]
    # Among files that are equally alike, the one that kept its own name is the one that moved.
    return share + (0.01 if same_name and share >= _ALIKE else 0)
