"""Lemmy: the posts or comments of a community, or what a search finds, back to the window's start."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from etl_callables.errors import RetryLater, StaleCursor, Stop
from etl_callables.post import Post, Skipped
from etl_callables.run import Run
from etl_callables.sources import Page, Request, lemmy_api
from schemas.window import Window
from tests.servers.lemmy import SERVER, comment_view, post_view, server
from tests.servers.made import Made, made
from tests.servers.standin import Answer, StandIn

DAY = Window(datetime(2026, 6, 30, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
NOON = datetime(2026, 6, 30, 12, tzinfo=UTC)


def ask(service: StandIn, query: str | None = None, **options: str) -> list[Page]:
    request = Request(query, DAY, None, {"server": SERVER, **options}, credentials={"host": service.url})
    return list(lemmy_api.pages(request, None, Run(sleep=lambda _: None)))


def read(pages: Sequence[Page]) -> list[Post | Skipped]:
    return [item for page in pages for body in page.bodies for item in lemmy_api.posts(body, DAY.end)]


def ids(pages: Sequence[Page]) -> list[str]:
    return [item.id for item in read(pages) if isinstance(item, Post)]


@pytest.mark.parametrize("cursors", [True, False])
def test_a_community_is_read_back_until_a_page_lies_before_the_window(cursors: bool) -> None:
    before = made(500, Window(DAY.start - timedelta(days=30), DAY.start), first=100)
    with StandIn(server([*made(120, DAY), *before], cursors=cursors)) as service:
        pages = ask(service, community="!health")
    assert ids(pages)[:120] == [f"post/{number}" for number in range(1119, 999, -1)]
    assert len(service.asked) == 4
    assert service.asked[0].query == {
        "sort": "New",
        "limit": "50",
        "type_": "All",
        "community_name": "health",
    }


def test_comments_have_pages_by_number() -> None:
    with StandIn(server(made(120, DAY))) as service:
        pages = ask(service, community="health", items="comments")
    assert ids(pages) == [f"comment/{number}" for number in range(1119, 999, -1)]
    assert [asked.query.get("page") for asked in service.asked] == [None, "2", "3", "4"]


@pytest.mark.parametrize("items", ["posts", "comments"])
def test_a_search_may_keep_to_a_community(items: str) -> None:
    with StandIn(server(made(70, DAY))) as service:
        pages = ask(service, "covid", community="health", items=items)
    assert len(set(ids(pages))) == 70
    asked = service.asked[0]
    assert asked.path == "/api/v3/search"
    assert asked.query["type_"] == items.capitalize()
    assert (asked.query["q"], asked.query["community_name"]) == ("covid", "health")


def test_a_community_that_is_not_there_stops() -> None:
    with StandIn(server([])) as service, pytest.raises(Stop, match="couldnt_find_community"):
        ask(service, community="nowhere")


def test_too_many_questions_are_for_later_however_lemmy_puts_it() -> None:
    answer = Answer(b'{"error":"rate_limit_error"}', 400)
    with StandIn(lambda _: answer) as service, pytest.raises(RetryLater, match="enough questions"):
        ask(service, community="health")
    assert len(service.asked) == 1


def test_nothing_to_read_is_refused() -> None:
    with StandIn(server([])) as service, pytest.raises(Stop, match="Nothing says what to read"):
        ask(service)


@pytest.mark.parametrize("status", [400, 404])
def test_a_cursor_that_is_refused_begins_anew_and_ends_no_run_for_ever(status: int) -> None:
    """The post that a cursor names may have been purged since."""
    refusal = Answer(b'{"error":"not_found"}', status)
    options = {"server": SERVER, "community": "health"}
    with StandIn(server(made(120, DAY))) as service:
        service.instead[0] = refusal
        with pytest.raises(StaleCursor, match="knows no more where the list was"):
            list(
                lemmy_api.pages(
                    Request(None, DAY, None, options, credentials={"host": service.url}), "P50", Run()
                )
            )


@pytest.mark.parametrize("body", [b'{"well": "yes"}', b"[]", b"5", b'"x"', b"null"])
def test_what_is_no_page_is_for_later(body: bytes) -> None:
    with StandIn(lambda _: Answer(body)) as service, pytest.raises(RetryLater, match="no page of posts"):
        ask(service, community="health")


MADE = Made(77, NOON, "covid")
POST = Post(
    platform="lemmy",
    id="post/77",
    url=f"https://{SERVER}/post/77",
    author="sample_ada",
    author_name="Ada",
    author_id="4",
    created_at=NOON,
    text="covid\n\nmore of it",
    lang=None,
    likes=7,
    reposts=None,
    replies=3,
    quotes=None,
    bookmarks=None,
    views=None,
    source_label=None,
    conversation_id="post/77",
    in_reply_to=None,
    quoted=None,
    reposted=None,
    hashtags=None,
    mentions=None,
    urls=("https://example.org/77",),
    media=None,
    scraped_at=DAY.end,
)


def row(view: Any) -> Post | Skipped:
    kind = "comments" if "comment" in view else "posts"
    (item,) = lemmy_api.posts(json.dumps({kind: [view]}).encode(), DAY.end)
    return item


def test_a_post_is_its_title_its_text_and_its_link() -> None:
    assert row(post_view(MADE)) == POST
    assert row(post_view(MADE, url=None, body=None)) == POST._replace(text="covid", urls=())
    assert row(post_view(MADE, published="2026-06-30T12:00:00.000000")) == POST  # as Lemmy 0.18 wrote it


@pytest.mark.parametrize(("path", "parent"), [("0.12.77", "comment/12"), ("0.77", "post/9")])
def test_a_comment_knows_its_thread_and_what_it_answers(path: str, parent: str) -> None:
    assert row(comment_view(MADE, path)) == POST._replace(
        id="comment/77", url=f"https://{SERVER}/comment/77", text="covid", likes=2, replies=4,
        conversation_id="post/9", in_reply_to=parent, urls=(),
    )  # fmt: skip


def test_an_account_of_another_server_is_named_in_full() -> None:
    view = post_view(MADE)
    away = {**view["creator"], "local": False, "actor_id": "https://other.example/u/sample_ada"}
    assert row({**view, "creator": away}) == POST._replace(author="sample_ada@other.example")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"removed": True}, "unavailable"),
        ({"deleted": True}, "unavailable"),
        ({"published": None}, "unknown-shape"),
    ],
)
def test_what_is_no_post_any_more_is_skipped(change: dict[str, Any], reason: str) -> None:
    item = row(post_view(MADE, **change))
    assert isinstance(item, Skipped)
    assert item.reason == reason
