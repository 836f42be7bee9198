"""Made-up users and posts of X, and how the API v2 writes them, in both of its spellings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

_TWEPOCH: Final = 1288834974657
"""Milliseconds at which identifiers with a time in them begin."""

_OLD_NAMES: Final = {
    "edit_history_post_ids": "edit_history_tweet_ids",
    "referenced_posts": "referenced_tweets",
    "note_post": "note_tweet",
    "repost_count": "retweet_count",
    "post_count": "tweet_count",
    "posts": "tweets",
    "total_post_count": "total_tweet_count",
}


@dataclass(frozen=True, slots=True)
class User:
    """A user; `posted` is how many posts the profile says there are."""

    id: str
    username: str
    name: str
    posted: int = 1
    protected: bool = False


@dataclass(frozen=True, slots=True)
class Post:
    """A post. `reply`, `quote` and `repost` are identifiers of others; `photos` is how many it has."""

    id: str
    author: User
    created: datetime
    text: str = "covid"
    lang: str = "en"
    likes: int = 3
    photos: int = 0
    reply: str | None = None
    quote: str | None = None
    repost: str | None = None
    note: str | None = None


def snowflake(moment: datetime, number: int = 0) -> str:
    """The identifier X gives to the `number`-th post of a moment."""
    milliseconds = round(moment.timestamp() * 1000) - _TWEPOCH
    return str((milliseconds << 22) + number)


AUTHORS: Final = tuple(
    User(str(7_000 + number), f"sample_{name}", name.title(), 20 + number)
    for number, name in enumerate(("ada", "bo", "cleo", "dev", "eli"))
)


def made_up(
    count: int, newest: datetime, apart: timedelta = timedelta(minutes=1), text: str = "covid"
) -> list[Post]:
    """Posts of several authors, newest first, the same time apart."""
    return [
        Post(
            id=snowflake(created := newest - number * apart, number % 4096),
            author=AUTHORS[number % len(AUTHORS)],
            created=created.astimezone(UTC),
            text=f"{text} number {number} #sample",
            likes=number % 50,
            photos=1 if number % 10 == 0 else 0,
        )
        for number in range(count)
    ]


def rendered(post: Post, shown: Collection[str]) -> dict[str, Any]:
    """A post as the API writes it, with the fields and references asked for."""
    at = post.text.find("#sample")
    refers = {"replied_to": post.reply, "quoted": post.quote, "retweeted": post.repost}
    everything: dict[str, Any] = {
        "author_id": post.author.id,
        "created_at": stamp(post.created),
        "conversation_id": post.reply or post.id,
        "lang": post.lang,
        "public_metrics": {
            "repost_count": 1,
            "reply_count": 2,
            "like_count": post.likes,
            "quote_count": 0,
            "bookmark_count": 4,
            "impression_count": 100,
        },
    }
    if at >= 0:
        everything["entities"] = {"hashtags": [{"start": at, "end": at + 7, "tag": "sample"}]}
    if post.photos:
        everything["attachments"] = {"media_keys": media_keys(post)}
    if any(refers.values()):
        everything["referenced_posts"] = [{"type": kind, "id": to} for kind, to in refers.items() if to]
    if post.note:
        everything["note_post"] = {"text": post.note}
    return {
        "id": post.id,
        "text": post.text,
        "edit_history_post_ids": [post.id],
        **{name: value for name, value in everything.items() if name in shown},
    }


def media_keys(post: Post) -> list[str]:
    return [f"3_{post.id}{number}" for number in range(post.photos)]


def included_users(posts: Iterable[Post]) -> list[dict[str, Any]]:
    """The authors of some posts, each once."""
    return [profile(user) for user in dict.fromkeys(post.author for post in posts)]


def profile(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "username": user.username,
        "name": user.name,
        "public_metrics": {
            "followers_count": 1,
            "following_count": 2,
            "post_count": user.posted,
            "listed_count": 0,
        },
    }


def included_media(posts: Iterable[Post]) -> list[dict[str, Any]]:
    return [
        {"media_key": key, "type": "photo", "url": f"https://example.org/{key}.jpg"}
        for post in posts
        for key in media_keys(post)
    ]


def stamp(moment: datetime) -> str:
    """A time as the API writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def old_spelling(value: Any) -> Any:
    """An answer as the API wrote it when posts were tweets."""
    return respelled(value, _OLD_NAMES)


def new_spelling(value: Any) -> Any:
    """The other way round."""
    return respelled(value, {old: new for new, old in _OLD_NAMES.items()})


def respelled(value: Any, names: Mapping[str, str]) -> Any:
    """The same JSON with some names changed, at any depth."""
    if isinstance(value, list):
        return [respelled(item, names) for item in value]
    if isinstance(value, dict):
        return {names.get(name, name): respelled(item, names) for name, item in value.items()}
    return value
