"""A Mastodon server: hashtag, account and public timelines, and a search, as Mastodon 4.5 answers.

`own` is false for other software that speaks Mastodon's API, whose identifiers hold no time, and whose
search knows offsets only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from html import escape
from typing import Any
from urllib.parse import urlencode

from tests.servers.made import Made, newest_first
from tests.servers.standin import NOT_FOUND, Answer, Asked, Given, answer_of

SERVER = "mastodon.example"


def name_of(post: Made, *, own: bool = True) -> str:
    """The identifier: of Mastodon, the millisecond and 16 bits more."""
    if own:
        return str((post.seconds * 1000 << 16) + post.number % 65536)
    return f"{post.seconds:016d}{post.number:06d}"


def number_of(name: str) -> int:
    return int(name) & 0xFFFF


def account(name: str) -> dict[str, Any]:
    return {
        "id": "109",
        "username": name,
        "acct": name,
        "display_name": "Ada",
        "locked": False,
        "bot": False,
        "discoverable": True,
        "group": False,
        "created_at": "2022-11-20T00:00:00.000Z",
        "note": "<p>made up</p>",
        "url": f"https://{SERVER}/@{name}",
        "uri": f"https://{SERVER}/users/{name}",
        "avatar": f"https://{SERVER}/avatar.png",
        "avatar_static": f"https://{SERVER}/avatar.png",
        "header": f"https://{SERVER}/header.png",
        "header_static": f"https://{SERVER}/header.png",
        "followers_count": 1,
        "following_count": 1,
        "statuses_count": 1,
        "last_status_at": "2026-06-30",
        "emojis": [],
        "fields": [],
    }


def status(post: Made, *, own: bool = True, **changes: Any) -> dict[str, Any]:
    """A post of somebody of this server, with a hashtag, a mention, a link and a picture."""
    name = name_of(post, own=own)
    tag = f'<a href="https://{SERVER}/tags/covid" class="mention hashtag" rel="tag">#<span>covid</span></a>'
    who = f'<a href="https://{SERVER}/@bo" class="u-url mention">@<span>bo</span></a>'
    link = '<a href="https://example.org/a"><span class="invisible">https://</span>example.org/a</a>'
    return {
        "id": name,
        "created_at": f"{post.created:%Y-%m-%dT%H:%M:%S}.000Z",
        "in_reply_to_id": None,
        "in_reply_to_account_id": None,
        "sensitive": False,
        "spoiler_text": "",
        "visibility": "public",
        "language": "en",
        "uri": f"https://{SERVER}/users/{post.author}/statuses/{name}",
        "url": f"https://{SERVER}/@{post.author}/{name}",
        "replies_count": 2,
        "reblogs_count": 3,
        "favourites_count": 4,
        "quotes_count": 1,
        "edited_at": None,
        "content": f"<p>{escape(post.text)} {tag} {who} {link}</p>",
        "reblog": None,
        "application": {"name": "Web", "website": None},
        "account": account(post.author),
        "media_attachments": [
            {
                "id": "1",
                "type": "image",
                "url": f"https://{SERVER}/media/1.png",
                "preview_url": None,
                "remote_url": None,
                "meta": {},
                "description": None,
                "blurhash": None,
            }
        ],
        "mentions": [
            {"id": "110", "username": "bo", "url": f"https://{SERVER}/@bo", "acct": "bo@other.example"}
        ],
        "tags": [{"name": "covid", "url": f"https://{SERVER}/tags/covid"}],
        "emojis": [],
        "card": None,
        "poll": None,
        **changes,
    }


INSTANCE = {
    "domain": SERVER,
    "title": "Made up",
    "version": "4.5.2",
    "source_url": "https://github.com/mastodon/mastodon",
    "description": "",
    "usage": {"users": {"active_month": 1}},
    "languages": ["en"],
    "configuration": {"statuses": {"max_characters": 500}},
    "registrations": {"enabled": False, "approval_required": True},
    "api_versions": {"mastodon": 7},
    "contact": {"email": "", "account": None},
    "rules": [],
}


def server(  # noqa: C901 - one answer a path
    posts: Sequence[Made],
    *,
    page: int = 40,
    overlap: int = 0,
    loop: bool = False,
    token: str = "",
    own: bool = True,
    links: bool = True,
    reach: int = 10_000,
    item: Callable[[Made], Any] | None = None,
) -> Callable[[Asked], Given]:
    """Answers over these posts. With a `token`, only who has it gets timelines, as on closed servers.

    A search gives `reach` posts at most, and of an identifier knows the second only.
    """
    make = item or (lambda post: status(post, own=own))
    ordered = newest_first(posts)

    def answer(asked: Asked) -> Given:
        path = asked.path.rstrip("/")
        if path == "/api/v2/instance":
            return {**INSTANCE, "version": "4.5.2" if own else "2.7.2 (compatible; Akkoma 3.15)"}
        if path == "/api/v1/instance":
            return {"uri": SERVER, "title": "Made up", "version": INSTANCE["version"], "urls": {}}
        if path == "/api/v1/accounts/lookup":
            known = {post.author for post in posts}
            return account(asked.query["acct"]) if asked.query["acct"] in known else NOT_FOUND
        if token and asked.headers.get("authorization") != f"Bearer {token}":
            return Answer(b'{"error":"This method requires an authenticated user"}', 422)
        if path.startswith("/api/v1/timelines/tag/"):
            tag = path.rpartition("/")[2].casefold()
            return timeline(asked, [post for post in ordered if tag in post.text.casefold()])
        if path == "/api/v1/timelines/public" or re.fullmatch(r"/api/v1/accounts/109/statuses", path):
            return timeline(asked, ordered)
        if path == "/api/v2/search":
            return {"accounts": [], "hashtags": [], "statuses": search(asked, matching(asked.query["q"]))}
        return NOT_FOUND

    @cache
    def matching(words: str) -> list[Made]:
        return [
            post for post in ordered if all(word in post.text.casefold() for word in words.casefold().split())
        ]

    def search(asked: Asked, found: list[Made]) -> list[Any]:
        if own and (before := asked.query.get("max_id")):
            second = (int(before) >> 16) // 1000
            found = [post for post in found if post.seconds < second]
        start = int(asked.query.get("offset", 0))
        size = min(int(asked.query.get("limit", 20)), page)
        if loop and found:
            start %= len(found)
        if start + size > reach:
            return []
        return [make(post) for post in found[max(0, start - overlap) : start + size]]

    def timeline(asked: Asked, found: list[Made]) -> Given:
        before = asked.query.get("max_id")
        older = [post for post in found if before is None or int(name_of(post, own=own)) < int(before)]
        size = min(int(asked.query.get("limit", 20)), page)
        shown = older[:size]
        first = found.index(shown[0]) if shown else 0
        body = answer_of([make(post) for post in found[max(0, first - overlap) : first] + shown])
        if not links:
            return body
        following = name_of(shown[-1], own=own) if len(shown) == size else None
        if loop and len(older) <= size:
            following = name_of(found[size - 1], own=own)
        if not following:
            return body
        where = f"https://{SERVER}{asked.path}?{urlencode({**asked.query, 'max_id': following})}"
        return Answer(body.body, headers={"Link": f'<{where}>; rel="next", <{where}>; rel="prev"'})

    return answer
