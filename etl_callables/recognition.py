"""Recognition: which rows of an object are whose, where nothing but the object tells.

The columns and the pseudonyms are those that its manifest says it was written with, whatever its job says
today.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from etl_callables.forgetting import Forgotten, Kind, Subject
from etl_callables.manifest import Manifest
from etl_callables.privacy import names_of
from etl_callables.run import Run
from etl_callables.sources import PLATFORMS
from etl_callables.table import pc
from schemas.columns import columns_of
from schemas.job import Column, Job
from schemas.words import short

_TELLING: Final[dict[Kind, tuple[str, ...]]] = {"post": ("id",), "author": ("author", "author_id")}
"""What tells whose a post is, or which it is."""

_ID: Final = re.compile(r"\d+|did:\S+|t2_[0-9a-z]+|UC[\w-]{22}")
"""What reads as an account's id, on any platform: numbers, and the ids of Bluesky, Reddit and YouTube."""

_SHOWN: Final = 4
"""Names that a sentence has at most, one of them of all others."""

_OF_ROWS: Final = frozenset({"columns", "pseudonymise", "drop", "truncate"})
"""Parts of a job that say what is in its rows."""

Known = Callable[[str], str | None]
"""From a value of a column to the subject whose it is; empty for somebody who was to be forgotten before."""


@dataclass(frozen=True, slots=True)
class Untold:
    """Why an object may have more of somebody than is found in it, and what may help, if anything does."""

    why: str
    todo: str


@dataclass(frozen=True, slots=True)
class Recognised:
    """Which rows are of those to be forgotten, and why there may be more of them, if so."""

    hits: tuple[bool, ...] = ()
    untold: tuple[Untold, ...] = ()

    @property
    def why(self) -> str:
        return ", and ".join(one.why for one in self.untold)

    @property
    def todo(self) -> list[str]:
        return [one.todo for one in self.untold if one.todo]


def written_columns(manifest: Manifest, job: Job) -> tuple[Column, ...] | None:
    """The columns of an object, None where nobody knows any more what is in them.

    Manifests of an earlier Trawl do not say which fields they are: today's then, if they are called so.
    """
    headers = manifest.object.columns
    said = manifest.values.get("columns")
    if said is None:
        parts = {name.partition(".") for name in manifest.values}
        said = {header: manifest.values[f"columns.{header}"] for top, _, header in parts if top == "columns"}
    fields = {column.header: column.field for column in columns_of(said)}
    if fields.keys() >= set(headers):
        return tuple(Column(fields[header], header) for header in headers)
    return job.columns if headers == tuple(column.header for column in job.columns) else None


def values_of_rows(job: Job, manifest: Manifest) -> dict[str, Any]:
    """The values of a job, for a manifest of rows that were written as an earlier manifest says."""
    own = {name: value for name, value in job.values.items() if not _is_of_rows(name)}
    return own | {name: value for name, value in manifest.values.items() if _is_of_rows(name)}


def _is_of_rows(name: str) -> bool:
    return name.partition(".")[0] in _OF_ROWS


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a job is to forget, known again in the rows of a window's objects.

    `waiting` are kinds of what else was to be forgotten in it before, whose names nobody knows any more.
    """

    job: Job
    run: Run
    subjects: Collection[Subject]
    forgotten: Forgotten
    waiting: Collection[str] = ()

    def rows(self, manifest: Manifest, table: pa.Table) -> Recognised:
        """Which rows of an object are of those to be forgotten."""
        if not table.num_rows:
            return Recognised()
        columns = written_columns(manifest, self.job)
        if columns is None:
            why = (
                f"its columns are others than those that {self.job.file} has today, so that nobody knows them"
            )
            todo = "put the columns back as they were, forget, and change them again"
            return Recognised((False,) * table.num_rows, (Untold(why, todo),))
        headers = {column.field: column.header for column in columns}
        there = {field: _texts(table[headers[field]]) for field in headers if field in _FIELDS}
        hits = [False] * table.num_rows
        untold: list[Untold] = []
        wanted = {entry.kind for entry in self.forgotten.entries} | {one.kind for one in self.subjects}
        for kind in (kind for kind in _TELLING if kind in wanted):
            ways, odd = self._ways(kind, manifest, there)
            found: set[str] = set()
            for field, known in ways.items():
                owners = {value: None if value is None else known(value) for value in set(there[field])}
                found |= {owner for owner in owners.values() if owner}
                hits = [
                    hit or owners[value] is not None for hit, value in zip(hits, there[field], strict=True)
                ]
            untold += self._missed(kind, ways.keys(), odd, found)
            hidden = manifest.privacy.pseudonymised if manifest.privacy else ()
            if kind in self.waiting and not set(_TELLING[kind]) <= there.keys() - set(hidden):
                why = "forgetting somebody else in it was stopped, whose name is needed to find them"
                untold.append(Untold(why, "forget that one again"))
        return Recognised(tuple(hits), tuple(dict.fromkeys(untold)))

    def _ways(
        self, kind: Kind, manifest: Manifest, there: dict[str, list[str | None]]
    ) -> tuple[dict[str, Known], list[Untold]]:
        """How each column that tells does so; and why others do not."""
        wanted = [field for field in _TELLING[kind] if field in there]
        if any(there.get("author_id", ())) and not any(there.get("author", ())):
            # A source may say who somebody is by the id alone; where there are no ids, nobody has one.
            wanted = [field for field in wanted if field != "author"]
        applied = manifest.privacy
        hidden = set(applied.pseudonymised) if applied else set()
        ways = {field: self._plain(kind) for field in wanted if field not in hidden}
        if applied is None or not hidden.intersection(wanted):
            return ways, []
        names = names_of(applied, self.job, self.run, manifest.values)
        if isinstance(names, str):
            return ways, [Untold("its pseudonyms are of a key that is not here", names)]
        platforms = PLATFORMS.union(filter(None, there.get("platform", ())))
        for field in hidden.intersection(wanted):
            behind = {
                names.of(platform, field, name): value
                for value in self._values(kind)
                for name in (value, value.removeprefix("@"))
                for platform in platforms
            }
            ways[field] = behind.get
        return ways, []

    def _plain(self, kind: Kind) -> Known:
        digests = {entry.digest: "" for entry in self.forgotten.entries}
        digests |= {self.forgotten.digest(one): one.value for one in self.subjects}
        return lambda value: digests.get(self.forgotten.digest(Subject(kind, value)))

    def _values(self, kind: Kind) -> list[str]:
        return [subject.value for subject in self.subjects if subject.kind == kind]

    def _missed(
        self, kind: Kind, fields: Collection[str], odd: list[Untold], found: Collection[str]
    ) -> list[Untold]:
        """Why some may be there and were not found, by the columns that tell, if so."""
        if not self._values(kind) or len(fields) == len(_TELLING[kind]):
            return []
        if not fields:
            return odd or [Untold("no column tells whose its posts are", "")]
        there, other = ("handle", "id") if "author" in fields else ("id", "handle")
        lost = [one for one in self._values(kind) if one not in found and _reads_as(one) == other]
        if not lost:
            return []
        if odd:
            return odd
        verb = "reads as" if len(lost) == 1 else "read as"
        what = ("an id" if other == "id" else "a handle") if len(lost) == 1 else f"{other}s"
        why = f"its authors are told by their {there} alone, and {_named(lost)} {verb} {what}"
        sign = ", with an @ before it," if there == "handle" else ""
        return [Untold(why, f"forget the same by their {there}{sign} too")]


_FIELDS: Final = frozenset({"platform", *(field for fields in _TELLING.values() for field in fields)})


def _reads_as(name: str) -> str:
    return "id" if _ID.fullmatch(name) else "handle"


def _named(values: Sequence[str]) -> str:
    """The names, the first of them where they are too many for a sentence."""
    names = [short(value) for value in values]
    if len(names) == 1:
        return names[0]
    shown = names[:-1] if len(names) <= _SHOWN else names[: _SHOWN - 1]
    last = names[-1] if len(names) <= _SHOWN else f"{len(names) - len(shown):,} others"
    return f"{', '.join(shown)} and {last}"


def _texts(column: Any) -> list[str | None]:
    texts: list[str | None] = pc.cast(column, pa.string()).to_pylist()
    return texts
