"""A process that is killed while X answers: the next one pays for what is left, and for nothing twice."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from etl_callables import raw
from etl_callables.spending import payments, spent
from etl_callables.store import store_at
from tests.servers.standin import Answer
from tests.servers.x_api import XApi
from tests.servers.x_api_posts import AUTHORS, made_up
from tests.sources.x_extracting import DAY, NOW

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
POSTS = 350
PRICE = Decimal("0.010") + POSTS * Decimal("0.005")


@pytest.fixture
def x() -> Iterator[XApi]:
    posts = [replace(post, author=AUTHORS[0]) for post in made_up(POSTS, DAY.end - timedelta(minutes=1))]
    with XApi(posts, now=lambda: NOW) as server:
        yield server


def start(x: XApi, bucket: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.sources.x_extracting", x.url, str(bucket), x.token]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("pages", range(5))
def test_killed_while_a_page_is_on_its_way_only_that_page_is_asked_for_again(
    x: XApi, tmp_path: Path, pages: int
) -> None:
    """The first page is the one about the user."""
    x.instead[pages] = Answer(b'{"data": []}', fault="stall")
    victim = start(x, tmp_path)
    while len(x.asked) <= pages:
        assert victim.poll() is None, victim.communicate()
        time.sleep(0.005)
    victim.kill()
    victim.communicate()
    store = store_at(str(tmp_path))
    recorded, found = payments(store, "team.posts", NOW)
    assert recorded == []
    assert spent(found) == float(x.bill)
    out, log = start(x, tmp_path).communicate()
    done = raw.read_done(store, json.loads(out)["raw"]) if out else pytest.fail(log)
    assert (done.posts, done.complete, done.requests) == (POSTS, True, 5 - pages)
    assert x.bill == PRICE
    assert done.cost is not None
    assert done.cost.usd == float(PRICE)
    recorded, found = payments(store, "team.posts", NOW)
    assert (spent(recorded), found) == (float(PRICE), [])
