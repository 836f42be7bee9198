"""Videos and comments as YouTube's Data API gives them, each kind of answer by its `kind`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from html import unescape
from typing import Any, Final

from etl_callables.post import Post, Skipped
from etl_callables.sources.fields import count, items_of, moment, needed, text
from etl_callables.sources.markup import mended

PLATFORM: Final = "youtube"

MISSING: Final = "trawl#missing"
"""The kind of a list of names that were found and of which nothing was known a moment later."""

VIDEO: Final = "trawl#video"
"""Where a list of replies says to which video they belong."""

_SIZES: Final = ("maxres", "standard", "high", "medium", "default")
"""Of a video's picture, the largest first."""


def posts(body: bytes, fetched_at: datetime) -> Iterator[Post | Skipped]:
    """The videos or comments of an answer; names alone, which another answer is about, are none."""
    return items_of(body, _items, lambda item: _post(item, fetched_at))


def _items(page: Any) -> list[Any] | None:
    match page["kind"]:
        case "youtube#searchListResponse":
            return [item for item in page["items"] if not _is_name(item)]
        case "youtube#videoListResponse":
            return list(page["items"])
        case "youtube#commentListResponse":
            video = {VIDEO: page.get(VIDEO)}
            return [item | video if isinstance(item, dict) else item for item in page["items"]]
        case "youtube#commentThreadListResponse":
            return [part for thread in page["items"] for part in _parts(thread)]
        case kind if kind == MISSING:
            return [{"kind": MISSING, "id": name} for name in page["items"]]
    return None


def _is_name(item: Any) -> bool:
    return isinstance(item, dict) and "snippet" not in item and isinstance(item.get("id"), dict)


def _parts(thread: Any) -> list[Any]:
    """A comment and the replies that came with it."""
    try:
        first = thread["snippet"]["topLevelComment"]
        replies = (thread.get("replies") or {}).get("comments") or []
        return [{**first, "replies": thread["snippet"].get("totalReplyCount")}, *replies]
    except (LookupError, TypeError, AttributeError):
        return [thread]


def _post(item: dict[str, Any], fetched_at: datetime) -> Post | Skipped:
    match item["kind"]:
        case "youtube#video":
            return _video(item, needed(text(item["id"]), "id"), item["snippet"], fetched_at)
        case "youtube#searchResult":
            snippet = item["snippet"]
            # Only here names and texts are written as in a web page.
            plain = {
                name: unescape(mended(value)) for name, value in snippet.items() if isinstance(value, str)
            }
            return _video(item, needed(text(item["id"]["videoId"]), "id"), {**snippet, **plain}, fetched_at)
        case "youtube#comment":
            return _comment(item, fetched_at)
        case kind if kind == MISSING:
            return Skipped("unavailable", f"{item['id']} was found, and gone a moment later")
    return Skipped("unknown-shape", f"a thing of kind {item['kind']}"[:200])


def _video(item: dict[str, Any], name: str, snippet: dict[str, Any], fetched_at: datetime) -> Post:
    known = item.get("statistics") or {}
    tags = snippet.get("tags")
    is_full = "statistics" in item
    parts = (text(snippet.get("title")), text(snippet.get("description")))
    return Post(
        platform=PLATFORM,
        id=name,
        url=f"https://www.youtube.com/watch?v={name}",
        author=None,
        author_name=text(snippet.get("channelTitle")),
        author_id=text(snippet.get("channelId")),
        created_at=moment(snippet.get("publishedAt")),
        text="\n\n".join(part for part in parts if part) or None,
        lang=text(snippet.get("defaultAudioLanguage")) or text(snippet.get("defaultLanguage")),
        likes=_number(known.get("likeCount")),
        reposts=None,
        replies=_number(known.get("commentCount")),
        quotes=None,
        bookmarks=None,
        views=_number(known.get("viewCount")),
        source_label=None,
        conversation_id=None,
        in_reply_to=None,
        quoted=None,
        reposted=None,
        hashtags=tuple(tag for tag in tags or () if text(tag)) if is_full else None,
        mentions=None,
        urls=None,
        media=_picture(snippet),
        scraped_at=fetched_at,
    )


def _comment(item: dict[str, Any], fetched_at: datetime) -> Post:
    name = needed(text(item["id"]), "id")
    snippet = item["snippet"]
    shown = text(snippet.get("authorDisplayName"))
    video = text(snippet.get("videoId")) or text(item.get(VIDEO))
    channel = snippet.get("authorChannelId")
    return Post(
        platform=PLATFORM,
        id=name,
        url=f"https://www.youtube.com/watch?v={video}&lc={name}" if video else None,
        author=shown.removeprefix("@") if shown and shown.startswith("@") else None,
        author_name=shown,
        author_id=text(channel.get("value")) if isinstance(channel, dict) else None,
        created_at=moment(snippet.get("publishedAt")),
        text=text(snippet.get("textOriginal")) or text(snippet.get("textDisplay")),
        lang=None,
        likes=_number(snippet.get("likeCount")),
        reposts=None,
        replies=_number(item.get("replies")),
        quotes=None,
        bookmarks=None,
        views=None,
        source_label=None,
        conversation_id=video,
        in_reply_to=text(snippet.get("parentId")) or video,
        quoted=None,
        reposted=None,
        hashtags=None,
        mentions=None,
        urls=None,
        media=None,
        scraped_at=fetched_at,
    )


def _picture(snippet: dict[str, Any]) -> tuple[str, ...] | None:
    pictures = snippet.get("thumbnails")
    if not isinstance(pictures, dict):
        return None
    sizes = (pictures.get(size) for size in _SIZES)
    return tuple(str(one["url"]) for one in sizes if isinstance(one, dict) and text(one.get("url")))[:1]


def _number(value: Any) -> int | None:
    """A count, which YouTube writes as a number in some places and as text in others."""
    return int(value) if isinstance(value, str) and value.isdecimal() else count(value)
