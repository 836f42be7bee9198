"""YouTube under test, on a search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.servers.hollow import Hollow
from tests.servers.made import Made
from tests.servers.standin import StandIn
from tests.servers.youtube import KEY, server, video
from tests.sources.conformance.case import PAGE, Case, Served, Setting

DEPTH = 500


@contextmanager
def serve(posts: Sequence[Made], setting: Setting) -> Iterator[Served]:
    def item(post: Made) -> Any:
        return {"id": 7} if setting.odd and post is posts[0] else video(post)

    page = 50 if setting.deep else PAGE
    answer = server(posts, page=page, depth=DEPTH, overlap=setting.overlap, loop=setting.loop, item=item)
    with StandIn(
        Hollow(answer, "pageToken", "nextPageToken", "items") if setting.hollow else answer
    ) as service:
        credentials = {"host": service.url, "password": KEY, "extra": {"timeout": 0.3}}
        yield Served(service, credentials, pages=lambda asked: asked.path.endswith("/search"))


CASE = Case(
    source="youtube",
    via="api",
    platform="youtube",
    serve=serve,
    depth=DEPTH,
    hollows=True,
    ahead=4,  # what a page found is asked for with another question
    absent=frozenset({"author", "reposts", "quotes", "bookmarks", "source_label", "conversation_id"})
    | {"in_reply_to", "quoted", "reposted", "mentions", "urls"},
)
