"""Posts of Bluesky from a page that the real AppView gave for made-up people, and from odd ones."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from etl_callables.post import Post, Skipped
from etl_callables.sources.bluesky_feeds import skipping
from etl_callables.sources.bluesky_items import created, posts
from etl_callables.sources.bluesky_session import home

PAGE = json.loads(Path(__file__).with_name("pages").joinpath("bluesky/account.json").read_bytes())
NOW = datetime(2026, 7, 1, tzinfo=UTC)
PICTURE = (
    "https://bsky.public.url/img/feed_fullsize/plain/did:plc:ada/"
    "bafkreidlp6sdj6jkroakvmbntpy2clsj77foijheae5byt3iwz7d2k542a"
)


def read(*items: Any) -> list[Post | Skipped]:
    return list(posts(json.dumps({"feed": items}).encode(), NOW))


def by_text() -> dict[str, Post]:
    found = read(*PAGE["feed"])
    assert all(isinstance(item, Post) for item in found)
    return {item.text or "": item for item in found if isinstance(item, Post)}


def changed(**changes: Any) -> dict[str, Any]:
    """The recorded post `pictures`, changed."""
    (item,) = (one for one in PAGE["feed"] if one["post"]["record"]["text"] == "pictures")
    item = copy.deepcopy(item)
    for path, value in changes.items():
        part = item["post"]
        *steps, last = path.split("__")
        for step in steps:
            part = part[step]
        part[last] = value
    return dict(item)


def one(**changes: Any) -> Post:
    (item,) = read(changed(**changes))
    assert isinstance(item, Post), item
    return item


def test_the_media_of_a_post_are_its_largest_pictures_and_films_of_any_embed() -> None:
    posts = by_text()
    assert posts["pictures"].media == (PICTURE,)
    assert posts["a gallery"].media == (PICTURE,)
    assert posts["a quote with pictures"].media == (PICTURE,)
    (film,) = posts["a film"].media or ()
    assert film.endswith("/playlist.m3u8")
    assert posts["a card"].media == ()


def test_the_quoted_post_is_known_alone_beside_media_and_when_it_is_gone() -> None:
    posts = by_text()
    quoted = posts["a quote"].quoted
    assert quoted
    assert quoted.startswith("at://did:plc:bob/app.bsky.feed.post/")
    assert posts["a quote with pictures"].quoted == posts["a quote with a card"].quoted == quoted
    assert posts["a quote of what is gone"].quoted not in (None, quoted)
    assert posts["a feed, which is no quote"].quoted is None


def test_links_are_those_of_the_text_and_of_a_card() -> None:
    posts = by_text()
    assert posts["a card"].urls == ("https://example.org/card",)
    assert posts["a quote with a card"].urls == ("https://example.org/beside",)
    assert posts["é #tag @bob-2.test https://example.org/link"].urls == ("https://example.org/link",)
    assert posts["pictures"].urls == ()


def test_tags_mentions_and_the_conversation_are_read() -> None:
    post = by_text()["é #tag @bob-2.test https://example.org/link"]
    assert (post.hashtags, post.mentions, post.lang) == (("tag", "hidden"), ("did:plc:bob",), "fr")
    assert post.in_reply_to == post.conversation_id == by_text()["a quote"].quoted


def test_the_first_of_several_languages_counts() -> None:
    assert by_text()["a card"].lang == "pt-BR"
    assert by_text()["a film"].lang is None


def test_a_repost_is_a_row_of_its_own_with_nothing_of_the_other_post_in_it() -> None:
    post = by_text()[""]
    assert (post.author, post.author_id, post.author_name) == ("ada-1.test", "did:plc:ada", "Ada")
    assert post.reposted == by_text()["a quote"].quoted
    assert post.id.startswith("at://did:plc:ada/app.bsky.feed.repost/")
    assert post.created_at == datetime(2026, 3, 1, 12, 0, 20, tzinfo=UTC)
    filled = {name for name, value in post._asdict().items() if value is not None}
    assert filled == {
        *("platform", "id", "author", "author_name", "author_id", "created_at", "reposted", "scraped_at")
    }


def test_a_repost_without_a_name_of_its_own_is_skipped() -> None:
    (item,) = (item for item in PAGE["feed"] if "reason" in item)
    reason = {name: value for name, value in item["reason"].items() if name != "uri"}
    (skipped,) = read({**item, "reason": reason})
    assert isinstance(skipped, Skipped)
    assert skipped.reason == "repost"


def test_a_pinned_post_is_a_post() -> None:
    (post,) = read({**changed(), "reason": {"$type": "app.bsky.feed.defs#reasonPin"}})
    assert isinstance(post, Post)
    assert post.text == "pictures"


def test_a_post_cannot_be_from_later_than_it_was_seen() -> None:
    post = by_text()["from the future"]
    assert post.created_at < datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "seen", "expected"),
    [
        ("2026-03-01T12:00:00Z", "2026-03-02T00:00:00.000Z", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01T12:00:00+02:00", "2026-03-02T00:00:00.000Z", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        (
            "2026-03-01T12:00:00.123456789Z",
            "2026-03-02T00:00:00Z",
            datetime(2026, 3, 1, 12, 0, 0, 123456, UTC),
        ),
        ("2026-03-01T12:00:00", "2026-03-02T00:00:00.000Z", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("yesterday", "2026-03-02T00:00:00.000Z", datetime(2026, 3, 2, tzinfo=UTC)),
        (None, "2026-03-02T00:00:00.000Z", datetime(2026, 3, 2, tzinfo=UTC)),
        ("2026-03-03T12:00:00Z", None, datetime(2026, 3, 3, 12, tzinfo=UTC)),
    ],
)
def test_the_time_of_a_post_is_what_bluesky_sorts_by(said: Any, seen: Any, expected: datetime) -> None:
    assert created({"record": {"createdAt": said}, "indexedAt": seen}) == expected


def test_a_post_without_any_time_is_skipped() -> None:
    (item,) = read(changed(record__createdAt="yesterday", indexedAt=None))
    assert isinstance(item, Skipped)
    assert "no createdAt" in item.detail


def test_a_handle_that_leads_nowhere_is_no_name_and_not_in_the_address() -> None:
    post = one(author__handle="handle.invalid")
    assert post.author is None
    assert post.url
    assert post.url.startswith("https://bsky.app/profile/did:plc:ada/post/")


@pytest.mark.parametrize(
    "changes",
    [
        {"record__facets": [{"features": None}, {}]},
        {"record__facets": [{"features": ["odd", {"$type": "new"}]}]},
        {"record__embed": "odd", "embed": "odd"},
        {"record__embed": {"record": "odd"}, "embed": {"images": [{"fullsize": 7}]}},
        {"record__langs": [], "record__tags": None, "record__reply": None},
        {"record__langs": "odd", "record__tags": "odd", "record__reply": "odd", "record__facets": "odd"},
        {"record__langs": [7], "record__tags": [7], "record__facets": ["odd"]},
    ],
)
def test_what_a_client_wrote_oddly_costs_a_field_and_not_the_post(changes: dict[str, Any]) -> None:
    assert one(**changes).text == "pictures"


def test_a_text_that_is_none_is_null() -> None:
    assert one(record__text=5).text is None


def test_counts_that_are_no_counts_are_null() -> None:
    post = one(likeCount=-1, repostCount="3", replyCount=None)
    assert (post.likes, post.reposts, post.replies, post.quotes) == (None, None, None, 0)


def test_one_broken_post_costs_no_other() -> None:
    found = read(changed(uri=None), changed(), {"post": 7}, "odd")
    assert [isinstance(item, Post) for item in found] == [False, True, False, False]


@pytest.mark.parametrize(
    ("cursor", "expected"),
    [
        ("2026-03-05T00:00:00.000Z", "2026-03-02T00:00:00.000Z"),
        ("2026-03-01T00:00:00.000Z", "2026-03-01T00:00:00.000Z"),
        ("1772668800000__bafy", "1772409600000__bafy"),
        ("1772323200000__bafy", "1772323200000__bafy"),
        ("opaque", "opaque"),
        ("", ""),
    ],
)
def test_a_cursor_is_moved_to_the_windows_end_where_its_form_is_known(cursor: str, expected: str) -> None:
    assert skipping(cursor, datetime(2026, 3, 2, tzinfo=UTC)) == expected


SESSION = {"didDoc": {"service": [{"id": "#atproto_pds", "serviceEndpoint": "https://morel.example.net"}]}}


@pytest.mark.parametrize(
    ("session", "named", "expected"),
    [
        (SESSION, False, "https://morel.example.net"),
        (SESSION, True, "https://bsky.social"),
        ({}, False, "https://bsky.social"),
        (
            {"didDoc": {"service": [{"id": "#atproto_pds", "serviceEndpoint": "http://10.0.0.1"}]}},
            False,
            "https://bsky.social",
        ),
        (
            {"didDoc": {"service": [{"id": "#other", "serviceEndpoint": "https://a.b"}]}},
            False,
            "https://bsky.social",
        ),
        ({"didDoc": {"service": "odd"}}, False, "https://bsky.social"),
    ],
)
def test_questions_go_where_the_account_lives_unless_the_connection_says_where(
    session: Any, named: bool, expected: str
) -> None:
    assert home(session, "https://bsky.social", named=named) == expected
