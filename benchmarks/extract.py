"""Extract beside a bare loop over the same client, and days side by side beside one after another."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import zstandard

from benchmarks.serving import MONTH
from benchmarks.table import Table, Target
from etl_callables.extraction import extract
from etl_callables.http import Client, address
from etl_callables.run import Run
from etl_callables.sources import Request, hackernews_algolia, mastodon_api
from schemas.job import Job
from schemas.schedule import Schedule

POSTS = 10_000
DAYS = 30
LATENCY = 0.05
ROUNDS = 5


def measure(_: int) -> list[Table]:
    """The number of jobs plays no part."""
    return [_overhead(), _side_by_side()]


def _overhead() -> Table:
    rows, targets = [], []
    for latency, goal, rounds in ((0.0, 1.10, ROUNDS), (LATENCY, 1.02, 1)):
        with _serving("mastodon", POSTS, latency) as url:
            ways: dict[str, Callable[[], int]] = {
                "thrown away": partial(_bare, url, _forgotten),
                "kept": partial(_bare, url, _kept),
                "extract": partial(_extracted, url, "mastodon", mastodon_api),
            }
            if not latency:
                for way in ways.values():
                    way()  # warm
            seconds = _taking_turns(ways, rounds, POSTS)
        bare, keeping, ours = (median(seconds[way]) for way in ways)
        wait = f"{latency * 1000:.0f} ms a page"
        rows.append((wait, bare, keeping, ours, POSTS / ours, ours / bare, ours / keeping))
        targets += [
            Target(f"extract at {wait}, beside what keeps nothing", ours / bare, goal, " x"),
            Target(f"extract at {wait}, beside what keeps the pages", ours / keeping, goal, " x"),
        ]
    return Table(
        f"extract: {POSTS:,} posts in pages of 40, one after the other",
        ("latency", "bare loop s", "keeping loop s", "extract s", "posts/s", "of bare", "of keeping"),
        rows,
        targets,
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


def _bare(url: str, keep: Callable[[int, bytes], None]) -> int:
    """Every page asked for, by the identifier of the last post, and given to `keep` with its number."""
    request = _request(url)
    found = number = 0
    with Client.of("bare", "", request, Run(log=QUIET)) as client:
        before = mastodon_api._first(client, request).before  # noqa: SLF001 - the same first question
        while True:
            answer = client.get_json("/api/v1/timelines/tag/covid", {"limit": 40, "max_id": before})
            if not answer.value:
                return found
            keep(number, answer.body)
            found, number, before = found + len(answer.value), number + 1, answer.value[-1]["id"]


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
