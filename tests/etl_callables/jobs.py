"""Jobs, posts and raw pages that the tests of this folder share; all made up."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from etl_callables import raw
from etl_callables.post import FIELDS
from etl_callables.run import Run, prefix
from etl_callables.store import Store, open_store
from schemas.job import Column, Job
from schemas.schedule import Schedule
from schemas.window import Window

WINDOW = Window(datetime(2021, 7, 5, tzinfo=UTC), datetime(2021, 7, 6, tzinfo=UTC))
NOON = datetime(2021, 7, 5, 12, tzinfo=UTC)
NEXT_DAY = datetime(2021, 7, 6, 1, tzinfo=UTC)

JOB = Job(
    id="team.posts",
    file="pipelines/team/posts.yaml",
    folder="/nowhere",
    root="/nowhere",
    digest="0" * 64,
    text="source: archive\n",
    source="archive",
    via="files",
    bucket="memory://nowhere",
    key="posts/{date}.csv",
    format="csv",
    compression=None,
    columns=tuple(Column(name, name) for name in FIELDS),
    schedule=Schedule("0 0 * * *"),
)


def job(bucket: object, **changes: Any) -> Job:
    """A job that writes to `bucket`."""
    return replace(JOB, bucket=str(bucket), **changes)


def a_run(**changes: Any) -> Run:
    """A run whose clock stands still."""
    values: dict[str, Any] = {"now": lambda: NEXT_DAY, "log": logging.getLogger("trawl.test"), **changes}
    return Run(**values)


def ticking(start: datetime = NEXT_DAY) -> Callable[[], datetime]:
    """A clock that is a second later each time that somebody looks."""
    seconds = itertools.count(1)
    return lambda: start + timedelta(seconds=next(seconds))


def tweet(number: int, created: datetime = NOON, **changes: Any) -> bytes:
    """A tweet as snscrape writes it, later ones with higher numbers."""
    value = {
        "_type": "snscrape.modules.twitter.Tweet",
        "id": number,
        "url": f"https://twitter.com/someone/status/{number}",
        "date": created.isoformat(),
        "rawContent": f"made up text {number}",
        "user": {"username": "someone", "id": 1, "displayname": "Some One"},
        "likeCount": number % 7,
        "retweetCount": 0,
        "replyCount": 0,
        "quoteCount": 0,
        "conversationId": number,
        "lang": "en",
        "sourceLabel": "Twitter Web App",
        "hashtags": ["covid"],
        "links": None,
        "media": None,
        "mentionedUsers": None,
    }
    return json.dumps(value | changes).encode()


def tweets(numbers: Iterable[int]) -> list[bytes]:
    """Tweets a second apart from midnight on, by their numbers."""
    return [tweet(number, WINDOW.start + timedelta(seconds=number)) for number in numbers]


def extracted(
    job: Job, run: Run, pages: Sequence[Sequence[bytes]], *, window: Window = WINDOW, **done: Any
) -> dict[str, Any]:
    """What extract returns, with these pages in the bucket."""
    store = open_store(job, run)
    attempt = raw.new_attempt(run.now())
    keys = write_pages(store, prefix(job, window, run), attempt, pages, raw.fingerprint(job, window, run))
    items = sum(map(len, pages))
    values: dict[str, Any] = {
        "pages": tuple(keys),
        "items": items,
        "posts": items,
        "duplicates": 0,
        "outside_window": 0,
        "over_limit": 0,
        "skipped": {},
        "first_post": None,
        "last_post": None,
        "truncated": None,
        "complete": True,
        "requests": len(pages),
        "source": "archive",
        "via": "files",
        "provider": "trawl test",
        "fingerprint": raw.fingerprint(job, window, run),
        "started": run.now(),
        "finished": run.now(),
        **done,
    }
    key = raw.write_done(store, prefix(job, window, run), attempt, raw.Done(**values))
    return {"raw": key, "pages": len(pages), "posts": items}


def write_pages(
    store: Store,
    folder: str,
    attempt: str,
    pages: Sequence[Sequence[bytes]],
    fingerprint: str,
    *,
    adopted: Sequence[str] = (),
) -> list[str]:
    """Write pages that follow those adopted; the keys of all."""
    keys = list(adopted)
    for number, bodies in enumerate(pages, len(adopted)):
        envelope = raw.Envelope(
            source="archive",
            via="files",
            version="trawl test",
            page=number,
            cursor=str(number) if number else None,
            next=str(number + 1),
            previous=keys[-1] if keys else None,
            fetched_at=NEXT_DAY,
            bodies=len(bodies),
            truncated=None,
            fingerprint=fingerprint,
        )
        keys.append(raw.write_page(store, folder, attempt, envelope, bodies))
    return keys
