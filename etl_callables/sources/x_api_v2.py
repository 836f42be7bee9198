"""Responses of the X API v2 to posts: https://docs.x.com/x-api.

Both spellings are read: `tweet` and `retweet` as the API wrote them until 2025, `post` and `repost`
as its OpenAPI document names them since. Only `data` holds what was asked for; `includes` explains
it (authors, media, the posts that it refers to) and is no answer of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from etl_callables.post import Post, Skipped
from etl_callables.sources.x_text import unescaped

PLATFORM: Final = "twitter"

_REPOSTED: Final = re.compile(r"RT @(\w+): ")
"""How the text of a repost begins, which X cuts to the length of a short post."""

_T = TypeVar("_T")


class _User(msgspec.Struct):
    id: str
    username: str | None = None
    name: str | None = None


class _Variant(msgspec.Struct):
    url: str | None = None
    bit_rate: int | None = None


class _Medium(msgspec.Struct):
    media_key: str
    url: str | None = None
    preview_image_url: str | None = None
    variants: list[_Variant] | None = None


class _Includes(msgspec.Struct):
    users: list[Raw] | None = None
    media: list[Raw] | None = None
    posts: list[Raw] | None = None
    tweets: list[Raw] | None = None


class _Reference(msgspec.Struct):
    type: str
    id: str


class _Hashtag(msgspec.Struct):
    tag: str


class _Mention(msgspec.Struct):
    username: str


class _Url(msgspec.Struct):
    url: str | None = None
    expanded_url: str | None = None


class _Entities(msgspec.Struct):
    hashtags: list[_Hashtag] | None = None
    mentions: list[_Mention] | None = None
    urls: list[_Url] | None = None


class _Metrics(msgspec.Struct):
    like_count: int | None = None
    retweet_count: int | None = None
    repost_count: int | None = None
    reply_count: int | None = None
    quote_count: int | None = None
    bookmark_count: int | None = None
    impression_count: int | None = None


class _Note(msgspec.Struct):
    text: str | None = None
    entities: _Entities | None = None


class _Attachments(msgspec.Struct):
    media_keys: list[str] | None = None


class _Item(msgspec.Struct):
    id: str
    created_at: datetime | None = None
    text: str | None = None
    author_id: str | None = None
    username: str | None = None
    lang: str | None = None
    source: str | None = None
    conversation_id: str | None = None
    public_metrics: _Metrics | None = None
    referenced_tweets: list[_Reference] | None = None
    referenced_posts: list[_Reference] | None = None
    entities: _Entities | None = None
    attachments: _Attachments | None = None
    note_tweet: _Note | None = None
    note_post: _Note | None = None


class _Error(msgspec.Struct):
    title: str | None = None
    detail: str | None = None
    message: str | None = None
    parameter: str | None = None


class _Page(msgspec.Struct):
    data: Raw | UnsetType = UNSET
    includes: Raw | UnsetType = UNSET
    errors: Raw | UnsetType = UNSET
    meta: Raw | UnsetType = UNSET


class _Count(msgspec.Struct):
    start: str
    end: str


class _Person(msgspec.Struct):
    """A user where a post might be, who has a name and no text."""

    id: str
    username: str
    text: str | UnsetType = UNSET


_decode_page = msgspec.json.Decoder(_Page).decode
_decode_list = msgspec.json.Decoder(list[Raw]).decode
_decode_includes = msgspec.json.Decoder(_Includes).decode
_decode_error = msgspec.json.Decoder(_Error).decode
_decode_item = msgspec.json.Decoder(_Item).decode
_decode_user = msgspec.json.Decoder(_User).decode
_decode_medium = msgspec.json.Decoder(_Medium).decode
_decode_count = msgspec.json.Decoder(_Count).decode
_decode_person = msgspec.json.Decoder(_Person).decode


def read_page(body: bytes, fetched_at: datetime) -> list[Post | Skipped] | None:
    """The items of one response in its order, None when it is no such response.

    Raises msgspec.DecodeError where the response itself cannot be read.
    """
    page = _decode_page(body)
    if page.data is UNSET and page.errors is UNSET and page.meta is UNSET:
        return None
    items = _items(page)
    if items and all(map(_is_count, items)):
        return [Skipped("counts", f"{len(items)} counts, which are no posts")]
    if items and all(map(_is_person, items)):
        return [Skipped("users", f"{len(items)} users, who are no posts")]
    # What explains a page and cannot be read leaves fields null, and costs no post.
    context = _Context(_explained(page.includes, _decode_includes))
    found = [context.read(bytes(item), fetched_at) for item in items]
    return found + list(_missing(page, anything=bool(items)))


def _items(page: _Page) -> list[Raw]:
    """`data` is a list where many were asked for, one object on a stream or for a single id."""
    if page.data is UNSET:
        return []
    text = bytes(page.data).lstrip()
    if text.startswith(b"["):
        return _decode_list(text)
    return [] if text == b"null" else [page.data]


def _is_count(item: Raw) -> bool:
    try:
        _decode_count(item)
    except msgspec.DecodeError:
        return False
    return True


def _is_person(item: Raw) -> bool:
    try:
        return _decode_person(item).text is UNSET
    except msgspec.DecodeError:
        return False


def _missing(page: _Page, *, anything: bool) -> Iterator[Skipped]:
    """What was asked for and is not there: errors about an id asked for, or instead of any data.

    Errors about something that `data` only refers to cost no item.
    """
    for error in _readable(_explained(page.errors, _decode_list), _decode_error):
        if not anything or error.parameter in {"id", "ids"}:
            yield Skipped("x-error", error.detail or error.message or error.title or "no reason given")


class _Context:
    """What `includes` says about the items of a page."""

    __slots__ = ("media", "posts", "users")

    def __init__(self, includes: _Includes | None) -> None:
        self.users: dict[str, _User] = {}
        self.media: dict[str, str | None] = {}
        self.posts: dict[str, _Item] = {}
        if includes is None:
            return
        for user in _readable(includes.users, _decode_user):
            self.users[user.id] = user
        for medium in _readable(includes.media, _decode_medium):
            self.media[medium.media_key] = _best(medium)
        for item in _readable(includes.posts or includes.tweets, _decode_item):
            self.posts[item.id] = item

    def read(self, body: bytes, fetched_at: datetime) -> Post | Skipped:
        """The post of one item of `data`."""
        try:
            item = _decode_item(body)
        except msgspec.ValidationError as problem:
            return Skipped("unknown-shape", str(problem))
        if item.created_at is None:
            return Skipped("no-created-at", f"{item.id}: ask for the field created_at")
        created = item.created_at
        if created.tzinfo is not None:
            try:
                created = created.astimezone(UTC)
            except OverflowError:
                return Skipped("unknown-shape", f"{item.id}: no time in UTC is {created.isoformat()}")
        author = self.users.get(item.author_id or "")
        name = author.username if author else item.username
        metrics = item.public_metrics or _Metrics()
        refers = {to.type: to.id for to in item.referenced_posts or item.referenced_tweets or ()}
        reposted = refers.get("reposted", refers.get("retweeted"))
        text, entities = _whole(item, self.posts.get(reposted or ""))
        return Post(
            platform=PLATFORM,
            id=item.id,
            url=f"https://twitter.com/{name or 'i/web'}/status/{item.id}",
            author=name,
            author_name=author.name if author else None,
            author_id=item.author_id,
            created_at=created,
            text=unescaped(text),
            lang=item.lang,
            likes=metrics.like_count,
            reposts=metrics.retweet_count if metrics.repost_count is None else metrics.repost_count,
            replies=metrics.reply_count,
            quotes=metrics.quote_count,
            bookmarks=metrics.bookmark_count,
            views=metrics.impression_count,
            source_label=item.source,
            conversation_id=item.conversation_id,
            in_reply_to=refers.get("replied_to"),
            quoted=refers.get("quoted"),
            reposted=reposted,
            hashtags=None if entities is None else tuple(tag.tag for tag in entities.hashtags or ()),
            mentions=None if entities is None else tuple(who.username for who in entities.mentions or ()),
            urls=None if entities is None else _urls(entities),
            media=self._media(item),
            scraped_at=fetched_at,
        )

    def _media(self, item: _Item) -> tuple[str, ...] | None:
        if item.attachments is None or item.attachments.media_keys is None:
            return None
        return tuple(url for key in item.attachments.media_keys if (url := self.media.get(key)))


def _whole(item: _Item, original: _Item | None) -> tuple[str | None, _Entities | None]:
    """The text of a post and what is in it; of a repost those of the `original`, where the page has it."""
    text, entities = _said(item)
    begins = _REPOSTED.match(text or "")
    if original is None or begins is None:
        return text, entities
    whole, inside = _said(original)
    if whole is None:
        return text, entities
    if inside is not None:
        whom = [who for who in (entities.mentions if entities else None) or () if who.username == begins[1]]
        inside = msgspec.structs.replace(inside, mentions=[*whom[:1], *(inside.mentions or ())])
    return f"{begins[0]}{whole}", inside or entities


def _said(item: _Item) -> tuple[str | None, _Entities | None]:
    """The text of an item and what is in it; of a long post, all of it."""
    note = item.note_post or item.note_tweet
    text = note.text if note and note.text else item.text
    return text, note.entities if note and note.entities else item.entities


def _explained(part: Raw | UnsetType, decode: Callable[[Raw], _T]) -> _T | None:
    return None if part is UNSET else next(_readable([part], decode), None)


def _readable(raws: list[Raw] | None, decode: Callable[[Raw], _T]) -> Iterator[_T]:
    for raw in raws or ():
        try:
            yield decode(raw)
        except msgspec.ValidationError:  # an explanation we cannot read leaves the field null
            continue


def _urls(entities: _Entities) -> tuple[str, ...]:
    return tuple(url for link in entities.urls or () if (url := link.expanded_url or link.url))


def _best(medium: _Medium) -> str | None:
    films: list[Any] = [variant for variant in medium.variants or () if variant.url]
    if medium.url is None and films:
        return str(max(films, key=lambda variant: variant.bit_rate or 0).url)
    return medium.url or medium.preview_image_url
