"""How a search of Bluesky is cut and put together again, over a service in memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from etl_callables.post import Post
from etl_callables.sources import Page, Request, bluesky_api
from etl_callables.sources.bluesky_search import search
from etl_callables.sources.bluesky_session import Session
from etl_callables.verdict import Answer
from schemas.window import Window
from tests.servers.bluesky_stand_in import view
from tests.servers.made import Made

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = Window(START, START + timedelta(days=1))


class Shelf:
    """A search over posts at milliseconds after the window's start: newest first, to an end at `depth`.

    With `knows_dates` off it takes no notice of `since` and `until`, as the open AppView by itself does.
    With `leads_on` each full page has a cursor, the last one too, which leads to a page without posts.
    """

    def __init__(
        self, posts: Sequence[int], *, depth: int = 10_000, knows_dates: bool = True, leads_on: bool = False
    ) -> None:
        self.asked: list[dict[str, Any]] = []
        self._depth, self._knows_dates, self._leads_on = depth, knows_dates, leads_on
        self._posts = sorted(((at, number) for number, at in enumerate(posts)), reverse=True)

    def get(self, _: str, asked: dict[str, Any]) -> Answer:
        self.asked.append(dict(asked))
        low, high = (
            (datetime.fromisoformat(asked[name]) - START) / timedelta(milliseconds=1)
            for name in ("since", "until")
        )
        found = [post for post in self._posts if not self._knows_dates or low <= post[0] < high]
        start = int(asked.get("cursor", 0))
        end = min(start + asked["limit"], self._depth)
        page: dict[str, Any] = {"posts": [_view(at, number) for at, number in found[start:end]]}
        if end < min(len(found), self._depth) or (self._leads_on and end == start + asked["limit"]):
            page["cursor"] = str(end)
        return Answer(200, {}, json.dumps(page).encode(), "", page)


def _view(at: int, number: int) -> dict[str, Any]:
    stamp = f"{(START + timedelta(milliseconds=at)).isoformat(timespec='milliseconds')[:-6]}Z"
    shown = view(Made(number, START))
    return {**shown, "record": {**shown["record"], "createdAt": stamp}, "indexedAt": stamp}


def ask(
    shelf: Shelf, *, window: Window = DAY, limit: int | None = None, cursor: str | None = None
) -> list[Page]:
    return list(search(cast("Session", shelf), Request("covid", window, limit), cursor))


def found(pages: Sequence[Page], window: Window = DAY) -> Counter[int]:
    """How often each post of the window was given."""
    items = [item for page in pages for body in page.bodies for item in bluesky_api.posts(body, window.end)]
    posts = [item for item in items if isinstance(item, Post)]
    assert len(posts) == len(items)
    return Counter(
        int(post.id.rpartition("made")[2]) for post in posts if window.start <= post.created_at < window.end
    )


spread = st.integers(0, 86_399_999)
crowd = st.builds(lambda at, many: [at] * many, spread, st.integers(1, 700))
stretch = st.builds(
    lambda at, many, step: [at + step * number for number in range(many) if at + step * number < 86_400_000],
    spread,
    st.integers(1, 1200),
    st.sampled_from([1, 1000, 60_000]),
)


@settings(max_examples=60)
@given(
    st.lists(crowd | stretch, max_size=3),
    st.integers(500, 800),
    st.sampled_from([None, 5000]),
    st.booleans(),
    st.randoms(use_true_random=False),
)
@example([[86_399_999] * 101], 500, None, False, Random(0))
@example([list(range(0, 700_000, 1000))], 800, 5000, True, Random(0))
@example([list(range(0, 1_500_000, 1000))], 500, 5000, True, Random(0))
def test_however_posts_lie_all_are_found_or_what_is_missing_is_told(
    parts: list[list[int]], depth: int, limit: int | None, leads_on: bool, random: Random
) -> None:
    times = [at for part in parts for at in part]
    shelf = Shelf(times, depth=depth, leads_on=leads_on)
    pages = ask(shelf, limit=limit)
    given = found(pages)
    missing = set(range(len(times))) - set(given)
    told = [page.truncated for page in pages if page.truncated]
    most = max(Counter(times).values(), default=0)
    assert bool(missing) <= bool(told), "nothing is missing in silence"
    # A search that ends after 500 of one moment may have come to its end there: that cannot be known.
    assert bool(told) <= (most >= min(depth, 500)), "nothing is called missing that a search can reach"
    assert [page.cursor is None for page in pages] == [False] * (len(pages) - 1) + [True]
    # The first question and the eight that the rest of the window is divided among, then the pages.
    assert len(shelf.asked) <= 9 + 1.5 * (len(times) / 100) + 8 * leads_on
    number = random.randrange(len(pages))
    if pages[number].cursor is not None:
        rest = ask(Shelf(times, depth=depth, leads_on=leads_on), limit=limit, cursor=pages[number].cursor)
        assert rest == pages[number + 1 :]


@pytest.mark.parametrize("limit", [None, 5000])
def test_a_search_that_knows_no_dates_is_filtered_and_ends_at_the_windows_start(limit: int | None) -> None:
    evening = Window(START + timedelta(hours=6), START + timedelta(hours=12))
    times = [number * 60_000 for number in range(1440)]
    shelf = Shelf(times, knows_dates=False)
    pages = ask(shelf, window=evening, limit=limit)
    assert set(found(pages, evening)) == set(range(360, 720))
    assert {page.truncated for page in pages} == {None}
    assert pages[-1].cursor is None
    assert len(shelf.asked) <= 40


def test_few_hits_are_one_question_and_some_are_one_for_each_page() -> None:
    for count, questions in ((0, 1), (1, 1), (99, 1), (100, 1), (101, 2), (299, 3)):
        shelf = Shelf([number * 200_000 for number in range(count)])
        pages = ask(shelf)
        assert (len(shelf.asked), len(pages)) == (questions, questions)
        assert found(pages).total() == count


def test_many_hits_are_cut_into_parts_that_ask_for_hardly_more_than_there_is() -> None:
    shelf = Shelf([number * 17_000 for number in range(5000)])
    pages = ask(shelf)
    assert set(found(pages)) == set(range(5000))
    assert len(shelf.asked) <= 50 * 1.4
    assert len({(asked["since"], asked["until"]) for asked in shelf.asked}) > 8


def test_a_limit_asks_one_after_another_and_for_nothing_ahead() -> None:
    shelf = Shelf([number * 17_000 for number in range(5000)])
    pages = search(cast("Session", shelf), Request("covid", DAY, 150), None)
    next(pages)
    next(pages)
    assert len(shelf.asked) == 2


def test_a_window_between_two_milliseconds_loses_nothing_at_its_ends() -> None:
    odd = Window(START + timedelta(microseconds=500), START + timedelta(milliseconds=2, microseconds=1))
    assert set(found(ask(Shelf([0, 1, 2, 3]), window=odd), odd)) == {1, 2}


def test_stretches_without_posts_make_no_empty_pages_but_the_last() -> None:
    """For ten of them in a row are taken for a service that has nothing more."""
    last_hour = [86_399_999 - number * 9_000 for number in range(400)]
    pages = ask(Shelf(last_hour))
    assert set(found(pages)) == set(range(400))
    assert [bool(found([page])) for page in pages[:-1]] == [True] * (len(pages) - 1)


def test_handles_and_tags_are_asked_for_without_their_signs() -> None:
    shelf = Shelf([])
    options = {
        "author": "@ada.test",
        "mentions": "did:plc:ada",
        "tag": ["#one", "two"],
        "url": "https://a.b/#c",
    }
    list(search(cast("Session", shelf), Request("covid", DAY, None, options), None))
    (asked,) = shelf.asked
    assert {name: asked[name] for name in options} == {
        "author": "ada.test",
        "mentions": "did:plc:ada",
        "tag": ["one", "two"],
        "url": "https://a.b/#c",
    }
