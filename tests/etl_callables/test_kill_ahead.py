"""A killed extract of a source that is fetched ahead: nothing is lost, and little is asked for again."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from etl_callables import raw
from etl_callables.post import Post
from etl_callables.sources import mastodon_api
from etl_callables.store import store_at
from tests.etl_callables.jobs import WINDOW
from tests.servers.made import made
from tests.servers.mastodon import number_of, server
from tests.servers.standin import Asked, Given, StandIn

pytestmark = pytest.mark.slow

POSTS, PAGE = 600, 40
ROOT = Path(__file__).parents[2]


class Gated:
    """A server that answers so many questions for pages, and keeps the next ones waiting."""

    def __init__(self, allowed: int) -> None:
        self.waiting = threading.Event()
        self.open = threading.Event()
        self.answered = 0
        self.pages: list[str | None] = []
        self._allowed = allowed
        self._answer = server(made(POSTS, WINDOW), page=PAGE)

    def __call__(self, asked: Asked) -> Given:
        if "/timelines/" in asked.path:
            self.pages.append(asked.query.get("max_id"))
            if self.answered >= self._allowed and not self.open.is_set():
                self.waiting.set()
                self.open.wait(60)
            self.answered += 1
        return self._answer(asked)


def start(url: str, bucket: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.etl_callables.fetching", url, str(bucket)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("allowed", [0, 1, 5, 12])
def test_killed_with_pages_on_their_way_only_those_are_asked_for_again(tmp_path: Path, allowed: int) -> None:
    gate = Gated(allowed)
    with StandIn(gate) as service:
        victim = start(service.url, tmp_path / "bucket")
        assert gate.waiting.wait(60), victim.communicate()
        victim.kill()
        victim.communicate()
        gate.open.set()
        before = len(gate.pages)
        again = start(service.url, tmp_path / "bucket")
        out, log = again.communicate(timeout=120)
    assert again.returncode == 0, log
    store = store_at(str(tmp_path / "bucket"))
    done = raw.read_done(store, json.loads(out)["raw"])
    numbers = [
        number_of(item.id)
        for page in raw.read_pages(store, done.pages)
        for body in page.bodies
        for item in mastodon_api.posts(body, page.envelope.fetched_at)
        if isinstance(item, Post)
    ]
    assert numbers == list(range(1000 + POSTS - 1, 999, -1))
    assert (done.complete, done.posts) == (True, POSTS)
    twice = [page for page, times in Counter(gate.pages).items() if times > 1]
    assert len(twice) <= 1 + 2 * mastodon_api.UNKEPT
    assert max(Counter(gate.pages).values()) == 2
    assert before == allowed + 1
