"""Twitter's search under test: the real snscrape over TLS on loopback."""

from __future__ import annotations

import re
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


class _Windowed(Search):
    """A search that gives what was asked for: the posts of the question's own times."""

    posts: Sequence[Made]
    setting: Setting

    def answer(self, at: str | None, query: str) -> Answer:
        since, until = (int(re.findall(rf"{name}_time:([0-9]+)", query)[0]) for name in ("since", "until"))
        found = [post for post in self.posts if since <= post.seconds < until]
        self.pages = answers(found, self.setting)
        return super().answer(at, query)


def answers(posts: Sequence[Made], setting: Setting) -> dict[str | None, list[Answer]]:
    """The pages of a search by cursor, the last of them empty."""
    found: dict[str | None, list[Answer]] = {}
    cursor: str | None = None
    for number, at in enumerate(range(0, max(len(posts), 1), PAGE)):
        entries = [
            entry_2026(post.number, post.created, post.text)
            for post in posts[max(0, at - setting.overlap) : at + PAGE]
        ]
        if setting.odd and at == 0:
            entries[0] = odd(entries[0])
        last = at + PAGE >= len(posts)
        following = f"after{number}" if not last or not setting.loop else "after0"
        found[cursor] = [search_page(entries, following)]
        cursor = f"after{number}"
    found.setdefault(cursor, [search_page([], cursor)])
    return found


@contextmanager
def serve(posts: Sequence[Made], setting: Setting) -> Iterator[Served]:
    authority = setting.authority
    search = _Windowed(authority.serve(*HOSTS), str(authority.file), {})
    search.posts, search.setting = posts, setting
    with search:
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
