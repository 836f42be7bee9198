"""Posts as Bluesky's API shows them: a page of a search (`posts`), of an account or of a feed (`feed`).

Shapes: the lexicons app.bsky.feed.defs#postView and #feedViewPost, https://docs.bsky.app/docs/api. A
post is what its author wrote (`record`, in their repository) with what the network knows of it around.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from etl_callables.post import Post, Skipped
from etl_callables.sources.fields import count, items_of, moment, needed, text

PLATFORM: Final = "bluesky"

_NOBODY: Final = "handle.invalid"
"""What stands for a handle that does not lead back to its account."""

_POSTS: Final = "/app.bsky.feed.post/"
_MEDIA: Final = ("fullsize", "playlist")
"""The largest form of a picture, and of a film."""


def posts(body: bytes, fetched_at: datetime) -> Iterator[Post | Skipped]:
    """The posts and reposts of a page, each with its AT URI as `id`."""
    return items_of(body, items, lambda item: _post(item, fetched_at))


def items(page: Any) -> list[dict[str, Any]]:
    """The items of a page of either kind; KeyError where it is none."""
    found: list[dict[str, Any]] = page["posts"] if "posts" in page else page["feed"]
    return found


def created(item: dict[str, Any]) -> datetime:
    """When a post was made: what its author says, but not later than the network first saw it.

    By this time Bluesky sorts, and to it `since` and `until` refer. What a client wrote that is no time
    counts as first seen. For a repost it is when it was reposted. ValueError where there is no time.
    """
    repost = _repost_of(item)
    if repost is not None:
        return moment(repost.get("indexedAt"), "indexedAt")
    view = item.get("post", item)
    seen = view.get("indexedAt")
    try:
        said = moment(view["record"].get("createdAt"))
    except (ValueError, OverflowError):
        return moment(seen, "createdAt")
    return said if seen is None else min(said, moment(seen, "indexedAt"))


def _repost_of(item: dict[str, Any]) -> dict[str, Any] | None:
    """Who reposted an item, where that is why it is there."""
    reason = item.get("reason")
    is_repost = isinstance(reason, dict) and reason.get("$type") == "app.bsky.feed.defs#reasonRepost"
    return reason if is_repost else None


def _post(item: dict[str, Any], fetched_at: datetime) -> Post | Skipped:
    view = item.get("post", item)
    uri = needed(text(view.get("uri")), "uri")
    repost = _repost_of(item)
    if repost is not None:
        return _repost(repost, uri, created(item), fetched_at)
    record = view["record"]
    who = view["author"]
    reply = _mapping(record.get("reply"))
    facets = list(_features(record))
    return Post(
        platform=PLATFORM,
        id=uri,
        url=_address(who, uri),
        author=_handle(who),
        author_name=text(who.get("displayName")),
        author_id=text(who.get("did")),
        created_at=created(item),
        text=record["text"] if isinstance(record.get("text"), str) else None,
        lang=next(iter(_texts(record.get("langs"))), None),
        likes=count(view.get("likeCount")),
        reposts=count(view.get("repostCount")),
        replies=count(view.get("replyCount")),
        quotes=count(view.get("quoteCount")),
        bookmarks=count(view.get("bookmarkCount")),
        views=None,
        source_label=None,
        conversation_id=_uri(reply.get("root")),
        in_reply_to=_uri(reply.get("parent")),
        quoted=_quoted(record.get("embed")),
        reposted=None,
        hashtags=_unique(*(facet.get("tag") for facet in facets), *_texts(record.get("tags"))),
        # The text may say anything; who is meant is an account.
        mentions=_unique(*(facet.get("did") for facet in facets)),
        urls=_unique(*(facet.get("uri") for facet in facets), _linked(record.get("embed"))),
        media=_unique(*_media(view.get("embed"))),
        scraped_at=fetched_at,
    )


def _repost(repost: dict[str, Any], of: str, when: datetime, fetched_at: datetime) -> Post | Skipped:
    """A repost is a record of its own: who passed which post on, and when."""
    uri = text(repost.get("uri"))
    if uri is None:  # services of before 2025 do not say it
        return Skipped("repost", f"of {of}, without a name of its own")
    who = repost["by"]
    nothing: dict[str, Any] = dict.fromkeys(Post._fields)
    return Post(
        **nothing
        | {
            "platform": PLATFORM,
            "id": uri,
            "author": _handle(who),
            "author_name": text(who.get("displayName")),
            "author_id": text(who.get("did")),
            "created_at": when,
            "reposted": of,
            "scraped_at": fetched_at,
        }
    )


def _handle(who: dict[str, Any]) -> str | None:
    handle = text(who.get("handle"))
    return None if handle == _NOBODY else handle


def _address(who: dict[str, Any], uri: str) -> str | None:
    name = _handle(who) or text(who.get("did"))
    return f"https://bsky.app/profile/{name}/post/{uri.rpartition('/')[2]}" if name else None


def _uri(reference: Any) -> str | None:
    return text(_mapping(reference).get("uri"))


def _features(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What the parts of a text stand for: a link (`uri`), an account (`did`) or a `tag` each."""
    for facet in _list(record.get("facets")):
        yield from map(_mapping, _list(_mapping(facet).get("features")))


def _quoted(embed: Any) -> str | None:
    """The post that a post shows, alone or beside pictures; not a list, a feed or anything else."""
    if not isinstance(embed, dict):
        return None
    record = _mapping(embed.get("record"))
    uri = _uri(record.get("record")) or _uri(record)
    return uri if uri and _POSTS in uri else None


def _linked(embed: Any) -> str | None:
    """The page that a post shows a card of, alone or beside a quoted post."""
    if not isinstance(embed, dict):
        return None
    external = embed.get("external")
    return _uri(external) or _linked(embed.get("media"))


def _media(embed: Any) -> Iterator[Any]:
    """The addresses of pictures and films of a shown embed: `images`, a gallery's `items`, or itself."""
    if not isinstance(embed, dict):
        return
    for part in (embed, *_list(embed.get("images")), *_list(embed.get("items"))):
        yield from (_mapping(part).get(name) for name in _MEDIA)
    yield from _media(embed.get("media"))


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: Any) -> list[str]:
    return [one for one in _list(value) if isinstance(one, str) and one]


def _unique(*values: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if isinstance(value, str) and value))
