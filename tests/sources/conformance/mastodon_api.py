"""Mastodon under test, on a hashtag's timeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from etl_callables.sources import mastodon_api
from tests.servers.made import Made
from tests.servers.mastodon import number_of, server, status
from tests.servers.standin import StandIn
from tests.sources.conformance.case import PAGE, Case, Served, Setting


@contextmanager
def serve(posts: Sequence[Made], setting: Setting) -> Iterator[Served]:
    def item(post: Made) -> Any:
        return {"id": 7} if setting.odd and post is posts[0] else status(post)

    answer = server(posts, page=PAGE, overlap=setting.overlap, loop=setting.loop, item=item)
    with StandIn(answer) as service:
        credentials = {"host": service.url, "password": "token", "extra": {"timeout": 0.3}}
        yield Served(service, credentials, pages=lambda asked: "/timelines/" in asked.path)


CASE = Case(
    source="mastodon",
    via="api",
    platform="mastodon",
    serve=serve,
    number=number_of,
    query=None,
    prelude=1,
    ahead=2 * mastodon_api.UNKEPT,
    options={"server": "mastodon.example", "hashtag": "covid"},
    absent=frozenset({"bookmarks", "views", "conversation_id", "in_reply_to", "quoted", "reposted"}),
)
