"""What a change to job files would do, for whoever reviews it.

Only git and the files are read, by the rules of `trawl.git`; nothing of them is run and nothing is asked
of anybody, so that it is safe on a stranger's change.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from schemas.folder import SUFFIXES
from schemas.job import Job, Origin
from schemas.problem import Problem
from schemas.reading import Reading, read_jobs
from schemas.tree import MAX_BYTES, Tree
from trawl.coming import last_end
from trawl.plan.changes import Change, Value, compare
from trawl.plan.forecast import Forecast, forecast
from trawl.plan.remark import Remark
from trawl.plan.remarks import Surroundings, remarks, where
from trawl.secrets import HIDDEN, Secret, guarded, hide, looks_secret, secrets_in

if TYPE_CHECKING:
    from trawl.git import Repository

PIPELINES: Final = "pipelines"

_CHOSEN: Final = "columns."
"""What comes after this in the name of a value is a person's own word."""


@dataclass(frozen=True, slots=True)
class Item:
    """One changed job: what it did, what it will do, and what to know about that."""

    change: Change
    before: Forecast | None
    after: Forecast | None
    remarks: tuple[Remark, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a change does. `base` is as the person named it and `commit` what it was compared with.

    `problems` are new ones of files that are no jobs; `remarks` are about such files. `same`, `reworded`
    and `still` are as in `Changes`.
    """

    base: str
    commit: str
    items: tuple[Item, ...]
    problems: tuple[Problem, ...]
    remarks: tuple[Remark, ...]
    same: int
    reworded: tuple[str, ...]
    still: int

    @property
    def counts(self) -> dict[str, int]:
        """How many changes there are of each kind."""
        return dict(Counter(item.change.kind for item in self.items))

    @property
    def valid(self) -> bool:
        """Whether the change brings no problem."""
        return not self.problems and not any(item.change.problems for item in self.items)


def plan(folder: Path, base: str | None = None, head: str | None = None, now: datetime | None = None) -> Plan:
    """The plan of the project in `folder`, as its files are or as the revision `head` has them.

    It is compared with where that left `base` (None: the main branch). `now` is aware. Raises GitProblem.
    """
    from trawl.git import GitProblem, repository  # noqa: PLC0415  others look at single jobs, without git
    from trawl.snapshot import snapshot  # noqa: PLC0415  as above

    now = now or datetime.now(UTC)
    repo = repository(folder)
    name = repo.usual_base() if base is None else base
    commit = repo.fork_point(repo.commit(name), repo.commit(head or "HEAD"))
    with snapshot(repo, commit, PIPELINES) as old, _project(repo, head) as new:
        if not any((old / PIPELINES).iterdir()) and not (new / PIPELINES).is_dir():
            raise GitProblem(f"there is no folder {PIPELINES} here, nor was there one")
        trees: dict[bytes, Tree] = {}  # most files are in both
        before, after = read_jobs(old / PIPELINES, trees), _read(new, trees)
        return _plan(name, commit, (old, before), (new, after), now)


@contextmanager
def _project(repo: Repository, head: str | None) -> Iterator[Path]:
    """The folder that holds the pipelines to plan."""
    from trawl.git import GitProblem  # noqa: PLC0415  as in `plan`
    from trawl.snapshot import snapshot  # noqa: PLC0415  as in `plan`

    if head is not None:
        with snapshot(repo, repo.commit(head), PIPELINES) as new:
            yield new
        return
    if (repo.folder / PIPELINES).is_symlink():
        raise GitProblem(f"{PIPELINES} is a link here; git holds nothing that could be planned")
    yield repo.folder


def _read(project: Path, trees: dict[bytes, Tree]) -> Reading:
    """As `read_jobs`; a project without the folder has no jobs."""
    pipelines = project / PIPELINES
    return read_jobs(pipelines, trees) if pipelines.is_dir() else Reading((), ())


def _plan(
    base: str, commit: str, old: tuple[Path, Reading], new: tuple[Path, Reading], now: datetime
) -> Plan:
    (was, before), (root, after) = old, new
    changes = compare(before, after)
    secret = _secrets(was, root)
    then, now_there = _Lines(was), _Lines(root)
    around = _surroundings(before.jobs, changes.jobs)
    items = []
    for change in changes.jobs:
        last = None if change.before is None else last_end(change.before, now)
        earlier = None if change.before is None else forecast(change.before, now, last=last, count=1)
        # To Airflow all but an edited job is new, and has no runs.
        last = last if change.kind == "edited" else None
        ahead = None if change.after is None else forecast(change.after, now, last=last)
        found = remarks(change, ahead, around, now)
        if change.kind != "removed":
            found = [*secret.pop(change.file, ()), *found]
        values = tuple(_safe(value, then, now_there) for value in change.values)
        safe = replace(change, values=values, problems=now_there.guarded(change.problems))
        items.append(Item(safe, earlier, ahead, tuple(found)))
    return Plan(
        base=base,
        commit=commit,
        items=tuple(items),
        problems=now_there.guarded(changes.problems),
        remarks=tuple(remark for file in sorted(secret) for remark in secret[file]),
        same=changes.same,
        reworded=changes.reworded,
        still=changes.still,
    )


def _surroundings(before: Iterable[Job], changes: Iterable[Change]) -> Surroundings:
    names = (name for job in before for name in job.connections)
    left = {}
    for change in changes:
        job = change.before
        if job is None or change.kind == "broken":
            continue
        if change.after is None or where(job) != where(change.after):
            left[where(job)] = job.id
    return Surroundings(frozenset(names), left)


def _secrets(was: Path, root: Path) -> dict[str, list[Remark]]:
    """What looks like a credential and is new, by the file it stands in."""
    text = "line {0} of {1} looks like it holds {2}: take it out, and renew it, since git keeps it"
    found = {}
    for path in _files(root / PIPELINES):
        file = str(path.relative_to(root))
        old, new = _content(was / file), _content(path)
        if new == old:
            continue
        known = {secret.itself for secret in secrets_in(_text(old))}
        remarks = [
            Remark("secret", text, (str(secret.line), file, secret.what))
            for secret in secrets_in(_text(new))
            if secret.itself not in known
        ]
        if remarks:
            found[file] = remarks
    return found


class _Lines:
    """Which lines of a project's files seem to hold a credential, each file read once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, list[Secret]] = {}

    def hides(self, origin: Origin | None) -> bool:
        """Whether what was written there may be seen by nobody."""
        if origin is None or not origin.path:
            return False
        return any(secret.line == origin.line for secret in self._of(origin.path))

    def guarded(self, problems: Iterable[Problem]) -> tuple[Problem, ...]:
        """The problems as anybody may see them."""
        safe = (guarded(problem, self._of(problem.path)) for problem in problems)
        return tuple(replace(problem, path=hide(problem.path)) for problem in safe)

    def _of(self, file: str) -> list[Secret]:
        if file not in self._known:
            self._known[file] = secrets_in(_text(_content(self._root / file)))
        return self._known[file]


def _safe(value: Value, then: _Lines, now: _Lines) -> Value:
    """A value as anybody may see it: hidden where it or its line seems to hold a credential."""
    was, is_now = then.hides(value.was_from), now.hides(value.is_from)
    name = value.name
    if looks_secret(name) or ((was or is_now) and name.startswith(_CHOSEN)):
        name = _CHOSEN + HIDDEN
    before = HIDDEN if was or looks_secret(value.before) else value.before
    after = HIDDEN if is_now or looks_secret(value.after) else value.after
    return replace(value, name=name, before=before, after=after)


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(parent, name)
            if name.endswith(SUFFIXES) and not name.startswith(".") and not path.is_symlink():
                yield path


def _content(path: Path) -> bytes:
    if path.is_symlink():
        return b""
    try:
        with path.open("rb") as source:
            return source.read(MAX_BYTES)
    except OSError:
        return b""


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")
