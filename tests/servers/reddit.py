"""Reddit's API as it answers an app: a login, what is new in a subreddit, and searches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.servers.made import Made, newest_first
from tests.servers.standin import NOT_FOUND, Answer, Asked, Given

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
LOGIN = {"access_token": "token", "token_type": "bearer", "expires_in": 86400, "scope": "*"}


def name_of(post: Made) -> str:
    """The full name of a post: t3_ and its number, in base 36."""
    number, digits = post.number, ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return f"t3_{digits or '0'}"


def number_of(name: str) -> int:
    return int(name.removeprefix("t3_"), 36)


def link(post: Made) -> dict[str, Any]:
    """A post of its author's own words."""
    name = name_of(post)
    return {
        "kind": "t3",
        "data": {
            "subreddit": "opendata",
            "selftext": "and more of it",
            "author_fullname": "t2_7made7",
            "title": post.text,
            "subreddit_name_prefixed": "r/opendata",
            "name": name,
            "upvote_ratio": 0.97,
            "ups": 57,
            "score": 57,
            "is_self": True,
            "created": float(post.seconds),
            "created_utc": float(post.seconds),
            "domain": "self.opendata",
            "id": name.removeprefix("t3_"),
            "author": post.author,
            "num_comments": 3,
            "num_crossposts": 0,
            "over_18": False,
            "permalink": f"/r/opendata/comments/{name.removeprefix('t3_')}/all_about/",
            "url": f"https://www.reddit.com/r/opendata/comments/{name.removeprefix('t3_')}/all_about/",
            "view_count": None,
            "media": None,
            "is_video": False,
        },
    }


def server(
    posts: Sequence[Made],
    *,
    page: int,
    depth: int = 1000,
    overlap: int = 0,
    loop: bool = False,
    item: Callable[[Made], Any] = link,
) -> Callable[[Asked], Given]:
    """Answers over these posts, `page` of them at a time. `after` is the name of the last one seen."""
    listed = newest_first(posts)[:depth]

    def answer(asked: Asked) -> Given:
        if asked.path == "/api/v1/access_token":
            is_app = asked.headers.get("authorization") == "Basic YW4gYXBwOmEgc2VjcmV0"
            return LOGIN if is_app else Answer(b'{"message": "Unauthorized", "error": 401}', 401)
        if asked.headers.get("authorization") != "Bearer token":
            return Answer(b'{"message": "Unauthorized", "error": 401}', 401)
        if asked.path == "/r/private/new":
            return Answer(b'{"reason": "private", "message": "Forbidden", "error": 403}', 403)
        if asked.path == "/r/nowhere/new":
            where = {"Location": "https://www.reddit.com/subreddits/search?q=nowhere"}
            return Answer(b"{}", 302, headers=where)
        if asked.path not in {"/r/opendata/new", "/r/opendata/search", "/search"}:
            return NOT_FOUND
        found = [post for post in listed if asked.query.get("q", "") in post.text]
        names = [name_of(post) for post in found]
        after = asked.query.get("after")
        start = names.index(after) + 1 if after else 0
        end = start + min(page, int(asked.query["limit"]))
        shown = found[max(0, start - overlap) : end]
        following = names[end - 1] if end < len(found) else None
        if following is None and loop:
            following = names[0]
        return {
            "kind": "Listing",
            "data": {
                "after": following,
                "dist": len(shown),
                "modhash": None,
                "geo_filter": "",
                "children": [item(post) for post in shown],
                "before": None,
            },
        }

    return answer
