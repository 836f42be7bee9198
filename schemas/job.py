"""A job, read and checked: frozen values, every one of which knows where it was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from schemas.schedule import Schedule

EachRun = Literal["interval", "whole"]
Per = Literal["run", "day"]
Stable = Literal["job", "everywhere"]
OnBreach = Literal["fail", "warn"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written: a path as the person would type it, 1-based line and column.

    `path` is empty for a built-in default.
    """

    path: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.path else "built-in default"


@dataclass(frozen=True, slots=True)
class DateRange:
    """The span a job is about: [since, until), aware UTC or open; and what each run takes of it."""

    since: datetime | None = None
    until: datetime | None = None
    each_run: EachRun = "interval"


@dataclass(frozen=True, slots=True)
class MaxCost:
    """The most US dollars that a run, and all runs of a calendar month (UTC), may cost; None: no bound."""

    run: float | None = None
    month: float | None = None


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """Which fields are written as keyed hashes, whose key a connection has, and how far they are stable."""

    fields: tuple[str, ...]
    key: str
    stable: Stable = "job"


@dataclass(frozen=True, slots=True)
class Quality:
    """What is expected of each run; None and empty: nothing.

    `at_least` and `at_most` are times the posts in the middle of earlier runs; `nulls` and `languages`
    are shares of posts by field and by language.
    """

    min_posts: int | None = None
    max_posts: int | None = None
    at_least: float | None = None
    at_most: float | None = None
    nulls: Mapping[str, float] = field(default_factory=dict)
    languages: Mapping[str, float] = field(default_factory=dict)
    newest_within: timedelta | None = None
    on_breach: OnBreach = "fail"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the output: the field of a post and the header it gets."""

    field: str
    header: str


@dataclass(frozen=True, slots=True)
class Job:
    """What one YAML file asks for, after defaults.

    `id` is the file's path below pipelines/ without its suffix, folders joined by dots; it is the
    DAG's id too. `file` is the path a person would type. `folder` is the absolute folder of the
    file, against which relative paths in `options` are resolved, and `root` the absolute project
    folder, against which a relative bucket is. `digest` is the SHA-256 of the file and of the
    defaults that reached it. `text` is the file as written.
    """

    id: str
    file: str
    folder: str
    root: str
    digest: str
    text: str
    source: str
    via: str
    bucket: str
    key: str
    format: str
    compression: str | None
    columns: tuple[Column, ...]
    schedule: Schedule
    query: str | None = None
    limit: int | None = None
    per: Per = "run"
    max_cost: MaxCost = MaxCost()
    pseudonymise: Pseudonyms | None = None
    drop: tuple[str, ...] = ()
    truncate: Mapping[str, int | str] = field(default_factory=dict)
    keep_raw: bool | timedelta = True
    keep: timedelta | None = None
    quality: Quality | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    date_range: DateRange = DateRange()
    backfill: bool = False
    description: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()
    retries: int = 1
    retry_delay: timedelta = timedelta(minutes=5)
    timeout: timedelta | None = None
    email: tuple[str, ...] = ()
    email_on_failure: bool = False
    email_on_retry: bool = False
    depends_on_past: bool = False
    source_connection: str | None = None
    bucket_connection: str | None = None
    catalog_connection: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    """The effective plain values by dotted path (`date_range.since`), as written."""
    origins: Mapping[str, Origin] = field(default_factory=dict)
    """Where each of `values` was written."""

    @property
    def connections(self) -> tuple[str, ...]:
        """The names of all connections that the job needs."""
        pseudonyms = self.pseudonymise.key if self.pseudonymise else None
        names = (self.source_connection, self.bucket_connection, self.catalog_connection, pseudonyms)
        return tuple(dict.fromkeys(name for name in names if name))

    def __deepcopy__(self, memo: dict[int, Any]) -> Job:
        """Itself: nothing in it changes, and DAG builders copy whatever they are handed."""
        return self
