"""Bluesky's API as far as a search goes, for faults that the real network does not have.

The shape is the real network's: a test compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.servers.made import Made, newest_first
from tests.servers.standin import NOT_FOUND, Answer, Asked, Given

DID = "did:plc:madeupmadeupmadeupmadeup"
_LOGINS = (
    "/xrpc/com.atproto.server.createSession",
    "/xrpc/com.atproto.server.refreshSession",
)


def view(post: Made) -> dict[str, Any]:
    """A post as the AppView shows it to somebody logged in."""
    stamp = f"{post.created:%Y-%m-%dT%H:%M:%S}.000Z"
    return {
        "uri": f"at://{DID}/app.bsky.feed.post/3made{post.number}",
        "cid": "bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
        "author": {
            "did": DID,
            "handle": f"{post.author.replace('_', '-')}.test",
            "displayName": "Ada",
            "associated": {"activitySubscription": {"allowSubscriptions": "followers"}},
            "viewer": {
                "muted": False,
                "mutedOnlyReposts": False,
                "mutedOnlyQuoteposts": False,
                "blockedBy": False,
            },
            "labels": [],
        },
        "record": {
            "$type": "app.bsky.feed.post",
            "text": post.text,
            "langs": ["en"],
            "createdAt": stamp,
        },
        "bookmarkCount": 0,
        "replyCount": 0,
        "repostCount": 1,
        "likeCount": 57,
        "quoteCount": 0,
        "indexedAt": stamp,
        "viewer": {"bookmarked": False, "threadMuted": False, "embeddingDisabled": False},
        "labels": [],
    }


def server(
    posts: Sequence[Made],
    *,
    page: int,
    depth: int = 10_000,
    overlap: int = 0,
    loop: bool = False,
    item: Callable[[Made], Any] = view,
) -> Callable[[Asked], Given]:
    """Answers of a PDS over these posts, `page` of them at a time. A cursor counts from the newest."""
    ordered = newest_first(posts)

    def answer(asked: Asked) -> Given:
        if asked.path in _LOGINS:
            return {"did": DID, "handle": "ada.test", "accessJwt": "token", "refreshJwt": "long token"}
        if asked.path != "/xrpc/app.bsky.feed.searchPosts":
            return NOT_FOUND
        if asked.headers.get("authorization") != "Bearer token":
            return Answer(b'{"error":"AuthMissing","message":"Authentication Required"}', 401)
        found = [
            post
            for post in ordered
            if asked.query["since"] <= f"{post.created:%Y-%m-%dT%H:%M:%S}.000Z" < asked.query["until"]
            and asked.query["q"] in post.text
        ][:depth]
        start = int(asked.query.get("cursor") or 0)
        end = start + min(page, int(asked.query["limit"]))
        more = end < len(found)
        following = {"cursor": str(end if more else 0)} if more or loop else {}
        return {"posts": [item(post) for post in found[max(0, start - overlap) : end]], **following}

    return answer
