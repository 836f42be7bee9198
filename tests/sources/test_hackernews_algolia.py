"""Hacker News: every item of a window, however many more there are than a search gives."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_callables import extract
from etl_callables.errors import RetryLater, Stop
from etl_callables.post import Post, Skipped
from etl_callables.run import Run
from etl_callables.sources import Page, Request, hackernews_algolia
from schemas.window import Window
from tests.etl_callables.jobs import job
from tests.servers.hackernews import comment, search, story
from tests.servers.made import Made, made
from tests.servers.standin import Answer, StandIn

DAY = Window(datetime(2026, 6, 30, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
NOON = datetime(2026, 6, 30, 12, tzinfo=UTC)


def ask(service: StandIn, cursor: str | None = None, limit: int | None = None, **options: str) -> list[Page]:
    request = Request("covid", DAY, limit, options, credentials={"host": service.url})
    return list(hackernews_algolia.pages(request, cursor, Run()))


def read(pages: Sequence[Page]) -> list[Post | Skipped]:
    return [item for page in pages for body in page.bodies for item in hackernews_algolia.posts(body, NOON)]


def numbers(pages: Sequence[Page]) -> list[int]:
    return [int(item.id) for item in read(pages) if isinstance(item, Post)]


def test_a_window_that_one_answer_covers_costs_one_question() -> None:
    with StandIn(search(made(999, DAY))) as service:
        pages = ask(service)
    assert [(len(read([page])), page.cursor, page.truncated) for page in pages] == [(999, None, None)]
    (asked,) = service.asked
    assert asked.query == {
        "query": "covid",
        "tags": "(story,comment,poll,job)",
        "hitsPerPage": "1000",
        "numericFilters": "created_at_i>=1782777600,created_at_i<1782864000",
        "typoTolerance": "false",
        "advancedSyntax": "true",
    }


def test_a_window_of_exactly_the_depth_is_looked_at_once_more() -> None:
    with StandIn(search(made(1000, DAY))) as service:
        pages = ask(service)
    assert set(numbers(pages)) == set(range(1000, 2000))
    assert len(service.asked) == 2


def test_a_deep_window_is_cut_into_parts_that_together_hold_everything() -> None:
    with StandIn(search(made(12_345, DAY))) as service:
        pages = ask(service)
    assert sorted(set(numbers(pages))) == list(range(1000, 13_345))
    assert {page.truncated for page in pages} == {None}
    assert [page.cursor is None for page in pages] == [False] * (len(pages) - 1) + [True]
    assert len(service.asked) == 18  # the first, and 17 parts of about 700
    assert len(numbers(pages)) - 12_345 < 20  # the seconds between parts are asked for on one side only


def test_uneven_parts_are_followed_to_their_end() -> None:
    """Most of the day's items come in one hour."""
    rush = Window(NOON, NOON + timedelta(hours=1))
    posts = made(3000, rush, first=100_000) + made(500, DAY)
    with StandIn(search(posts)) as service:
        assert set(numbers(ask(service))) == {post.number for post in posts}


def test_parts_in_which_there_is_nothing_have_no_page_but_for_the_last() -> None:
    """So that whoever reads on knows that this is the end."""
    posts = made(3000, Window(DAY.end - timedelta(hours=2), DAY.end))
    with StandIn(search(posts)) as service:
        pages = ask(service)
        assert set(numbers(pages)) == {post.number for post in posts}
    assert [page.cursor is None for page in pages] == [False] * (len(pages) - 1) + [True]
    assert [bool(read([page])) for page in pages].count(False) == 1


@pytest.mark.parametrize("limit", [1, 150, 1000, 2500])
def test_a_limit_asks_for_no_more_than_it_needs(limit: int) -> None:
    with StandIn(search(made(12_345, DAY))) as service:
        request = Request("covid", DAY, limit, credentials={"host": service.url})
        got: set[int] = set()
        for page in hackernews_algolia.pages(request, None, Run()):
            got.update(numbers([page]))
            if len(got) >= limit:
                break
    assert max(got) == 13_344
    assert len(service.asked) == -(-limit // 1000)  # nothing ahead of what is wanted
    assert service.asked[0].query["hitsPerPage"] == str(min(limit, 1000))


def test_from_any_cursor_on_comes_what_came_after_it() -> None:
    with StandIn(search(made(300, DAY), depth=20)) as service:
        # As many hits as fill several parts, in a service of small depth.
        pages = ask(service)
        whole = numbers(pages)
        for index, page in enumerate(pages[:-1]):
            rest = ask(service, page.cursor)
            assert numbers(rest) == numbers(pages[index + 1 :])
            assert set(numbers(pages[: index + 1])) | set(numbers(rest)) == set(whole)


def test_more_items_in_one_second_than_an_answer_holds_are_told() -> None:
    crowd = [Made(5000 + number, NOON) for number in range(1100)]
    with StandIn(search([*made(10, DAY), *crowd])) as service:
        pages = ask(service)
    assert [page.truncated for page in pages if page.truncated] == [
        "more than 1,000 items in the one second 2026-06-30 12:00:00 UTC"
    ]
    found = set(numbers(pages))
    assert found >= set(range(1000, 1010))
    assert len(found) == 1010


def test_a_small_limit_finds_all_of_a_second_that_fills_its_pages() -> None:
    """The first hit may be one that cannot be read."""
    posts = [Made(1, NOON), Made(2, NOON), Made(3, NOON - timedelta(hours=1))]
    with StandIn(search(posts)) as service:
        pages = ask(service, limit=1)
    assert set(numbers(pages)) == {1, 2, 3}
    assert {page.truncated for page in pages} == {None}


def test_a_number_of_hits_that_is_only_about_right_alarms_nobody() -> None:
    whole = search(made(5, DAY))

    def answer(asked: Any) -> Any:
        given = whole(asked)
        return {**given, "nbHits": given["nbHits"] + 1} if isinstance(given, dict) else given

    with StandIn(answer) as service:
        pages = ask(service)
    assert set(numbers(pages)) == set(range(1000, 1005))
    assert {page.truncated for page in pages} == {None}


def test_a_time_that_cannot_be_meant_is_none() -> None:
    hit = {**story(Made(1, NOON)), "created_at_i": 10**12}
    with StandIn(lambda _: {"hits": [hit] * 1000, "nbHits": 5000}) as service:
        (page,) = ask(service)
    assert page.truncated == "hits without a time, after which nothing can be asked for"


@settings(max_examples=30)
@given(
    st.lists(st.integers(0, 86_399), max_size=120),
    st.integers(8, 40),
)
def test_whenever_items_were_made_all_are_found_or_a_second_is_too_full(
    seconds: list[int], depth: int
) -> None:
    posts = [Made(number + 1, DAY.start + timedelta(seconds=at)) for number, at in enumerate(seconds)]
    fullest = max(Counter(seconds).values(), default=0)
    with StandIn(search(posts, depth=depth)) as service:
        pages = ask(service)
    if fullest < depth:
        assert set(numbers(pages)) == {post.number for post in posts}
        assert {page.truncated for page in pages} == {None}
    else:
        lost = len(posts) - len(set(numbers(pages)))
        assert (lost > 0) <= any(page.truncated for page in pages)


def test_parts_are_asked_for_side_by_side() -> None:
    """Every question of a full round arrives before the first of them is answered."""
    import threading

    posts = made(12_345, DAY)
    found = search(posts)
    together = threading.Barrier(hackernews_algolia.THREADS)
    turns = threading.Semaphore(hackernews_algolia.THREADS)  # of the questions after the first

    def answer(asked: Any) -> Any:
        if len(service.asked) > 1 and turns.acquire(blocking=False):
            together.wait(10)
        return found(asked)

    with StandIn(answer) as service:
        assert len(set(numbers(ask(service)))) == 12_345


def test_days_asked_for_side_by_side_share_their_connections(tmp_path: Path) -> None:
    month = Window(DAY.end - timedelta(days=30), DAY.end)
    with StandIn(search(made(300, month))) as service:
        run = Run(connection=lambda _: {"host": service.url})
        asked = job(
            tmp_path, source="hackernews", via="algolia", query="covid", limit=60, per="day",
            source_connection="x",
        )  # fmt: skip
        done = extract(asked, month, run)
        assert (done["posts"], done["pages"]) == (60, 30)
        assert len(service.asked) == 30
        assert service.connected <= hackernews_algolia.THREADS


def test_a_page_without_hits_is_for_later() -> None:
    with StandIn(lambda _: {"message": "all well"}) as service, pytest.raises(RetryLater, match="no page of"):
        ask(service)


def test_hits_without_times_end_the_search_and_say_so() -> None:
    with StandIn(lambda _: {"hits": [{}] * 1000, "nbHits": 5000}) as service:
        pages = ask(service)
    assert [(page.cursor, page.truncated) for page in pages] == [
        (None, "hits without a time, after which nothing can be asked for")
    ]


@pytest.mark.parametrize("query", [None, ""])
def test_a_search_for_nothing_is_refused(query: str | None) -> None:
    with pytest.raises(Stop, match="needs a `query`"):
        list(hackernews_algolia.pages(Request(query, DAY), None, Run()))


@pytest.mark.parametrize(("items", "tags"), [("stories", "story"), ("ask", "ask_hn"), ("jobs", "job")])
def test_what_to_look_through_can_be_said(items: str, tags: str) -> None:
    with StandIn(search([])) as service:
        ask(service, items=items)
    assert service.asked[0].query["tags"] == tags


# --- items ------------------------------------------------------------------------------------------


def row(hit: dict[str, Any]) -> Post | Skipped:
    (item,) = hackernews_algolia.posts(json.dumps({"hits": [hit]}).encode(), DAY.end)
    return item


POST = Post(
    platform="hackernews",
    id="77",
    url="https://news.ycombinator.com/item?id=77",
    author="sample_ada",
    author_name=None,
    author_id=None,
    created_at=NOON,
    text="a <title> & more",
    lang=None,
    likes=57,
    reposts=None,
    replies=3,
    quotes=None,
    bookmarks=None,
    views=None,
    source_label=None,
    conversation_id="77",
    in_reply_to=None,
    quoted=None,
    reposted=None,
    hashtags=None,
    mentions=None,
    urls=("https://example.org/77",),
    media=None,
    scraped_at=DAY.end,
)
MADE = Made(77, NOON, "a <title> & more")


def test_a_story_is_its_title_and_link() -> None:
    assert row(story(MADE)) == POST


def test_a_text_post_is_its_title_and_its_text() -> None:
    hit = {**story(MADE), "url": None, "story_text": '<p>one &amp; <a href="https://a.example/">two</a>'}
    assert row(hit) == POST._replace(text="a <title> & more\n\none & two", urls=("https://a.example/",))


def test_a_comment_is_its_text_and_knows_what_it_answers() -> None:
    hit = {**comment(MADE), "comment_text": "It&#x27;s<p>here: <i>a</i>"}
    assert row(hit) == POST._replace(
        text="It's\n\nhere: a", likes=None, replies=None, conversation_id="5", in_reply_to="7", urls=()
    )


@pytest.mark.parametrize(
    "change",
    [
        {"objectID": None},
        {"created_at_i": None, "created_at": None},
        {"created_at_i": "x"},
        {"story_text": 7},
    ],
)
def test_a_hit_without_what_a_post_needs_is_skipped(change: dict[str, Any]) -> None:
    item = row({**story(MADE), **change})
    assert isinstance(item, Skipped)
    assert item.reason == "unknown-shape"


def test_the_time_as_a_text_serves_where_the_number_is_missing() -> None:
    item = row({**story(MADE), "created_at_i": None})
    assert item == POST


def test_an_answer_of_the_service_over_several_lines_is_kept_on_one() -> None:
    pretty = json.dumps({"hits": [story(replace(MADE, text="a"))], "nbHits": 1}, indent=2).encode()
    with StandIn(lambda _: Answer(pretty)) as service:
        (page,) = ask(service)
    assert b"\n" not in page.bodies[0]
    assert numbers([page]) == [77]
