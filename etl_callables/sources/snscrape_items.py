"""Tweets as snscrape writes them: `snscrape --jsonl`, and its items as CSV by way of pandas.

Names are those of snscrape.modules.twitter.Tweet from 0.4 (`content`, `outlinks`) to 0.7
(`rawContent`, `links`). snscrape leaves a list null when the tweet has nothing of the kind, so null
is an empty list here and only an absent key is "not given".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from etl_callables.post import Post, Skipped
from etl_callables.sources.reprs import Unreadable, read_repr
from etl_callables.sources.x_text import unescaped

PLATFORM: Final = "twitter"

_Id = int | str | float | None
_EXACT: Final = 2**53  # integers beyond this lose digits in a float


class _Ref(msgspec.Struct):
    id: _Id = None


class _User(msgspec.Struct):
    username: str | None = None
    id: _Id = None
    displayname: str | None = None


class _Link(msgspec.Struct):
    url: str | None = None


class _Variant(msgspec.Struct):
    url: str
    bitrate: int | None = None


class _Medium(msgspec.Struct, rename="camel"):
    full_url: str | None = None
    variants: list[_Variant] | None = None
    thumbnail_url: str | None = None


class Tweet(msgspec.Struct, rename="camel"):
    """What is read of a tweet; the rest of its JSON is passed over, not parsed."""

    id: _Id
    date: datetime
    type: str | None = msgspec.field(default=None, name="_type")
    url: str | None = None
    raw_content: str | None = None
    content: str | None = None
    user: _User | None = None
    username: str | None = None
    lang: str | None = None
    like_count: int | None = None
    retweet_count: int | None = None
    reply_count: int | None = None
    quote_count: int | None = None
    bookmark_count: int | None = None
    view_count: int | None = None
    source_label: str | None = None
    conversation_id: _Id = None
    in_reply_to_tweet_id: _Id = None
    quoted_tweet: _Ref | None = None
    retweeted_tweet: _Ref | None = None
    hashtags: list[str] | UnsetType | None = UNSET
    mentioned_users: list[_User] | UnsetType | None = UNSET
    links: list[_Link] | UnsetType | None = UNSET
    outlinks: list[str] | UnsetType | None = UNSET
    media: list[_Medium] | UnsetType | None = UNSET


_decode = msgspec.json.Decoder(Tweet).decode
TWEET: Final = "snscrape.modules.twitter.Tweet"
_UNAVAILABLE: Final = frozenset({"snscrape.modules.twitter.TweetRef", "snscrape.modules.twitter.Tombstone"})


def read_line(line: bytes, fetched_at: datetime) -> Post | Skipped:
    """The post of one JSON line. Raises msgspec.DecodeError when it is no tweet of snscrape's."""
    tweet = _decode(line)
    if tweet.type != TWEET and tweet.type is not None:
        return Skipped("not-a-tweet", tweet.type)
    return to_post(tweet, fetched_at)


def read_value(value: Mapping[str, Any], fetched_at: datetime) -> Post | Skipped | None:
    """The post of a decoded JSON object, None when it does not look like snscrape's at all.

    The way for what `read_line` cannot read: it says why.
    """
    kind = value.get("_type")
    if not isinstance(kind, str):
        return None
    if kind in _UNAVAILABLE:
        return Skipped("unavailable", f"{kind.rpartition('.')[2]} {value.get('id')}")
    if kind != TWEET:
        return Skipped("not-a-tweet", kind)
    try:
        return to_post(msgspec.convert(value, Tweet), fetched_at)
    except msgspec.ValidationError as problem:
        return Skipped("unknown-shape", str(problem))


def to_post(tweet: Tweet, fetched_at: datetime) -> Post | Skipped:
    """A tweet as a row. An identifier that went through a float lost its digits and is no identifier."""
    number = tweet.id
    name = str(number) if number.__class__ is int else _identifier(number)
    if name is None:
        return Skipped("lossy-id", repr(number))
    created = tweet.date
    if created.tzinfo is not UTC and created.tzinfo is not None:
        try:
            created = created.astimezone(UTC)
        except OverflowError:
            return Skipped("unknown-shape", f"{name}: no time in UTC is {created.isoformat()}")
    user = tweet.user
    conversation, reply = tweet.conversation_id, tweet.in_reply_to_tweet_id
    quoted, reposted = tweet.quoted_tweet, tweet.retweeted_tweet
    tags, people, media = tweet.hashtags, tweet.mentioned_users, tweet.media
    return Post(
        PLATFORM,
        name,
        tweet.url,
        user.username if user else tweet.username,
        user.displayname if user else None,
        _identifier(user.id) if user else None,
        created,
        text_of(tweet),
        tweet.lang,
        tweet.like_count,
        tweet.retweet_count,
        tweet.reply_count,
        tweet.quote_count,
        tweet.bookmark_count,
        tweet.view_count,
        tweet.source_label,
        str(conversation) if conversation.__class__ is int else _identifier(conversation),
        None if reply is None else _identifier(reply),
        _identifier(quoted.id) if quoted else None,
        _identifier(reposted.id) if reposted else None,
        None if tags is UNSET else tuple(tags) if tags else (),
        None if people is UNSET else tuple(u.username for u in people if u.username) if people else (),
        urls_of(tweet),
        None if media is UNSET else media_of(media) if media else (),
        fetched_at,
    )


def _identifier(value: _Id) -> str | None:
    if value.__class__ is int:
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) <= _EXACT else None
    return str(value) if value else None


def text_of(tweet: Tweet) -> str | None:
    return unescaped(tweet.content if tweet.raw_content is None else tweet.raw_content)


def urls_of(tweet: Tweet) -> tuple[str, ...] | None:
    links = tweet.links
    if links is not UNSET:
        return tuple(link.url for link in links if link.url) if links else ()
    urls = tweet.outlinks
    if urls is UNSET:
        return None
    return tuple(urls) if urls else ()


def media_of(media: list[_Medium]) -> tuple[str, ...]:
    return tuple(url for medium in media if (url := _best(medium)))


def _best(medium: _Medium) -> str | None:
    """The largest form of a picture or film; a film's still where it has no other."""
    if medium.full_url:
        return medium.full_url
    if medium.variants:
        return max(medium.variants, key=lambda variant: variant.bitrate or 0).url
    return medium.thumbnail_url


# --- CSV -------------------------------------------------------------------------------------------

_IDS: Final = ("id", "conversationId", "inReplyToTweetId")
_COUNTS: Final = ("likeCount", "retweetCount", "replyCount", "quoteCount", "bookmarkCount", "viewCount")
_TEXTS: Final = ("_type", "url", "rawContent", "content", "username", "lang", "sourceLabel")
_NESTED: Final = (
    "user",
    "quotedTweet",
    "retweetedTweet",
    "hashtags",
    "mentionedUsers",
    "links",
    "outlinks",
    "media",
)
NEEDED: Final = frozenset({"id", "date"})
"""Columns without which a CSV file is none of snscrape's."""


def read_row(row: Mapping[str, str], fetched_at: datetime) -> Post | Skipped:
    """The post of one CSV record: column -> cell, an empty cell being null.

    pandas writes nested values as Python reprs, and a column of identifiers that has gaps as floats,
    which lose the last digits of a tweet's id: such a reference is left null.
    """
    value: dict[str, Any] = {}
    try:
        value["date"] = datetime.fromisoformat(row["date"])
        for column in _TEXTS:
            if row.get(column):
                value[column] = row[column]
        for column in _IDS:
            if row.get(column):
                value[column] = _number(row[column])
        for column in _COUNTS:
            if row.get(column):
                value[column] = _number(row[column])
        for column in _NESTED:
            if column in row:
                value[column] = read_repr(row[column]) if row[column] else None
        return to_post(msgspec.convert(value, Tweet), fetched_at)
    except (KeyError, ValueError, Unreadable, msgspec.ValidationError) as problem:
        where = f"id {row.get('id', '')[:40]}"
        return Skipped("broken-row", f"{where}: {type(problem).__name__}: {str(problem)[:200]}")


def _number(cell: str) -> int | float | str:
    """`12` and `12.0` as 12, `1.2e18` as the float it became, anything else as it is."""
    if cell.isdecimal():
        return int(cell)
    try:
        number = float(cell)
    except ValueError:
        return cell
    return int(number) if number.is_integer() and abs(number) <= _EXACT else number


def decode_odd(body: bytes) -> Any:
    """JSON that msgspec refuses and Python's own parser reads, such as lone surrogates.

    Raises ValueError (json's own, or UnicodeDecodeError) and RecursionError.
    """
    return json.loads(body, parse_constant=_no_constant)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
