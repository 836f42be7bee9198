"""The one table every source is mapped to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from schemas.words import counted


class Post(NamedTuple):
    """A post of any platform; what a source does not give is None, never invented.

    `id` and every other identifier are strings; times are aware UTC; counts are non-negative
    integers; the four lists are tuples of strings, None when the source does not give them and
    empty when it says there are none. `scraped_at` is when the raw page was fetched.
    """

    platform: str
    id: str
    url: str | None
    author: str | None
    author_name: str | None
    author_id: str | None
    created_at: datetime
    text: str | None
    lang: str | None
    likes: int | None
    reposts: int | None
    replies: int | None
    quotes: int | None
    bookmarks: int | None
    views: int | None
    source_label: str | None
    conversation_id: str | None
    in_reply_to: str | None
    quoted: str | None
    reposted: str | None
    hashtags: tuple[str, ...] | None
    mentions: tuple[str, ...] | None
    urls: tuple[str, ...] | None
    media: tuple[str, ...] | None
    scraped_at: datetime


FIELDS: Final[tuple[str, ...]] = Post._fields


class Skipped(NamedTuple):
    """An item that is no post: counted, never silent. `reason` is a short stable slug."""

    reason: str
    detail: str


_UNDERSTOOD: Final = frozenset(
    {
        "compliance",
        "no-match",
        "no-post",
        "not-a-post",
        "not-a-tweet",
        "promoted",
        "repost",
        "unavailable",
        "x-error",
    }
)
"""Reasons that say what an item is, so that it was read; all others say that it could not be."""


def unreadable(source: str, fetched: int, skipped: Mapping[str, int]) -> str:
    """That not one of the items that came could be read, as a sentence's beginning; empty where one was.

    In an archive there may be others that can be read and were not asked for.
    """
    if not fetched or sum(count for reason, count in skipped.items() if reason not in _UNDERSTOOD) != fetched:
        return ""
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in skipped.items())
    if source == "archive":
        return f"no post was found, and {counted(fetched, 'item')} could not be read ({reasons})"
    items = "the only item could not" if fetched == 1 else f"nothing of {fetched:,} items could"
    return f"{items} be read ({reasons})"
