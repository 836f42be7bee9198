"""A job of a source under test, run against its service with a clock that only sleeping moves."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl_callables import extraction, load, raw, transform
from etl_callables.manifest import Manifest, read_manifest
from etl_callables.post import FIELDS, Post, Skipped
from etl_callables.reader import read_posts
from etl_callables.run import Run, prefix
from etl_callables.sources import Page, Request, Source, source_for
from etl_callables.store import open_store
from schemas.job import Column, Job, MaxCost
from schemas.schedule import Schedule
from schemas.window import Window
from tests.servers.authority import Authority
from tests.servers.made import Made
from tests.sources.conformance.case import Case, Served, Setting


class Killed(BaseException):
    """The end of a process, as far as one process can tell of it."""


@dataclass
class Trial:
    """One case in one setting."""

    case: Case
    served: Served
    window: Window
    folder: Path
    now: datetime
    slept: list[float] = field(default_factory=list)
    limit: int | None = None
    per: str = "run"
    max_cost: MaxCost = field(default_factory=MaxCost)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)

    @property
    def run(self) -> Run:
        return Run(
            id="trial",
            connection=lambda _: self.served.credentials,
            now=lambda: self.now,
            sleep=self.sleep,
            log=logging.getLogger("trawl.test"),
        )

    @property
    def job(self) -> Job:
        return Job(
            id="conformance.job",
            file="pipelines/conformance/job.yaml",
            folder=str(self.folder),
            root=str(self.folder),
            digest="0" * 64,
            text="",
            source=self.case.source,
            via=self.case.via,
            bucket=str(self.folder / "bucket"),
            key="{date}/posts.parquet",
            format="parquet",
            compression=None,
            columns=tuple(Column(name, name) for name in FIELDS),
            schedule=Schedule("0 0 * * *"),
            query=self.case.query,
            limit=self.limit,
            per="day" if self.per == "day" else "run",
            max_cost=self.max_cost,
            options={**self.case.options, **self.served.options},
            source_connection="the_connection" if self.served.credentials else None,
        )

    @property
    def source(self) -> Source:
        return self.case.module or source_for(self.case.source, self.case.via)

    def asked(self) -> int:
        """How many pages were asked for so far."""
        assert self.served.service is not None
        return sum(map(self.served.pages, self.served.service.asked))

    def extract(self, *, killed_after: int | None = None) -> raw.Done:
        """Run extract; `killed_after` so many of its pages are kept, the process ends."""
        source: Any = self.source
        if killed_after is not None:
            source = _Mortal(source, killed_after)
        result = extraction.extract(self.job, self.window, self.run, source=source)
        return raw.read_done(open_store(self.job, self.run), result["raw"])

    def whole(self) -> tuple[Manifest, list[dict[str, Any]]]:
        """Run all three callables; the manifest and the rows."""
        job, window, run = self.job, self.window, self.run
        extracted = extraction.extract(job, window, run, source=self.source)
        loaded = load(job, window, run, transform(job, window, run, extracted))
        manifest = read_manifest(open_store(job, run), prefix(job, window, run))
        assert manifest is not None
        return manifest, read_posts(loaded["object"].removeprefix("file://")).to_pylist()

    def numbers(self, rows: Sequence[Mapping[str, Any]]) -> list[int]:
        """The made-up posts that rows were made of, in order."""
        return [self.case.number(row["id"]) for row in rows]

    def bodies(self, done: raw.Done) -> list[bytes]:
        """All bodies of the pages kept."""
        store = open_store(self.job, self.run)
        return [body for page in raw.read_pages(store, done.pages) for body in page.bodies]

    def items(self, done: raw.Done) -> list[Post | Skipped]:
        return [item for body in self.bodies(done) for item in self.source.posts(body, self.now)]


class _Mortal:
    """A source whose process is killed when it has given so many pages, before the next is there."""

    def __init__(self, source: Source, pages: int) -> None:
        self.PLATFORM, self.REPEATS = source.PLATFORM, source.REPEATS
        self.version, self.posts = source.version, source.posts
        self._source, self._left = source, pages

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def pages(self, request: Request, cursor: str | None, run: Run) -> Iterator[Page]:
        for page in self._source.pages(request, cursor, run):
            if not self._left:
                raise Killed
            self._left -= 1
            yield page


@dataclass
class Stage:
    """Where trials take place: opens services and closes them."""

    case: Case
    folder: Path
    authority: Authority
    patch: pytest.MonkeyPatch
    window: Window

    @contextmanager
    def trial(
        self, posts: Sequence[Made], *, limit: int | None = None, per: str = "run", **setting: Any
    ) -> Iterator[Trial]:
        how = Setting(self.folder, self.authority, self.window, **setting)
        with self.case.serve(posts, how) as served:
            for name, value in served.environment.items():
                self.patch.setenv(name, value)
            yield Trial(
                self.case,
                served,
                self.window,
                self.folder,
                self.window.end + timedelta(hours=1),
                limit=limit,
                per=per,
            )
