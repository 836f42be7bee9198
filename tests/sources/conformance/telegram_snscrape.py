"""Telegram under test: the real snscrape over TLS on loopback."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import cast

from etl_callables.run import Run
from etl_callables.sources import Page, Request, Source, telegram_snscrape
from tests.servers.made import Made
from tests.servers.standin import StandIn
from tests.servers.telegram import HOST, channel, message
from tests.sources.conformance.case import PAGE, Case, Served, Setting


def pages(request: Request, cursor: str | None, run: Run) -> Iterator[Page]:
    return telegram_snscrape.read(request, cursor, run, timeout=0.3)


QUICK = cast("Source", SimpleNamespace(**{**vars(telegram_snscrape), "pages": pages}))


@contextmanager
def serve(posts: Sequence[Made], setting: Setting) -> Iterator[Served]:
    def item(post: Made) -> str:
        made = message(post)
        return made.replace("<time ", "<nothing ") if setting.odd and post is posts[0] else made

    authority = setting.authority
    answer = channel(posts, name="", size=PAGE, overlap=setting.overlap, loop=setting.loop, item=item)
    with StandIn(answer, context=authority.serve(HOST), trust=str(authority.file)) as service:
        yield Served(service, environment=service.environment)


CASE = Case(
    source="telegram",
    via="snscrape",
    platform="telegram",
    serve=serve,
    module=QUICK,
    query=None,
    options={"channel": "sample_news"},
    refusal="`options.channel`",
    beside=frozenset({"malformed JSON"}),
    absent=frozenset({"author_id", "lang", "likes", "reposts", "replies", "quotes", "bookmarks"})
    | {"source_label", "conversation_id", "quoted", "reposted", "mentions"},
)
