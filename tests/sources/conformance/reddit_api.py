"""Reddit under test, on what is new in a subreddit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.servers.hollow import Hollow
from tests.servers.made import Made
from tests.servers.reddit import link, number_of, server
from tests.servers.standin import StandIn
from tests.sources.conformance.case import PAGE, Case, Served, Setting

DEPTH = 1000


@contextmanager
def serve(posts: Sequence[Made], setting: Setting) -> Iterator[Served]:
    def item(post: Made) -> Any:
        return {"kind": "t3", "data": {"id": 7}} if setting.odd and post is posts[0] else link(post)

    page = 100 if setting.deep else PAGE
    answer = server(posts, page=page, depth=DEPTH, overlap=setting.overlap, loop=setting.loop, item=item)
    with StandIn(
        Hollow(answer, "after", "data.after", "data.children") if setting.hollow else answer
    ) as service:
        credentials = {
            "host": service.url,
            "login": "an app",
            "password": "a secret",
            "extra": {"timeout": 0.3},
        }
        yield Served(service, credentials, pages=lambda asked: asked.path.endswith("/new"))


CASE = Case(
    source="reddit",
    via="api",
    platform="reddit",
    serve=serve,
    number=number_of,
    query=None,
    options={"subreddit": "opendata"},
    depth=DEPTH,
    covered=False,
    prelude=1,
    hollows=True,
    absent=frozenset({"author_name", "lang", "reposts", "bookmarks", "views", "source_label"})
    | {"conversation_id", "in_reply_to", "quoted", "reposted", "hashtags", "mentions"},
)
