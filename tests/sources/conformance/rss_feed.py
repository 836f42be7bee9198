"""Feeds under test: one post after the other in as many feeds as would be pages elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.servers.feeds import atom
from tests.servers.made import Made
from tests.servers.standin import Answer, Asked, StandIn
from tests.sources.conformance.case import PAGE, Case, Served, Setting


@contextmanager
def serve(posts: Sequence[Made], setting: Setting) -> Iterator[Served]:
    feeds = [posts[max(0, at - setting.overlap) : at + PAGE] for at in range(0, max(len(posts), 1), PAGE)]

    def answer(asked: Asked) -> Answer:
        number = int(asked.path.strip("/"))
        body = atom(feeds[number])
        if setting.odd and number == 0:
            body = body.replace(b"<id>tag:", b"<nothing>", 1).replace(b"<link href=", b"<link nothing=", 1)
        return Answer(body, kind="application/atom+xml", headers={"ETag": f'"{hash(body)}"'})

    with StandIn(answer) as service:
        yield Served(
            service,
            {"login": "ada", "password": "secret", "extra": {"timeout": 0.3}},
            options={"feeds": [f"{service.url}/{number}" for number in range(len(feeds))]},
        )


CASE = Case(
    source="rss",
    via="feed",
    platform="rss",
    serve=serve,
    query="covid",
    incremental=True,
    apart=True,
    loops=False,
    absent=frozenset({"author_name", "author_id", "likes", "reposts", "replies", "quotes", "bookmarks"})
    | {"views", "source_label", "conversation_id", "in_reply_to", "quoted", "reposted", "mentions"},
)
