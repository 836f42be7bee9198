"""Tweets as snscrape writes them, as columns: what `snscrape_items` does one by one, many at once.

It reads only regular tweets, which nearly all are. For anything else it gives None, and the caller
goes item by item; a test holds that both ways give the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import pyarrow as pa
from msgspec import UNSET

from etl_callables.sources import snscrape_items as items
from etl_callables.table import SCHEMA, TIME


class Irregular(Exception):  # noqa: N818 (no error: it says which way to go)
    """A tweet among them that needs to be looked at alone."""


Tweets = Sequence[items.Tweet]

_decode = msgspec.json.Decoder(items.Tweet).decode


def columns(bodies: Sequence[bytes], fetched_at: datetime, fields: Sequence[str]) -> pa.RecordBatch | None:
    """`fields` of the posts, a row a body in their order; None when any body is not a regular tweet."""
    try:
        tweets = [_decode(body) for body in bodies]
        if {tweet.type for tweet in tweets} != {items.TWEET}:
            return None
        arrays = [_ARRAYS[name](tweets, fetched_at) for name in fields]
    except (msgspec.DecodeError, Irregular, ValueError, TypeError, OverflowError, pa.ArrowException):
        return None
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema([SCHEMA.field(name) for name in fields]))


def _identifiers(values: list[Any], optional: bool = True) -> pa.Array[Any]:
    """Whole numbers as text; those that are something else are looked at alone."""
    if not set(map(type, values)) <= ({int, type(None)} if optional else {int}):
        raise Irregular
    return pa.array(values, pa.int64()).cast(pa.string())


def _users(tweets: Tweets) -> list[Any]:
    users = [tweet.user for tweet in tweets]
    if None in users:
        raise Irregular
    return users


def _created(tweets: Tweets, _: datetime) -> pa.Array[Any]:
    dates = [tweet.date for tweet in tweets]
    if any(date.tzinfo is None for date in dates):
        raise Irregular
    return pa.array(dates, TIME)


def _lists(values: list[Any], item: Callable[[Any], Any] | None) -> pa.Array[Any]:
    """Absent: not given. Null: there are none."""
    return pa.array(
        [
            None if value is UNSET else () if not value else value if item is None else item(value)
            for value in values
        ],
        pa.list_(pa.string()),
    )


def _plain(name: str, kind: pa.DataType) -> Callable[[Tweets, datetime], pa.Array[Any]]:
    def array(tweets: Tweets, _: datetime) -> pa.Array[Any]:
        return pa.array([getattr(tweet, name) for tweet in tweets], kind)

    return array


_TEXT: Final = pa.string()
_COUNT: Final = pa.int64()

_ARRAYS: Final[Mapping[str, Callable[[Tweets, datetime], pa.Array[Any]]]] = {
    "platform": lambda tweets, _: pa.repeat(items.PLATFORM, len(tweets)),
    "id": lambda tweets, _: _identifiers([tweet.id for tweet in tweets], optional=False),
    "url": lambda tweets, _: pa.array([tweet.url for tweet in tweets], _TEXT),
    "author": lambda tweets, _: pa.array([user.username for user in _users(tweets)], _TEXT),
    "author_name": lambda tweets, _: pa.array([user.displayname for user in _users(tweets)], _TEXT),
    "author_id": lambda tweets, _: _identifiers([user.id for user in _users(tweets)]),
    "created_at": _created,
    "text": lambda tweets, _: pa.array(map(items.text_of, tweets), _TEXT),
    "lang": lambda tweets, _: pa.array([tweet.lang for tweet in tweets], _TEXT),
    "likes": lambda tweets, _: pa.array([tweet.like_count for tweet in tweets], _COUNT),
    "reposts": lambda tweets, _: pa.array([tweet.retweet_count for tweet in tweets], _COUNT),
    "replies": lambda tweets, _: pa.array([tweet.reply_count for tweet in tweets], _COUNT),
    "quotes": lambda tweets, _: pa.array([tweet.quote_count for tweet in tweets], _COUNT),
    "bookmarks": lambda tweets, _: pa.array([tweet.bookmark_count for tweet in tweets], _COUNT),
    "views": lambda tweets, _: pa.array([tweet.view_count for tweet in tweets], _COUNT),
    "source_label": lambda tweets, _: pa.array([tweet.source_label for tweet in tweets], _TEXT),
    "conversation_id": lambda tweets, _: _identifiers([tweet.conversation_id for tweet in tweets]),
    "in_reply_to": lambda tweets, _: _identifiers([tweet.in_reply_to_tweet_id for tweet in tweets]),
    "quoted": lambda tweets, _: _identifiers(
        [t.id if (t := tweet.quoted_tweet) else None for tweet in tweets]
    ),
    "reposted": lambda tweets, _: _identifiers(
        [t.id if (t := tweet.retweeted_tweet) else None for tweet in tweets]
    ),
    "hashtags": lambda tweets, _: _lists([tweet.hashtags for tweet in tweets], None),
    "mentions": lambda tweets, _: _lists(
        [tweet.mentioned_users for tweet in tweets],
        lambda users: [user.username for user in users if user.username],
    ),
    "urls": lambda tweets, _: pa.array([items.urls_of(tweet) for tweet in tweets], pa.list_(_TEXT)),
    "media": lambda tweets, _: _lists([tweet.media for tweet in tweets], items.media_of),
    "scraped_at": lambda tweets, fetched_at: pa.repeat(pa.scalar(fetched_at, TIME), len(tweets)),
}
