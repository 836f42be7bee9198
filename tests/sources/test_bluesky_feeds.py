"""When the reading of an account or a feed of Bluesky ends, over pages in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from etl_callables.errors import RetryLater
from etl_callables.sources import Page, Request, bluesky_feeds
from etl_callables.sources.bluesky_session import Session
from etl_callables.sources.patience import UNORDERED
from etl_callables.verdict import Answer
from schemas.window import Window
from tests.servers.bluesky_stand_in import view
from tests.servers.made import Made

DAY = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))
FEED = "at://did:plc:ada/app.bsky.feed.generator/best"


class Shelf:
    """Pages of posts that were made so many hours after the day began; a cursor is a page's number."""

    def __init__(self, *pages: Sequence[float]) -> None:
        self.asked: list[dict[str, Any]] = []
        self._pages = pages

    def get(self, _: str, asked: dict[str, Any]) -> Answer:
        self.asked.append(dict(asked))
        number = int(asked.get("cursor", 0))
        posts = [Made(7, DAY.start + timedelta(hours=hours)) for hours in self._pages[number]]
        page: dict[str, Any] = {"feed": [{"post": view(post)} for post in posts]}
        if number + 1 < len(self._pages):
            page["cursor"] = str(number + 1)
        return Answer(200, {}, json.dumps(page).encode(), "", page)


def feed(shelf: Shelf, cursor: str | None = None) -> list[Page]:
    request = Request(None, DAY, None, {"feed": FEED})
    return list(bluesky_feeds.feed(cast("Session", shelf), request, cursor))


def account(shelf: Shelf, account: str = "ada.test") -> list[Page]:
    return list(
        bluesky_feeds.account(cast("Session", shelf), Request(None, DAY, None, {"account": account}), None)
    )


@pytest.mark.parametrize(
    ("pages", "read", "truncated"),
    [
        ([[3], [2], [1]], 3, None),
        ([[3], [-1], [-2], [-3], [-4]], 4, None),
        ([[3], [-1], [-2], [2], [-3], [-4], [1]], 7, None),
        ([[3], [-1], [-2], [2], [-3], [-4], [-5], [1]], 7, UNORDERED),
        ([[-2, -1], [-3], [-4], [1]], 3, UNORDERED),
        ([[-1, 1], [-1, 1], [-1, 1], [-1, 1], [-1, 1]], 5, None),
        ([[-1], [], [-2], [-3], [-4], [-5]], 5, None),
    ],
)
def test_a_feed_is_left_after_three_pages_in_a_row_of_older_posts(
    pages: list[list[float]], read: int, truncated: str | None
) -> None:
    given = feed(Shelf(*pages))
    assert (len(given), given[-1].cursor, given[-1].truncated) == (read, None, truncated)
    assert [page.truncated for page in given[:-1]] == [None] * (read - 1)
    for number in range(read - 1):
        assert feed(Shelf(*pages), given[number].cursor) == given[number + 1 :]


def test_an_account_is_left_at_the_first_page_of_older_posts() -> None:
    assert len(account(Shelf([3, 2], [1, -1], [-2, -3], [-4]))) == 3


@pytest.mark.parametrize("page", [{}, {"feed": None}, {"feed": "odd"}, []])
def test_what_is_no_page_of_a_feed_is_for_later(page: Any) -> None:
    class Odd:
        def get(self, *_: Any) -> Answer:
            return Answer(200, {}, b"", "", page)

    with pytest.raises(RetryLater, match="no page of a feed"):
        account(cast("Shelf", Odd()))


@pytest.mark.parametrize("said", [{}, {"did": None}, [], None])
def test_an_owner_who_is_not_found_by_name_is_for_later(said: Any) -> None:
    class Odd:
        def get(self, *_: Any) -> Answer:
            return Answer(200, {}, b"", "", said)

    request = Request(None, DAY, None, {"feed": FEED.replace("did:plc:ada", "ada.test")})
    with pytest.raises(RetryLater, match=r"which account ada\.test is"):
        list(bluesky_feeds.feed(cast("Session", Odd()), request, None))
