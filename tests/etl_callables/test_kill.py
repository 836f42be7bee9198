"""An extract that is killed, and one that has company, ends as one that was left alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from etl_callables import raw
from etl_callables.sources import twitter_snscrape
from etl_callables.store import store_at

pytestmark = pytest.mark.slow

PAGES, SIZE = 5, 20
EVERYTHING = 1000
ROOT = Path(__file__).parents[2]


def until(condition: Callable[[], bool], *needed: subprocess.Popen[Any]) -> None:
    """Wait for something that other processes do, for as long as all of them live."""
    while not condition():
        for process in needed:
            assert process.poll() is None, f"process {process.args} ended early"
        time.sleep(0.005)


class World:
    """A search that answers as often as it is allowed to, and extracts that ask it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked_file, self.allowed = folder / "asked", folder / "allowed"
        self.asked_file.touch()
        self.allowed.touch()
        command = [sys.executable, "-m", "tests.servers.search_process", str(folder), str(PAGES), str(SIZE)]
        self.server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE)
        until((folder / "environment.json").exists, self.server)
        self.environment = {**os.environ, **json.loads((folder / "environment.json").read_text())}

    def close(self) -> None:
        self.allow(EVERYTHING)
        self.server.communicate()

    def asked(self) -> list[str]:
        return self.asked_file.read_text().split()

    def allow(self, answers: int) -> None:
        self.allowed.write_bytes(b"." * answers)

    def start(self, bucket: str, limit: int = 0, run: str = "cli") -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-m",
            "tests.etl_callables.extracting",
            str(self.folder / bucket),
            str(limit),
            run,
        ]
        return subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def finish(self, process: subprocess.Popen[str], bucket: str) -> tuple[raw.Done, list[str]]:
        """How an extract ended, and the identifiers of all posts in its pages, in order."""
        out, log = process.communicate()
        assert process.returncode == 0, log
        result: dict[str, Any] = json.loads(out)
        store = store_at(str(self.folder / bucket))
        done = raw.read_done(store, result["raw"])
        assert (len(done.pages), done.posts) == (result["pages"], result["posts"])
        return done, [
            item[1]
            for page in raw.read_pages(store, done.pages)
            for body in page.bodies
            for item in twitter_snscrape.posts(body, page.envelope.fetched_at)
        ]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    try:
        yield world
    finally:
        world.close()


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()
    assert process.returncode == -9


ALL = [str(1_000_000 - number) for number in range(PAGES * SIZE)]


@pytest.mark.parametrize("answered", [0, 1, 3, PAGES])
def test_killed_while_a_page_is_on_its_way_only_that_page_is_asked_for_again(
    world: World, answered: int
) -> None:
    world.allow(answered)
    victim = world.start("bucket")
    until(lambda: len(world.asked()) == answered + 1, victim)
    kill(victim)
    world.allow(EVERYTHING)
    done, posts = world.finish(world.start("bucket"), "bucket")
    assert posts == ALL
    assert (done.posts, done.complete, done.requests) == (len(ALL), True, PAGES + 1 - answered)
    last = "first" if answered == 0 else str(answered)
    assert Counter(world.asked()) == Counter(["first", *map(str, range(1, PAGES + 1)), last])


@pytest.mark.parametrize("page", [0, 2])
def test_killed_as_soon_as_a_page_is_kept_that_page_is_not_asked_for_again(world: World, page: int) -> None:
    world.allow(EVERYTHING)
    victim = world.start("bucket")
    until(lambda: any((world.folder / "bucket").glob(f"**/raw/*/{page:05d}.jsonl.zst")), victim)
    kill(victim)
    kept = len(list((world.folder / "bucket").glob("**/raw/*/*.jsonl.zst")))
    done, posts = world.finish(world.start("bucket"), "bucket")
    assert posts == ALL
    assert done.complete
    # A question that was on its way at the kill may be answered, and told of, after it: it alone comes twice.
    asked = list(dict.fromkeys(world.asked()))
    again = [cursor for cursor, times in Counter(world.asked()).items() if times > 1]
    assert kept > page
    assert again in ([], asked[kept : kept + 1])


def test_killed_twice_it_goes_on_after_what_both_tries_kept(world: World) -> None:
    for answered in (2, 4):
        world.allow(answered)
        victim = world.start("bucket", limit=70)
        until(lambda count=answered: len(world.asked()) == count + 1, victim)
        kill(victim)
    world.allow(EVERYTHING)
    done, posts = world.finish(world.start("bucket", limit=70), "bucket")
    assert (done.posts, done.over_limit, done.complete) == (70, 10, True)
    assert posts == ALL[:80]
    assert max(Counter(world.asked()).values()) == 2


def test_another_run_of_the_window_asks_for_itself(world: World) -> None:
    """Only the retry of one run goes on where it was: a new run is to see what is there now."""
    world.allow(2)
    victim = world.start("bucket", run="monday")
    until(lambda: len(world.asked()) == 3, victim)
    kill(victim)
    world.allow(EVERYTHING)
    done, posts = world.finish(world.start("bucket", run="tuesday"), "bucket")
    assert posts == ALL
    assert done.requests == PAGES + 1


def test_two_extracts_of_one_window_at_once_both_end_well(world: World) -> None:
    first, second = world.start("bucket"), world.start("bucket")
    until(lambda: len(world.asked()) == 2, first, second)
    world.allow(EVERYTHING)
    ends = [world.finish(process, "bucket") for process in (first, second)]
    assert [posts for _, posts in ends] == [ALL, ALL]
    assert len(list((world.folder / "bucket").glob("**/done.json"))) == 2
