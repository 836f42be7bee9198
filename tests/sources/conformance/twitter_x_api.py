"""X under test, through its API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from tests.servers.made import Made
from tests.servers.x_api import XApi
from tests.servers.x_api_posts import AUTHORS, Post
from tests.sources.conformance.case import PAGE, Case, Served, Setting


@contextmanager
def serve(posts: Sequence[Made], setting: Setting) -> Iterator[Served]:
    made = [
        Post(str(post.number), AUTHORS[0], post.created, f"{post.text} #sample", photos=1) for post in posts
    ]
    with XApi(made, now=lambda: setting.window.end + timedelta(hours=1)) as x:
        x.at_most, x.overlap, x.loop, x.odd = PAGE, setting.overlap, setting.loop, setting.odd
        credentials = {"host": x.url, "password": x.token, "extra": {"timeout": 0.3}}
        yield Served(x, credentials, bill=lambda: float(x.bill))


CASE = Case(
    source="twitter",
    via="x-api",
    platform="twitter",
    serve=serve,
    options={"expand": ["author", "media"]},
    absent=frozenset({"source_label", "in_reply_to", "quoted", "reposted"}),
)
