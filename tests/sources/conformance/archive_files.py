"""Files of posts under test: there is no service that could misbehave."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.servers.made import Made
from tests.sources.conformance.case import Case, Served, Setting


def tweet(post: Made) -> dict[str, Any]:
    """As snscrape writes one."""
    return {
        "_type": "snscrape.modules.twitter.Tweet",
        "id": post.number,
        "url": f"https://twitter.com/{post.author}/status/{post.number}",
        "date": post.created.isoformat(),
        "rawContent": post.text,
        "user": {"username": post.author, "id": 1, "displayname": "Ada"},
        "likeCount": 3,
        "retweetCount": 0,
        "replyCount": 0,
        "quoteCount": 0,
        "conversationId": post.number,
        "lang": "en",
        "sourceLabel": "Twitter Web App",
        "hashtags": ["covid"],
        "links": None,
        "media": None,
        "mentionedUsers": None,
    }


@contextmanager
def serve(posts: Sequence[Made], setting: Setting) -> Iterator[Served]:
    lines = [json.dumps(tweet(post)) for post in posts]
    if setting.overlap:
        lines += lines[: setting.overlap]
    if setting.odd:
        lines[0] = '{"a": "shape that nobody knows"}'
    file = setting.folder / "posts.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    yield Served(None, options={"files": str(file)})


CASE = Case(
    source="archive",
    via="files",
    platform="twitter",
    serve=serve,
    loops=False,
    absent=frozenset(["bookmarks", "views", "in_reply_to", "quoted", "reposted"]),
)
