"""Extract beside a bare loop over the same client, and days side by side beside one after another."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any, NamedTuple

import zstandard

from benchmarks.serving import MONTH
from benchmarks.table import Table, Target
from etl_callables.extraction import extract
from etl_callables.http import Client, address
from etl_callables.run import Run
from etl_callables.sources import Request, bluesky_api, bluesky_feeds, hackernews_algolia, mastodon_api
from etl_callables.sources.bluesky_session import Session
from schemas.job import Job
from schemas.schedule import Schedule
from tests.servers.bluesky_network import network, post
from tests.servers.databases import Absent

POSTS = 10_000
DAYS = 30
LATENCY = 0.05
ROUNDS = 5
WORDS = ("covid", "vaccine", "people", "the", "mask", "long", "😀")


def measure(_: int) -> list[Table]:
    """The number of jobs plays no part."""
    return [_overhead(), _real(), _side_by_side()]


Keeping = Callable[[int, bytes], None]
"""What is done with a page of that number."""

Pages = Iterator[tuple[bytes, int]]
"""Answers as they come, and how many posts each has."""


def _overhead() -> Table:
    compared: list[_Compared] = []
    for latency, goal, rounds in ((0.0, 1.10, ROUNDS), (LATENCY, 1.02, 1)):
        with _serving("mastodon", POSTS, latency) as url:
            pages = partial(_timeline, url)
            ours = partial(_extracted, url, "mastodon", mastodon_api)
            wait = f"{latency * 1000:.0f} ms a page"
            compared.append(_compared(wait, pages, ours, goal, rounds, warm=not latency))
    return _table(f"{POSTS:,} posts in pages of 40, one after the other, of a stand-in", "latency", compared)


def _real() -> Table:
    """At the speed of a real service, which takes its time for each page even where the way is short."""
    title = f"{POSTS:,} posts of an account in pages of 100, one after the other, of the real Bluesky network"
    try:
        with _account() as (url, name):
            options = {"account": name}
            pages = partial(_feed, url, options)
            ours = partial(_extracted, url, "bluesky", bluesky_api, options=options)
            compared = [_compared("its own pace", pages, ours, 1.10, ROUNDS, warm=True)]
    except Absent as why:
        return Table(f"extract: {title}", ("pace",), [], [], (f"Not measured: {why}",))
    return _table(title, "pace", compared)


class _Compared(NamedTuple):
    """Seconds of a loop that keeps nothing, of one that keeps the pages, and of extract."""

    what: str
    bare: float
    keeping: float
    ours: float
    goal: float


def _compared(
    what: str, pages: Callable[[], Pages], ours: Callable[[], int], goal: float, rounds: int, *, warm: bool
) -> _Compared:
    ways: dict[str, Callable[[], int]] = {
        "thrown away": partial(_loop, pages, _forgotten),
        "kept": partial(_loop, pages, _kept),
        "extract": ours,
    }
    if warm:
        for way in ways.values():
            way()
    seconds = _taking_turns(ways, rounds, POSTS)
    bare, keeping, own = (median(seconds[way]) for way in ways)
    return _Compared(what, bare, keeping, own, goal)


def _table(title: str, first: str, compared: Sequence[_Compared]) -> Table:
    return Table(
        f"extract: {title}",
        (first, "bare loop s", "keeping loop s", "extract s", "posts/s", "of bare", "of keeping"),
        [
            (one.what, *one[1:4], POSTS / one.ours, one.ours / one.bare, one.ours / one.keeping)
            for one in compared
        ],
        [
            Target(f"extract at {one.what}, beside what keeps {kept}", one.ours / other, one.goal, " x")
            for one in compared
            for kept, other in (("nothing", one.bare), ("the pages", one.keeping))
        ],
        (
            "The bare loop asks with the same client and throws the answers away. The keeping loop packs",
            "each into a file that is on the disk before it asks for the next, so that it can go on there.",
        ),
    )


def _side_by_side() -> Table:
    days = 40 * DAYS
    with _serving("hackernews", days, LATENCY) as url:
        one = SimpleNamespace(**{**vars(hackernews_algolia), "PARALLEL": 1})
        ways = {
            "one after another": partial(_extracted, url, "hackernews", one, limit=days, per="day"),
            "side by side": partial(_extracted, url, "hackernews", hackernews_algolia, limit=days, per="day"),
        }
        seconds = _taking_turns(ways, 3, days)
    slow, fast = (median(seconds[way]) for way in ways)
    return Table(
        f"extract: {DAYS} days, a page each, {LATENCY * 1000:.0f} ms a page",
        ("way", "seconds"),
        [("one after another", slow), ("side by side", fast), ("times faster", slow / fast)],
        [Target("side by side", slow / fast, 6.0, " x", at_least=True)],
    )


def _taking_turns(ways: Mapping[str, Callable[[], int]], rounds: int, posts: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            begun = time.perf_counter()
            found = way()
            seconds[name].append(time.perf_counter() - begun)
            assert found == posts, (name, found)
    return seconds


@contextmanager
def _serving(kind: str, posts: int, latency: float) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.serving", kind, str(posts), str(latency)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield server.stdout.readline().strip()
        finally:
            server.communicate()


@contextmanager
def _account() -> Iterator[tuple[str, str]]:
    """Bluesky's network with an account that has posted, as an address and a name; Absent where it is not."""
    chance = random.Random(1)
    with network() as running:
        person = running.join("ada", display="Ada")
        step = (MONTH.end - MONTH.start) / POSTS
        person.write(
            [
                post(" ".join(chance.choices(WORDS, k=24)), MONTH.start + step * number, langs=["en"])
                for number in range(POSTS)
            ]
        )
        running.settle()
        yield running.appview, person.handle


def _loop(pages: Callable[[], Pages], keep: Keeping) -> int:
    """Every page asked for, and given to `keep` with its number; how many posts they have."""
    found = 0
    for number, (body, posts) in enumerate(pages()):
        keep(number, body)
        found += posts
    return found


def _timeline(url: str) -> Pages:
    """By the identifier of the last post."""
    request = _request(url)
    with Client.of("bare", "", request, Run(log=QUIET)) as client:
        before = mastodon_api._first(client, request).before  # noqa: SLF001 - the same first question
        while True:
            answer = client.get_json("/api/v1/timelines/tag/covid", {"limit": 40, "max_id": before})
            if not answer.value:
                return
            yield answer.body, len(answer.value)
            before = answer.value[-1]["id"]


def _feed(url: str, options: Mapping[str, str]) -> Pages:
    """By the cursor that comes with each page."""
    asked = {"actor": options["account"], "filter": "posts_with_replies", "limit": bluesky_feeds.SIZE}
    with Session(_request(url), Run(log=QUIET)) as session:
        while True:
            answer = session.get("app.bsky.feed.getAuthorFeed", asked)
            yield answer.body, len(answer.value["feed"])
            if not answer.value.get("cursor"):
                return
            asked["cursor"] = answer.value["cursor"]


def _forgotten(_: int, __: bytes) -> None:
    """Nothing."""


def _kept(number: int, body: bytes) -> None:
    """Whole under its name or not there, even after the power went."""
    path = Path(FOLDER.name, f"{number:05d}.json.zst")
    part = path.with_suffix(".part")
    with part.open("wb") as out:
        out.write(zstandard.compress(body, 3))
        out.flush()
        os.fsync(out.fileno())
    part.replace(path)
    folder = os.open(FOLDER.name, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


FOLDER = tempfile.TemporaryDirectory(prefix="trawl-extract-")
QUIET = logging.getLogger("benchmarks.extract")
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False


def _request(url: str) -> Request:
    return Request(None, MONTH, credentials={"host": address({"host": url}, "")})


def _extracted(url: str, source: str, module: Any, **changes: Any) -> int:
    """A whole extract into a folder of its own, which goes with the others at the end; pages kept to disk."""
    folder = tempfile.mkdtemp(dir=FOLDER.name)
    values: dict[str, Any] = {
        "id": "bench",
        "file": "bench.yaml",
        "folder": folder,
        "root": folder,
        "digest": "",
        "text": "",
        "source": source,
        "via": "api",
        "bucket": str(Path(folder, "bucket")),
        "key": "a.csv",
        "format": "csv",
        "compression": None,
        "columns": (),
        "schedule": Schedule("0 0 1 * *"),
        "query": "covid" if source == "hackernews" else None,
        "options": {} if source == "hackernews" else {"server": "m.example", "hashtag": "covid"},
        "source_connection": "bench",
        **changes,
    }
    run = Run(connection=lambda _: {"host": url}, log=QUIET)
    return int(extract(Job(**values), MONTH, run, source=module)["posts"])
