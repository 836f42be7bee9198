"""Bluesky under test, on a search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from etl_callables.sources import bluesky_api, bluesky_search
from tests.servers.bluesky_stand_in import server, view
from tests.servers.hollow import Hollow
from tests.servers.made import Made
from tests.servers.standin import StandIn
from tests.sources.conformance.case import PAGE, Case, Served, Setting

DEPTH = 500


@contextmanager
def serve(posts: Sequence[Made], setting: Setting) -> Iterator[Served]:
    def item(post: Made) -> Any:
        return {"uri": 7} if setting.odd and post is posts[0] else view(post)

    answer = server(
        posts,
        page=bluesky_search.SIZE if setting.deep else PAGE,
        depth=DEPTH,
        overlap=setting.overlap,
        loop=setting.loop,
        item=item,
    )
    with StandIn(Hollow(answer, "cursor", "cursor", "posts") if setting.hollow else answer) as service:
        credentials = {
            "host": service.url,
            "login": "ada.test",
            "password": "abcd-efgh-ijkl-mnop",
            "extra": {"timeout": 0.3},
        }
        yield Served(service, credentials, pages=lambda asked: asked.path.endswith("searchPosts"))


CASE = Case(
    source="bluesky",
    via="api",
    platform="bluesky",
    serve=serve,
    depth=DEPTH,
    ahead=3 + 2 * bluesky_api.UNKEPT,
    prelude=1,
    hollows=True,
    absent=frozenset({"views", "source_label", "conversation_id", "in_reply_to", "quoted", "reposted"}),
)
