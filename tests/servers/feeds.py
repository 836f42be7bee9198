"""A site with feeds: RSS, Atom and JSON Feed over the same posts, with ETag and Last-Modified."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from email.utils import format_datetime
from html import escape
from typing import Any

from tests.servers.made import Made, newest_first
from tests.servers.standin import NOT_FOUND, Answer, Asked

SITE = "https://site.example"
MORE = '<p>more &amp; <a href="https://example.org/a">more</a></p>'


def link(post: Made) -> str:
    return f"{SITE}/{post.number}"


def rss(posts: Sequence[Made], odd: str = "") -> bytes:
    items = "".join(
        f"<item><title>{escape(post.text)}</title><link>{link(post)}</link>"
        f'<guid isPermaLink="false">{post.number}</guid>'
        f"<pubDate>{format_datetime(post.created)}</pubDate><dc:creator>{post.author}</dc:creator>"
        "<category>health</category><slash:comments>3</slash:comments>"
        f"<description>{escape(MORE)}</description>"
        f'<enclosure url="{SITE}/a.mp3" type="audio/mpeg" length="1"/></item>'
        for post in newest_first(posts)
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<rss version="2.0"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:slash="http://purl.org/rss/1.0/modules/slash/">'
        f"<channel><title>Made up</title><link>{SITE}</link><description/><language>en</language>"
        f"{odd}{items}</channel></rss>\n"
    ).encode()


def atom(posts: Sequence[Made]) -> bytes:
    entries = "".join(
        f'<entry><title>{escape(post.text)}</title><link href="{link(post)}"/>'
        f"<id>tag:site.example,2026:{post.number}</id><updated>{post.created.isoformat()}</updated>"
        f"<author><name>{post.author}</name></author><category term='health'/>"
        f"<content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'><p>more &amp; "
        f"<a href='https://example.org/a'>more</a></p></div></content>"
        f"<link rel='enclosure' href='{SITE}/a.mp3'/></entry>"
        for post in newest_first(posts)
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en">'
        f"<title>Made up</title><id>{SITE}/</id><updated>2026-07-01T00:00:00Z</updated>{entries}</feed>"
    ).encode()


def json_feed(posts: Sequence[Made]) -> bytes:
    items = [json_item(post) for post in newest_first(posts)]
    return json.dumps(
        {"version": "https://jsonfeed.org/version/1.1", "title": "Made up", "language": "en", "items": items},
        indent=1,
    ).encode()


def json_item(post: Made) -> dict[str, Any]:
    return {
        "id": str(post.number),
        "url": link(post),
        "title": post.text,
        "content_html": MORE,
        "date_published": post.created.isoformat(),
        "authors": [{"name": post.author}],
        "tags": ["health"],
        "attachments": [{"url": f"{SITE}/a.mp3", "mime_type": "audio/mpeg"}],
    }


class Site:
    """The feeds of posts that may change; `validators` off, it knows of no ETag."""

    def __init__(self, posts: Sequence[Made], *, validators: bool = True, odd: str = "") -> None:
        self.posts = list(posts)
        self.validators = validators
        self.odd = odd

    def __call__(self, asked: Asked) -> Answer:
        makers: dict[str, tuple[Callable[[], bytes], str]] = {
            "/rss": (lambda: rss(self.posts, self.odd), "application/rss+xml; charset=utf-8"),
            "/atom": (lambda: atom(self.posts), "application/atom+xml"),
            "/json": (lambda: json_feed(self.posts), "application/feed+json"),
        }
        if asked.path not in makers:
            return NOT_FOUND
        make, kind = makers[asked.path]
        body = make()
        if not self.validators:
            return Answer(body, kind=kind)
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        headers = {"ETag": tag}
        if self.posts:
            headers["Last-Modified"] = format_datetime(newest_first(self.posts)[0].created, usegmt=True)
        if asked.headers.get("if-none-match") == tag:
            return Answer(b"", 304, kind, headers)
        return Answer(body, kind=kind, headers=headers)
