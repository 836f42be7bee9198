"""Weibo under test: the real snscrape over TLS on loopback."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

from etl_callables.run import Run
from etl_callables.sources import Page, Request, Source, weibo_snscrape
from tests.servers.made import Made
from tests.servers.standin import StandIn
from tests.servers.weibo import HOST, NUMBER, mblog, user
from tests.sources.conformance.case import PAGE, Case, Served, Setting


def pages(request: Request, cursor: str | None, run: Run) -> Iterator[Page]:
    return weibo_snscrape.read(request, cursor, run, timeout=0.3)


QUICK = cast("Source", SimpleNamespace(**{**vars(weibo_snscrape), "pages": pages}))


@contextmanager
def serve(posts: Sequence[Made], setting: Setting) -> Iterator[Served]:
    def item(post: Made) -> dict[str, Any]:
        return mblog(post, **({"user": "somebody"} if setting.odd and post is posts[0] else {}))

    authority = setting.authority
    answer = user(posts, size=PAGE, overlap=setting.overlap, loop=setting.loop, item=item)
    with StandIn(answer, context=authority.serve(HOST), trust=str(authority.file)) as service:
        yield Served(service, environment=service.environment)


CASE = Case(
    source="weibo",
    via="snscrape",
    platform="weibo",
    serve=serve,
    module=QUICK,
    query=None,
    options={"user": NUMBER},
    refusal="`options.user`",
    absent=frozenset({"author_name", "lang", "quotes", "bookmarks", "views", "conversation_id"})
    | {"in_reply_to", "quoted"},
)
