"""Bluesky through its own API: a search, an account's posts, or what a feed generator gives.

It is asked with httpx: `atproto`, the client that people use, gives models and not the answer as it
came, which is what Trawl keeps; and it takes longer to import than a page takes to come.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from etl_callables.errors import Stop
from etl_callables.http import version
from etl_callables.run import Run
from etl_callables.sources import Page, Request, bluesky_feeds
from etl_callables.sources.bluesky_items import PLATFORM, posts
from etl_callables.sources.bluesky_search import THREADS, search
from etl_callables.sources.bluesky_session import Session

REPEATS: Final = True
PARALLEL: Final = THREADS
UNKEPT: Final = 4

__all__ = ["PARALLEL", "PLATFORM", "REPEATS", "UNKEPT", "pages", "posts", "version"]


def pages(request: Request, cursor: str | None, run: Run) -> Iterator[Page]:
    """Pages of up to 100 posts, newest first but for a feed, which has an order of its own."""
    with Session(request, run) as session:
        if request.options.get("account"):
            yield from bluesky_feeds.account(session, request, cursor)
        elif request.options.get("feed"):
            yield from bluesky_feeds.feed(session, request, cursor)
        elif not request.query:
            raise Stop("Bluesky needs a `query`, or an `account` or a `feed` in `options`.")
        elif not session.is_account:
            raise Stop(
                "Bluesky lets only accounts search: name a connection with a handle as login and an app"
                " password in the job's `source_connection`."
            )
        else:
            yield from search(session, request, cursor)
