"""Twitter's search under test: the real snscrape over TLS on loopback."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

from etl_callables.run import Run
from etl_callables.sources import Page, Request, Source, twitter_snscrape
from tests.servers.made import Made
from tests.servers.tweets import entry_2026
from tests.servers.x_search import HOSTS, Answer, Search, search_page
from tests.sources.conformance.case import PAGE, Case, Served, Setting


def pages(request: Request, cursor: str | None, run: Run) -> Iterator[Page]:
    return twitter_snscrape.search(request, cursor, run, timeout=0.3)


QUICK = cast("Source", SimpleNamespace(**{**vars(twitter_snscrape), "pages": pages}))


@contextmanager
def serve(posts: Sequence[Made], setting: Setting) -> Iterator[Served]:
    start, end = setting.window.start, setting.window.end
    inside = [post for post in posts if start <= post.created < end]
    found: dict[str | None, list[Answer]] = {}
    cursor: str | None = None
    for number, at in enumerate(range(0, max(len(inside), 1), PAGE)):
        entries = [
            entry_2026(post.number, post.created, post.text)
            for post in inside[max(0, at - setting.overlap) : at + PAGE]
        ]
        if setting.odd and at == 0:
            entries[0] = odd(entries[0])
        last = at + PAGE >= len(inside)
        following = f"after{number}" if not last or not setting.loop else "after0"
        found[cursor] = [search_page(entries, following)]
        cursor = f"after{number}"
    found.setdefault(cursor, [search_page([], cursor)])
    authority = setting.authority
    with Search(authority.serve(*HOSTS), str(authority.file), found) as search:
        yield Served(search, environment=search.environment)


def odd(entry: dict[str, Any]) -> dict[str, Any]:
    item = {"itemType": "TimelineTweet", "tweet_results": {"result": {"__typename": "Hologram"}}}
    return {**entry, "content": {**entry["content"], "itemContent": item}}


CASE = Case(
    source="twitter",
    via="snscrape",
    platform="twitter",
    serve=serve,
    module=QUICK,
    refusal="2023",
    not_found="2023",
    absent=frozenset(["bookmarks", "in_reply_to", "quoted", "reposted"]),
)
