"""A Lemmy server: a community's posts and comments, and a search, as Lemmy 0.19 answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.servers.made import Made, newest_first
from tests.servers.standin import NOT_FOUND, Answer, Asked, Given

SERVER = "lemmy.example"


def _creator(name: str) -> dict[str, Any]:
    return {
        "id": 4,
        "name": name,
        "display_name": "Ada",
        "banned": False,
        "published": "2023-06-01T00:00:00.000000Z",
        "actor_id": f"https://{SERVER}/u/{name}",
        "local": True,
        "deleted": False,
        "bot_account": False,
        "instance_id": 1,
    }


def _time(post: Made) -> str:
    return f"{post.created:%Y-%m-%dT%H:%M:%S}.000000Z"


def post_view(post: Made, **changes: Any) -> dict[str, Any]:
    """A link with a text, and everything around it."""
    community = {"id": 2, "name": "health", "title": "Health", "actor_id": f"https://{SERVER}/c/health"}
    return {
        "post": {
            "id": post.number,
            "name": post.text,
            "url": f"https://example.org/{post.number}",
            "body": "more of it",
            "creator_id": 4,
            "community_id": 2,
            "removed": False,
            "locked": False,
            "published": _time(post),
            "deleted": False,
            "nsfw": False,
            "ap_id": f"https://{SERVER}/post/{post.number}",
            "local": True,
            "language_id": 37,
            **changes,
        },
        "creator": _creator(post.author),
        "community": community,
        "counts": {
            "post_id": post.number,
            "comments": 3,
            "score": 5,
            "upvotes": 7,
            "downvotes": 2,
            "published": _time(post),
        },
        "subscribed": "NotSubscribed",
        "saved": False,
        "read": False,
        "unread_comments": 3,
    }


def comment_view(post: Made, path: str = "0.12.15", **changes: Any) -> dict[str, Any]:
    """A comment on post 9."""
    view = post_view(Made(9, post.created))
    return {
        **view,
        "comment": {
            "id": post.number,
            "creator_id": 4,
            "post_id": 9,
            "content": post.text,
            "removed": False,
            "published": _time(post),
            "deleted": False,
            "ap_id": f"https://{SERVER}/comment/{post.number}",
            "local": True,
            "path": path,
            "language_id": 0,
            **changes,
        },
        "counts": {"comment_id": post.number, "score": 1, "upvotes": 2, "downvotes": 1, "child_count": 4},
    }


def server(
    posts: Sequence[Made],
    *,
    page: int = 50,
    overlap: int = 0,
    loop: bool = False,
    cursors: bool = True,
    community: str = "health",
    item: Callable[[Made], Any] | None = None,
) -> Callable[[Asked], Given]:
    """Answers over these posts, all of one community, or of any where it has no name.

    Without `cursors`, pages only have numbers.
    """
    ordered = newest_first(posts)

    def answer(asked: Asked) -> Given:
        kind = {"/api/v3/post/list": "posts", "/api/v3/comment/list": "comments"}.get(asked.path)
        found = ordered
        if asked.path == "/api/v3/search":
            kind = asked.query["type_"].lower()
            found = [post for post in ordered if asked.query["q"].casefold() in post.text.casefold()]
        if kind is None:
            return NOT_FOUND
        if community and asked.query.get("community_name", community) != community:
            return Answer(b'{"error":"couldnt_find_community"}', 404)
        turn = asked.query.get("page_cursor", "P").removeprefix("P")
        at = int(turn or 0) if "page_cursor" in asked.query else (int(asked.query.get("page", 1)) - 1) * page
        make = item or (post_view if kind == "posts" else comment_view)
        value: dict[str, Any] = {kind: [make(post) for post in found[max(0, at - overlap) : at + page]]}
        if asked.path == "/api/v3/search":
            return {"comments": [], "posts": [], "communities": [], "users": [], "type_": "All", **value}
        if cursors and kind == "posts" and at + page < len(found) + page * loop:
            value["next_page"] = f"P{at + page if at + page < len(found) else 0}"
        return value

    return answer
