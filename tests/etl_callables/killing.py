"""Kills a job's runs, over and over, and looks at the bucket: `python -m tests.etl_callables.killing KILLS`.

A run is extract, transform and load of an archive, in a process of its own. It dies by SIGKILL at a write
(each one in turn: before a file is opened for writing, moved, removed, or a folder made) or at a random
moment. Then the next run goes on, as Airflow has it: the step that died is tried again with what the steps
before it gave, or, now and then, somebody starts the whole run anew. Some of these die as well. At the end
each window is run once more two days later.

Prints what happened as JSON; `breaches` should be empty. Processes are forked from this one, which has
imported everything and does nothing itself.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from etl_callables import extract, load, transform
from etl_callables.manifest import read_manifest
from etl_callables.post import FIELDS
from etl_callables.run import Run, object_key, prefix
from etl_callables.store import open_store
from etl_callables.verification import verify
from schemas.job import Column, Job
from schemas.window import Window
from tests.etl_callables.jobs import WINDOW, job, tweet

POSTS = 2_200
"""A day: three raw pages."""

DAYS = [
    Window(WINDOW.start + day * timedelta(days=1), WINDOW.end + day * timedelta(days=1)) for day in (0, 1)
]
STEPS: list[tuple[str, Callable[..., Any]]] = [("extract", extract), ("transform", transform), ("load", load)]
WRITES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass
class World:
    """A folder with an archive in two versions, a bucket, and places for what runs hand on."""

    folder: Path
    chance: random.Random
    wanted: dict[tuple[int, str], tuple[int, str]] = field(default_factory=dict)
    """Posts and SHA-256 of the object of each day and version, from runs that nobody disturbed."""
    killed_at: set[int] = field(default_factory=set)
    killed: int = 0
    by_chance: int = 0
    breaches: list[str] = field(default_factory=list)
    writes: int = 0
    turn: int = 0
    lasts: float = 1.0

    def job(self, version: str, bucket: str = "bucket") -> Job:
        return job(
            self.folder / bucket,
            folder=str(self.folder),
            options={"files": f"{version}.jsonl"},
            limit=2_000,
            # Without scraped_at, which no two runs have in common: the same posts are the same bytes.
            columns=tuple(Column(name, name) for name in FIELDS if name != "scraped_at"),
        )

    def prepare(self) -> None:
        """Write the archive, and learn from undisturbed runs what should come of it."""
        os.environ["TMPDIR"] = str(self.folder / "scratch")
        (self.folder / "scratch").mkdir()
        # Python tries by writing a file whether it can, which is no write of ours to die at.
        tempfile.tempdir = str(self.folder / "scratch")
        for version, text in (("a", "as it was"), ("b", "edited")):
            bodies = [
                tweet(day * 10_000 + number, window.start + timedelta(seconds=number), rawContent=text)
                for day, window in enumerate(DAYS)
                for number in range(POSTS if version == "a" else POSTS - 300)
            ]
            (self.folder / f"{version}.jsonl").write_bytes(b"\n".join(bodies))
            for day, window in enumerate(DAYS):
                clean = self.job(version, f"clean-{version}")
                began = time.monotonic()
                self.run(clean, window, "clean", count_into=self.folder / "writes")
                self.lasts = time.monotonic() - began
                store = open_store(clean, Run())
                manifest = read_manifest(store, prefix(clean, window, Run()))
                assert manifest is not None
                self.wanted[day, version] = (manifest.counts.kept, manifest.object.sha256)
        self.writes = int((self.folder / "writes").read_text())

    def run(
        self,
        ours: Job,
        window: Window,
        name: str,
        *,
        die_at: int | None = None,
        die_after: float | None = None,
        count_into: Path | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> bool:
        """One run in a process of its own, going on with what is in `handed-on`; False when it was killed."""
        child = os.fork()
        if child == 0:
            try:
                _live(ours, window, Run(id=name, now=now), self.folder, die_at=die_at, count_into=count_into)
            except BaseException as problem:  # noqa: BLE001 (a child must never return into its parent's code)
                sys.stderr.write(f"{type(problem).__name__}: {problem}\n")
                os._exit(1)
            os._exit(0)
        if die_after is not None:
            time.sleep(die_after)
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            self.killed += 1
            if die_at is not None:
                self.killed_at.add(die_at)
            else:
                self.by_chance += 1
            return False
        if status != 0:
            self.breaches.append(f"a run of {window} after {self.killed} kills ended with {status}")
        self.forget()
        return True

    def forget(self) -> None:
        (self.folder / "handed-on").unlink(missing_ok=True)

    def trouble(self, number: int) -> None:
        """Kill a run, and perhaps the next; then let one come to its end and look at everything."""
        day, version = self.chance.randrange(len(DAYS)), self.chance.choice("ab")
        ours, window = self.job(version), DAYS[day]
        name = f"run {number}"
        for again in range(3):
            at = None
            if number % 3 and not again:
                at = self.turn % self.writes + 1
                self.turn += 1
            after = None if at else self.chance.random() * self.lasts
            if self.run(ours, window, name, die_at=at, die_after=after):
                break
            self.whole(ours, window, day)
            if self.chance.random() < 0.4:
                # A run of its own, to which the source may give something else.
                name, version = f"{name} anew", self.chance.choice("ab")
                ours = self.job(version)
                self.forget()
            if self.chance.random() < 0.7:
                break
        self.run(ours, window, name)
        self.right(ours, window, (day, version), datetime.now(UTC))

    def whole(self, ours: Job, window: Window, day: int) -> None:
        """Under the key is one of the objects that a whole run makes, or none."""
        path = self.folder / "bucket" / object_key(ours, window, Run())
        known = {sha256 for (other, _), (_, sha256) in self.wanted.items() if other == day}
        if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() not in known:
            self.breaches.append(f"after kill {self.killed}: a part of an object under {path.name}")

    def right(self, ours: Job, window: Window, which: tuple[int, str], now: datetime) -> None:
        """Object, manifest and checksum agree, the posts are there, once; nothing that is left is wrong."""
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            store = open_store(ours, Run())
            manifest = read_manifest(store, prefix(ours, window, Run()))
            found = [str(finding) for finding in verify(store, now, with_raw=True).findings if finding.wrong]
            if manifest is None or (manifest.counts.kept, manifest.object.sha256) != self.wanted[which]:
                found.append(f"the manifest of {window} is not of version {which[1]}")
            os.write(write, json.dumps(found).encode()[:60_000])
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as answer:
            found = json.loads(answer.read() or '["verify died"]')
        os.waitpid(child, 0)
        self.breaches += [f"after kill {self.killed}: {finding}" for finding in found]
        parts = [path.name for path in (self.folder / "bucket" / "posts").glob(".*")]
        self.breaches += [f"after kill {self.killed}: {part} is left" for part in parts]

    def end(self) -> None:
        """Two days later each window is run again; then there is nothing that nobody needs, for good."""
        later = datetime.now(UTC) + timedelta(days=2)
        for window in DAYS:
            self.run(self.job("a"), window, "two days later", now=lambda: later)
        for day, window in enumerate(DAYS):
            self.right(self.job("a"), window, (day, "a"), later)
        needed = set()
        for manifest in (self.folder / "bucket").rglob("manifest.json"):
            done = self.folder / "bucket" / json.loads(manifest.read_text())["raw"]["done"]
            needed |= {
                manifest,
                done,
                *(self.folder / "bucket" / page for page in json.loads(done.read_text())["pages"]),
            }
        there = {path for path in (self.folder / "bucket").rglob("*") if path.is_file()}
        left = {path for path in there - needed if path.parent != self.folder / "bucket" / "posts"}
        left |= set((self.folder / "scratch").iterdir())
        self.breaches += [f"in the end {path.relative_to(self.folder)} is left" for path in sorted(left)]


def _live(
    ours: Job, window: Window, run: Run, folder: Path, *, die_at: int | None, count_into: Path | None
) -> None:
    """The three steps, each handing on what it gave; dies at the write of that number."""
    handed = folder / "handed-on"
    given: dict[str, Any] = json.loads(handed.read_text()) if handed.exists() else {}
    writes = 0
    mine = (str(folder / Path(ours.bucket).name), str(folder / "scratch"))

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal writes
        if event not in WRITES or not str(arguments[0]).startswith(mine):
            return
        if event == "open" and not arguments[2] & WRITING:
            return
        writes += 1
        if writes == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    for name, step in STEPS:
        if name in given:
            continue
        earlier = given[list(given)[-1]] if given else None
        given[name] = step(ours, window, run, earlier) if earlier else step(ours, window, run)
        part = handed.with_suffix(".part")
        part.write_text(json.dumps(given))
        part.replace(handed)
    if count_into is not None:
        count_into.write_text(str(writes))


def series(kills: int, seed: int) -> dict[str, Any]:
    """At least so many kills, and what came of them."""
    with tempfile.TemporaryDirectory(prefix="trawl-kills-") as folder:
        world = World(Path(folder), random.Random(seed))
        world.prepare()
        number = 0
        while world.killed < kills and len(world.breaches) < 10:
            world.trouble(number)
            number += 1
        world.end()
        return {
            "kills": world.killed,
            "at a random moment": world.by_chance,
            "writes of a run": world.writes,
            "writes killed at": len(world.killed_at),
            "breaches": world.breaches,
        }


if __name__ == "__main__":
    logging.disable()
    print(json.dumps(series(int(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else 1), indent=2))  # noqa: T201 - for whoever started it
