"""What Mastodon's API gives, as posts: https://docs.joinmastodon.org/entities/Status/"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from etl_callables.http import decode
from etl_callables.post import Post, Skipped
from etl_callables.sources.fields import count, identifier, items_of, moment, needed, text
from etl_callables.sources.markup import plain

PLATFORM: Final = "mastodon"


class Ends(NamedTuple):
    """Where a page lies: its newest post's time, None when unknown, its last identifier, how many posts."""

    newest: datetime | None
    last: str | None
    posts: int


def ends(body: bytes) -> Ends | None:
    """The ends of a page; None when it is no page of posts, and ValueError when it is no JSON."""
    plainly = _plainly(body)
    if plainly is not None:
        newest = max((one.created_at for one in plainly), default=None)
        return Ends(newest, plainly[-1].id if plainly else None, len(plainly))
    found = _statuses(decode(body))
    if found is None:
        return None
    names = (identifier(status.get("id")) for status in reversed(found) if isinstance(status, dict))
    last = next((name for name in names if name), None)
    try:
        newest = max((moment(status["created_at"]) for status in found), default=None)
    except (ValueError, TypeError, LookupError):
        newest = None
    return Ends(newest, last, len(found))


def posts(body: bytes, fetched_at: datetime) -> Iterator[Post | Skipped]:
    """The posts of a page."""
    return items_of(body, _statuses, lambda status: _post(status, fetched_at))


def brief(body: bytes, fetched_at: datetime) -> Iterator[Post | Skipped]:
    """The same posts with only what it takes to count them."""
    plainly = _plainly(body)
    if plainly is None:
        return items_of(body, _statuses, lambda status: _post(status, fetched_at, whole=False))
    return (_brief(status, fetched_at) for status in plainly)


def _statuses(value: Any) -> list[Any] | None:
    """The posts of a timeline's page, or of a search's."""
    found = value.get("statuses") if isinstance(value, dict) else value
    return found if isinstance(found, list) else None


def _post(status: dict[str, Any], fetched_at: datetime, *, whole: bool = True) -> Post | Skipped:
    account = status["account"]
    boosted = status.get("reblog")
    shown = boosted or status  # a boost has no content of its own
    html: str = shown.get("content") or ""
    content = plain(html if whole else html[:0])
    tags, mentions = shown.get("tags") or (), shown.get("mentions") or ()
    known = {one.get("url") for one in (*tags, *mentions)}
    return Post(
        platform=PLATFORM,
        id=needed(identifier(status.get("id")), "id"),
        url=text(status.get("url")) or text(status.get("uri")),
        author=text(account.get("acct")),
        author_name=text(account.get("display_name")),
        author_id=identifier(account.get("id")),
        created_at=moment(status["created_at"]),
        text="\n\n".join(part for part in (text(shown.get("spoiler_text")), content.text) if part) or None,
        lang=text(shown.get("language")),
        likes=count(status.get("favourites_count")),
        reposts=count(status.get("reblogs_count")),
        replies=count(status.get("replies_count")),
        quotes=count(status.get("quotes_count")),
        bookmarks=None,
        views=None,
        source_label=text((status.get("application") or {}).get("name")),
        conversation_id=None,
        in_reply_to=identifier(status.get("in_reply_to_id")),
        quoted=_quoted(status),
        reposted=identifier(boosted.get("id")) if boosted else None,
        hashtags=tuple(name for tag in tags if (name := text(tag.get("name")))),
        mentions=tuple(name for mention in mentions if (name := text(mention.get("acct")))),
        urls=tuple(link for link in content.links if link not in known and not _is_tag(link, tags)),
        media=tuple(
            address
            for medium in shown.get("media_attachments") or ()
            if (address := text(medium.get("url")) or text(medium.get("remote_url")))
        ),
        scraped_at=fetched_at,
    )


def _quoted(status: dict[str, Any]) -> str | None:
    """What a post quotes: in Mastodon below its `quote`, which in Akkoma and Pleroma is the post itself."""
    quote, own = status.get("quote") or {}, status.get("pleroma")
    others = own if isinstance(own, dict) else {}
    names = (
        (quote.get("quoted_status") or {}).get("id"),
        quote.get("quoted_status_id"),
        quote.get("id"),
        status.get("quote_id"),
        others.get("quote_id"),
    )
    return next((name for one in names if (name := identifier(one))), None)


def _is_tag(link: str, tags: Any) -> bool:
    """Whether a link is that of a hashtag, which has the address of the author's own server."""
    try:
        place = urlsplit(link).path.casefold()
    except ValueError:  # people write what they like, `http://[` too
        return False
    return any(place.endswith(f"/tags/{str(tag.get('name')).casefold()}") for tag in tags)


# --- the short way -----------------------------------------------------------------------------------
# Nearly every page has only statuses whose fields are of the kinds below. Those are read without
# building what is not counted, which is a tenth of the work; any other page is read in full. Each field
# on which `_post` could stumble is here, so that both ways skip the same items.

_Count = Annotated[int, msgspec.Meta(ge=0)] | None


class _Anything(msgspec.Struct, gc=False):
    """An object, whatever is in it."""


class _Tag(msgspec.Struct, gc=False):
    name: str
    url: str | None = None


class _Mention(msgspec.Struct, gc=False):
    acct: str
    url: str | None = None


class _Quote(msgspec.Struct, gc=False):
    quoted_status: _Anything | None = None


class _Shown(msgspec.Struct, gc=False):
    content: str | None = None
    tags: list[_Tag] | None = None
    mentions: list[_Mention] | None = None
    media_attachments: list[_Anything] | None = None


class _Status(_Shown, kw_only=True, gc=False):
    id: Annotated[str, msgspec.Meta(min_length=1)]
    created_at: Annotated[datetime, msgspec.Meta(tz=True)]
    account: _Anything
    favourites_count: _Count = None
    reblogs_count: _Count = None
    replies_count: _Count = None
    quotes_count: _Count = None
    reblog: _Shown | None = None
    quote: _Quote | None = None
    application: _Anything | None = None


class _Found(msgspec.Struct, gc=False):
    statuses: list[_Status]


_READER: Final = msgspec.json.Decoder(list[_Status] | _Found)


def _plainly(body: bytes) -> list[_Status] | None:
    """The statuses of a page of the common kind; None when anything about it is not."""
    try:
        found = _READER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found.statuses if isinstance(found, _Found) else found


def _brief(status: _Status, fetched_at: datetime) -> Post:
    """What is counted of a post. By place: names would take half of the time that this saves."""
    before = (PLATFORM, status.id, None, None, None, None, status.created_at, None, None)
    counts = (status.favourites_count, status.reblogs_count, status.replies_count, status.quotes_count)
    return Post._make((*before, *counts, *_NOTHING, fetched_at))


_NOTHING: Final = (None,) * (len(Post._fields) - 14)
"""Bookmarks and all that stands between it and the time of fetching."""
