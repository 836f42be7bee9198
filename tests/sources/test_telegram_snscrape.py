"""snscrape itself, unchanged, against a channel on loopback that answers as t.me does, or should not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from etl_callables.errors import RetryLater, Stop
from etl_callables.post import Post, Skipped
from etl_callables.run import Run
from etl_callables.sources import Page, Request, telegram_snscrape
from etl_callables.sources.patience import UNORDERED
from schemas.window import Window
from tests.servers.authority import Authority
from tests.servers.fixtures import answering
from tests.servers.made import Made, made
from tests.servers.standin import Answer, Asked, StandIn
from tests.servers.telegram import HOST, HTML, channel, message, page

DAY = Window(datetime(2026, 6, 30, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
NOON = datetime(2026, 6, 30, 12, tzinfo=UTC)

Start = Callable[[Callable[[Asked], Answer]], StandIn]


@pytest.fixture
def telegram(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts t.me with the answers given, and sends everything that asks for it there."""
    with answering(HOST, authority, monkeypatch) as start:
        yield start


def ask(cursor: str | None = None, name: str = "sample_news", window: Window = DAY) -> list[Page]:
    request = Request(None, window, None, {"channel": name})
    return list(telegram_snscrape.read(request, cursor, Run(sleep=lambda _: None), timeout=0.5))


def read(pages: Sequence[Page]) -> list[Post | Skipped]:
    return [item for one in pages for body in one.bodies for item in telegram_snscrape.posts(body, DAY.end)]


def numbers(pages: Sequence[Page]) -> list[int]:
    return [int(item.id.rpartition("/")[2]) for item in read(pages) if isinstance(item, Post)]


def test_a_channel_is_read_back_until_a_page_reaches_before_the_window(telegram: Start) -> None:
    before = made(60, Window(DAY.start - timedelta(days=30), DAY.start), first=100)
    service = telegram(channel([*made(50, DAY), *before]))
    pages = ask()
    assert numbers(pages)[:50] == list(range(1049, 999, -1))
    places = [one.cursor and one.cursor.rpartition("~")[2] for one in pages]
    assert places == ["1030", "1010", "150", "130", "110", None]  # old ones may have been imported
    assert len(service.asked) == 6
    assert pages[-1].truncated is None


def imported(*blocks: Sequence[Made]) -> Callable[[Asked], Answer]:
    """A channel whose messages are listed by number, whatever their time."""
    whole = {post.number: post for block in blocks for post in block}

    def answer(asked: Asked) -> Answer:
        before = int(asked.query.get("before", 10**6))
        shown = sorted(number for number in whole if number < before)[-20:]
        more = shown[0] if shown and shown[0] > min(whole) else None
        return Answer(page([message(whole[number]) for number in shown], more), kind=HTML)

    return answer


def test_a_page_of_an_imported_history_does_not_end_the_reading(telegram: Start) -> None:
    long_ago = Window(DAY.start - timedelta(days=900), DAY.start - timedelta(days=899))
    older = made(200, Window(DAY.start - timedelta(days=30), DAY.start), first=100)
    telegram(imported(made(10, DAY, first=1030), made(30, long_ago), made(20, DAY, first=980), older))
    pages = ask()
    assert {*range(1030, 1040), *range(980, 1000)} <= set(numbers(pages))
    assert pages[-1].truncated == UNORDERED


@pytest.mark.parametrize(("size", "against"), [(70, False), (500, False), (3000, False), (70, True)])
def test_an_imported_history_of_many_pages_hides_nothing_below_it(
    telegram: Start, size: int, *, against: bool
) -> None:
    """In the order of time it is passed by, however long it is; else it is read through."""
    long_ago = Window(DAY.start - timedelta(days=900), DAY.start - timedelta(days=600))
    block = made(size, long_ago, first=2000)
    if against:
        block = [Made(4000 - post.number + size, post.created) for post in block]
    older = made(1500, Window(DAY.start - timedelta(days=300), DAY.start), first=1)
    service = telegram(imported(made(10, DAY, first=9000), block, made(30, DAY, first=1900), older))
    pages = ask()
    assert {*range(9000, 9010), *range(1900, 1930)} <= set(numbers(pages))
    assert pages[-1].truncated == UNORDERED
    assert len(service.asked) <= 40


def test_a_newest_page_of_service_messages_alone_is_no_end(telegram: Start) -> None:
    """Nor does it keep a window in the past from being found by halving."""
    newer = made(2000, Window(DAY.end, DAY.end + timedelta(days=30)), first=2000)
    answer = channel(
        [*newer, *made(30, DAY, first=1900), *made(100, Window(DAY.start - timedelta(days=9), DAY.start))]
    )
    notes = [message(Made(number, NOON)).replace("<time ", "<nothing ") for number in range(5000, 5020)]
    service = telegram(lambda asked: answer(asked) if asked.query else Answer(page(notes, 5000), kind=HTML))
    assert {*range(1900, 1930)} <= set(numbers(ask()))
    assert len(service.asked) <= 25


def test_from_any_cursor_on_comes_what_came_after_it(telegram: Start) -> None:
    telegram(channel(made(50, DAY)))
    pages = ask()
    assert [numbers(ask(one.cursor)) for one in pages[:-1]] == [
        numbers(pages[place + 1 :]) for place in range(len(pages) - 1)
    ]


@pytest.mark.parametrize("later", [0, 25, 60, 5000])
def test_a_window_in_the_past_is_found_by_halving(telegram: Start, later: int) -> None:
    """However many messages are newer: with some hundreds of pages of them, about a dozen questions."""
    newer = made(later, Window(DAY.end, DAY.end + timedelta(days=300)), first=2000)
    older = made(900, Window(DAY.start - timedelta(days=900), DAY.start), first=1)
    service = telegram(channel([*newer, *made(50, DAY), *older]))
    found = numbers(ask())
    assert [number for number in found if 1000 <= number < 1050] == list(range(1049, 999, -1))
    assert len(service.asked) <= 18


def test_gaps_of_deleted_messages_do_not_hide_the_window(telegram: Start) -> None:
    newer = made(200, Window(DAY.end, DAY.end + timedelta(days=30)), first=100_000)
    telegram(channel([*newer, *made(50, DAY, first=90_000), Made(1, DAY.start - timedelta(days=9))]))
    assert set(range(90_000, 90_050)) <= set(numbers(ask()))


def test_a_window_before_the_first_message_has_none(telegram: Start) -> None:
    telegram(channel(made(200, Window(DAY.end, DAY.end + timedelta(days=30)))))
    items = [item for item in read(ask()) if isinstance(item, Post)]
    assert all(item.created_at >= DAY.end for item in items)


def test_a_channel_may_be_named_in_any_way(telegram: Start) -> None:
    service = telegram(channel(made(3, DAY)))
    for name in ("sample_news", "@sample_news", "https://t.me/sample_news", "https://t.me/s/sample_news/"):
        assert len(read(ask(name=name))) == 3
    assert {asked.path for asked in service.asked} == {"/s/sample_news"}


def test_who_shows_no_messages_to_the_public_is_named(telegram: Start) -> None:
    telegram(channel([]))
    with pytest.raises(Stop, match="shows no messages of nobody"):
        ask(name="nobody")


def test_a_page_of_somebody_else_stops(telegram: Start) -> None:
    telegram(lambda _: Answer(b"<html><p>blocked by your provider</p></html>", kind=HTML))
    with pytest.raises(Stop, match="something in between"):
        ask()


def test_a_page_that_breaks_off_is_for_later(telegram: Start) -> None:
    whole = page([message(post) for post in made(3, DAY)], None)
    service = telegram(lambda _: Answer(whole[: len(whole) // 2], kind=HTML))
    with pytest.raises(RetryLater, match="broke off"):
        ask()
    assert len(service.asked) == 3


# --- messages ----------------------------------------------------------------------------------------

MADE = Made(77, NOON, "<all> & covid")
POST = Post(
    platform="telegram",
    id="sample_news/77",
    url="https://t.me/sample_news/77",
    author="sample_news",
    author_name="News",
    author_id=None,
    created_at=NOON,
    text="<all> & covid\n#covid example.org/a",
    lang=None,
    likes=None,
    reposts=None,
    replies=None,
    quotes=None,
    bookmarks=None,
    views=123,
    source_label=None,
    conversation_id=None,
    in_reply_to="sample_news/76",
    quoted=None,
    reposted=None,
    hashtags=("covid",),
    mentions=None,
    urls=("https://example.org/a",),
    media=("https://cdn.example/1.jpg",),
    scraped_at=DAY.end,
)


def rows(*messages: str) -> list[Post | Skipped]:
    value = {"channel": "x", "url": "https://t.me/s/x", "html": page(messages, None).decode()}
    return list(telegram_snscrape.posts(json.dumps(value).encode(), DAY.end))


def test_a_message_is_what_people_see_its_line_breaks_included() -> None:
    (item,) = rows(message(MADE))
    assert item == POST


def test_quotes_and_code_stand_on_lines_of_their_own() -> None:
    shown = "one<blockquote>two</blockquote>three<pre>four</pre><br/>five"
    (item,) = rows(message(MADE).replace("&lt;all&gt; &amp; covid", shown))
    assert isinstance(item, Post)
    assert item.text == "one\ntwo\nthree\nfour\nfive\n#covid example.org/a"


def test_the_text_of_a_poll_is_its_question() -> None:
    begin, end = '<div class="tgme_widget_message_text js-message_text" dir="auto">', "</div>"
    made = message(MADE)
    head, _, rest = made.partition(begin)
    poll = '<div class="tgme_widget_message_poll_question">Who goes there?</div>'
    (item,) = rows(head + poll + rest.partition(end)[2])
    assert isinstance(item, Post)
    assert item.text == "Who goes there?"


def test_a_message_that_answers_another_shows_its_own_text() -> None:
    """The quoted beginning of the other stands in an element of the same class."""
    (item,) = rows(message(MADE))
    assert isinstance(item, Post)
    assert "before" not in (item.text or "")


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (
            '<span class="tgme_widget_message_views">123',
            '<span class="tgme_widget_message_views">1.2K',
            {"views": None},
        ),
        ("tgme_widget_message_text js-message_text", "nothing", {"text": None, "urls": (), "hashtags": ()}),
        ("tgme_widget_message_photo_wrap", "other", {"media": ()}),
        ("tgme_widget_message_owner_name", "other", {"author_name": None}),
    ],
)
def test_what_a_message_does_not_have_is_null(old: str, new: str, change: dict[str, Any]) -> None:
    (item,) = rows(message(Made(78, NOON, MADE.text)).replace(old, new))
    assert item == POST._replace(
        id="sample_news/78", url="https://t.me/sample_news/78", in_reply_to=None, **change
    )


def test_a_message_that_snscrape_trips_over_costs_no_other() -> None:
    items = rows(message(Made(1, NOON)), message(MADE).replace("<time ", "<nothing "), message(Made(3, NOON)))
    assert [item.id if isinstance(item, Post) else item.reason for item in items] == [
        "sample_news/3",
        "unknown-shape",
        "sample_news/1",
    ]


@pytest.mark.parametrize("broken", ['href="http://["', 'href="//[x"', ""])
def test_a_link_that_leads_nowhere_costs_no_message(broken: str) -> None:
    """Its text stays, and all other links."""
    (item,) = rows(message(MADE).replace("&lt;all&gt;", f"<a {broken}>&lt;all&gt;</a>"))
    assert item == POST


def test_an_answer_to_nowhere_costs_no_message() -> None:
    (item,) = rows(message(MADE).replace('href="https://t.me/sample_news/76"', 'href="http://["'))
    assert item == POST._replace(in_reply_to=None)
