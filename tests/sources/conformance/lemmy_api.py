"""Lemmy under test, on a community's posts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from etl_callables.sources import lemmy_api
from tests.servers.hollow import Hollow
from tests.servers.lemmy import SERVER, post_view, server
from tests.servers.made import Made
from tests.servers.standin import StandIn
from tests.sources.conformance.case import PAGE, Case, Served, Setting


@contextmanager
def serve(posts: Sequence[Made], setting: Setting) -> Iterator[Served]:
    def item(post: Made) -> Any:
        return {"post": 7} if setting.odd and post is posts[0] else post_view(post)

    answer = server(posts, community="", page=PAGE, overlap=setting.overlap, loop=setting.loop, item=item)
    with StandIn(
        Hollow(answer, "page_cursor", "next_page", "posts") if setting.hollow else answer
    ) as service:
        yield Served(service, {"host": service.url, "extra": {"timeout": 0.3}})


CASE = Case(
    source="lemmy",
    via="api",
    platform="lemmy",
    serve=serve,
    query=None,
    hollows=True,
    ahead=2 * lemmy_api.UNKEPT,
    options={"server": SERVER, "community": "health"},
    absent=frozenset({"lang", "reposts", "quotes", "bookmarks", "views", "source_label", "in_reply_to"})
    | {"quoted", "reposted", "hashtags", "mentions", "media"},
)
