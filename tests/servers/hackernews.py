"""Hacker News' search as Algolia answers it: newest first, 1,000 hits a query and no more."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from tests.servers.made import Made, newest_first
from tests.servers.standin import NOT_FOUND, Asked, Given


def story(post: Made) -> dict[str, Any]:
    """A link with a title."""
    name = str(post.number)
    return {
        "_highlightResult": {"title": {"matchLevel": "full", "value": f"<em>{escape(post.text)}</em>"}},
        "_tags": ["story", f"author_{post.author}", f"story_{name}"],
        "author": post.author,
        "children": [],
        "created_at": f"{post.created:%Y-%m-%dT%H:%M:%SZ}",
        "created_at_i": post.seconds,
        "num_comments": 3,
        "objectID": name,
        "points": 57,
        "story_id": post.number,
        "title": post.text,
        "updated_at": "2026-07-01T00:00:00Z",
        "url": f"https://example.org/{name}",
    }


def comment(post: Made, parent: int = 7, thread: int = 5) -> dict[str, Any]:
    """An answer to something, in HTML."""
    return {
        "_tags": ["comment", f"author_{post.author}", f"story_{thread}"],
        "author": post.author,
        "comment_text": f"<p>{escape(post.text)}</p>",
        "created_at": f"{post.created:%Y-%m-%dT%H:%M:%SZ}",
        "created_at_i": post.seconds,
        "objectID": str(post.number),
        "parent_id": parent,
        "points": None,
        "story_id": thread,
        "story_title": "A story",
        "story_url": "https://example.org/story",
    }


def search(
    posts: Sequence[Made],
    *,
    depth: int = 1000,
    page: int | None = None,
    item: Callable[[Made], Any] = story,
) -> Callable[[Asked], Given]:
    """Answers over these posts. `page` is the most hits of an answer, whatever is asked for."""
    ordered = newest_first(posts)

    def answer(asked: Asked) -> Given:
        if asked.path != "/api/v1/search_by_date":
            return NOT_FOUND
        low, high = (
            int(found)
            for found in re.fullmatch(  # type: ignore[union-attr]  # a question without is a test's fault
                r"created_at_i>=(\d+),created_at_i<(\d+)", asked.query["numericFilters"]
            ).groups()
        )
        words = asked.query["query"].casefold().split()
        found = [
            post
            for post in ordered
            if low <= post.seconds < high and all(word in post.text.casefold() for word in words)
        ]
        size = min(int(asked.query["hitsPerPage"]), page or depth, depth)
        at = int(asked.query.get("page", 0)) * size
        return {
            "exhaustive": {"nbHits": True, "typo": True},
            "hits": [item(post) for post in found[at : min(at + size, depth)]],
            "hitsPerPage": size,
            "nbHits": len(found),
            "nbPages": -(-min(len(found), depth) // size),
            "page": at // size,
            "params": "",
            "processingTimeMS": 1,
            "query": asked.query["query"],
        }

    return answer
