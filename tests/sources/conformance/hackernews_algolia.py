"""Hacker News under test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from etl_callables.sources import hackernews_algolia
from tests.servers.hackernews import comment, search, story
from tests.servers.made import Made
from tests.servers.standin import StandIn
from tests.sources.conformance.case import PAGE, Case, Served, Setting


@contextmanager
def serve(posts: Sequence[Made], setting: Setting) -> Iterator[Served]:
    def item(post: Made) -> Any:
        if setting.odd and post is posts[0]:
            return {"objectID": 7}
        return story(post) if post.number % 2 else comment(post)

    with StandIn(search(posts, page=PAGE, item=item)) as service:
        yield Served(service, {"host": service.url, "extra": {"timeout": 0.3}})


CASE = Case(
    source="hackernews",
    via="algolia",
    platform="hackernews",
    serve=serve,
    depth=PAGE,
    ahead=hackernews_algolia.THREADS * 3,
    loops=False,
    absent=frozenset({"author_name", "author_id", "lang", "reposts", "quotes", "bookmarks", "views"})
    | {"source_label", "quoted", "reposted", "hashtags", "mentions", "media"},
)
