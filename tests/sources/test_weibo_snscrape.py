"""snscrape itself, unchanged, against a user's posts on loopback, answered as m.weibo.cn may."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from etl_callables.errors import RetryLater, Stop
from etl_callables.post import Post, Skipped
from etl_callables.run import Run
from etl_callables.sources import Page, Request, weibo_snscrape
from schemas.window import Window
from tests.servers.authority import Authority
from tests.servers.fixtures import answering
from tests.servers.made import Made, made
from tests.servers.standin import Answer, Asked, StandIn
from tests.servers.weibo import HOST, NAME, NOTHING, NUMBER, answer_of, card, mblog, page, user

DAY = Window(datetime(2026, 6, 30, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
NOON = datetime(2026, 6, 30, 12, tzinfo=UTC)

Start = Callable[[Callable[[Asked], Answer]], StandIn]


@pytest.fixture
def weibo(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts m.weibo.cn with the answers given, and sends everything that asks for it there."""
    with answering(HOST, authority, monkeypatch) as start:
        yield start


def ask(cursor: str | None = None, who: str | int = NUMBER, window: Window = DAY) -> list[Page]:
    request = Request(None, window, None, {"user": who})
    return list(weibo_snscrape.read(request, cursor, Run(sleep=lambda _: None), timeout=0.5))


def read(pages: Sequence[Page]) -> list[Post | Skipped]:
    return [item for one in pages for body in one.bodies for item in weibo_snscrape.posts(body, DAY.end)]


def numbers(pages: Sequence[Page]) -> list[int]:
    return [int(item.id) for item in read(pages) if isinstance(item, Post)]


# --- pages ------------------------------------------------------------------------------------------


def test_a_user_is_read_back_until_a_page_lies_before_the_window(weibo: Start) -> None:
    before = made(60, Window(DAY.start - timedelta(days=30), DAY.start), first=100)
    service = weibo(user([*made(25, DAY), *before]))
    pages = ask()
    assert numbers(pages)[:25] == list(range(1024, 999, -1))
    assert [one.cursor for one in pages] == [f"{NUMBER} {mark}" for mark in (1015, 1005, 155)] + [None]
    assert [one.truncated for one in pages] == [None] * 4
    assert len(service.asked) == 4


def test_from_any_cursor_on_comes_what_came_after_it(weibo: Start) -> None:
    weibo(user(made(35, DAY)))
    pages = ask()
    assert [numbers(ask(one.cursor)) for one in pages[:-1]] == [
        numbers(pages[place + 1 :]) for place in range(len(pages) - 1)
    ]


def test_a_window_in_the_past_is_reached_through_all_that_is_newer(weibo: Start) -> None:
    newer = made(30, Window(DAY.end, DAY.end + timedelta(days=30)), first=2000)
    service = weibo(user([*newer, *made(5, DAY)]))
    assert numbers(ask())[-5:] == list(range(1004, 999, -1))
    assert len(service.asked) == 4


def test_an_old_post_that_is_pinned_ends_nothing(weibo: Start) -> None:
    old = Made(1, DAY.start - timedelta(days=900))
    weibo(user(made(25, DAY), pinned=old))
    assert numbers(ask()) == [1, *range(1024, 999, -1)]


def test_a_page_of_the_pinned_post_alone_ends_nothing(weibo: Start) -> None:
    top = answer_of(page([card(mblog(Made(1, DAY.start - timedelta(days=900)), isTop=1))], 2000))
    rest = user(made(3, DAY))
    weibo(lambda asked: rest(asked) if "since_id" in asked.query else top)
    assert numbers(ask()) == [1, 1002, 1001, 1000]


def test_posts_without_a_whole_time_end_nothing(weibo: Start) -> None:
    """Whether they lie in the window nobody knows: those after them are read."""
    weibo(user(made(12, DAY), item=lambda post: mblog(post, **dict.fromkeys(["created_at"], "06-30"))))
    items = read(ask())
    assert [item.reason for item in items if isinstance(item, Skipped)] == ["no-time"] * 12


def test_where_weibo_ends_on_the_way_the_end_is_told(weibo: Start) -> None:
    """It says the same at its end and to who asks too fast, so it is asked three times."""
    truth = user(made(35, DAY))
    service = weibo(lambda asked: NOTHING if asked.query.get("since_id") == "1015" else truth(asked))
    pages = ask()
    assert numbers(pages) == list(range(1034, 1014, -1))
    assert (pages[-1].bodies, pages[-1].cursor) == ((), None)
    assert pages[-1].truncated == weibo_snscrape.NOTHING
    assert len(service.asked) == 2 + 3


def test_nothing_once_is_asked_for_again(weibo: Start) -> None:
    service = weibo(user(made(35, DAY)))
    service.instead[1] = NOTHING
    pages = ask()
    assert numbers(pages) == list(range(1034, 999, -1))
    assert pages[-1].truncated is None


def test_a_user_of_whom_there_is_nothing_at_all_is_no_empty_day(weibo: Start) -> None:
    weibo(user([]))
    with pytest.raises(RetryLater, match="no such user, it has no posts, or Weibo was asked too often"):
        ask(who=7)


# --- who --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "who", [NUMBER, str(NUMBER), f"https://m.weibo.cn/u/{NUMBER}", f"https://weibo.com/u/{NUMBER}/"]
)
def test_a_number_is_asked_for_at_once(weibo: Start, who: str | int) -> None:
    service = weibo(user(made(3, DAY)))
    assert len(read(ask(who=who))) == 3
    assert [asked.query["containerid"] for asked in service.asked] == [f"107603{NUMBER}"]


@pytest.mark.parametrize("who", [NAME, f"@{NAME}", f"https://m.weibo.cn/n/{NAME}"])
def test_a_name_is_looked_up_once_and_its_number_is_in_the_cursors(weibo: Start, who: str) -> None:
    service = weibo(user(made(15, DAY)))
    pages = ask(who=who)
    assert len(read(pages)) == 15
    assert len(read(ask(pages[0].cursor, who=who))) == 5
    assert [asked.path[:3] for asked in service.asked] == ["/n/", "/ap", "/ap", "/ap"]


def test_a_name_that_nobody_has_stops(weibo: Start) -> None:
    weibo(user(made(3, DAY)))
    with pytest.raises(Stop, match=r"knows no user nobody: correct the job's `options.user`"):
        ask(who="nobody")


@pytest.mark.parametrize("where", ["https://passport.weibo.com/login", "/u/7"])
def test_a_name_that_leads_elsewhere_stops_and_asks_for_the_number(weibo: Start, where: str) -> None:
    weibo(lambda _: Answer(b"", 302, "text/html", {"Location": where}))
    with pytest.raises(Stop, match="write the number"):
        ask(who="somebody")


def test_a_name_is_looked_up_again_after_a_fault(weibo: Start) -> None:
    service = weibo(user(made(3, DAY)))
    service.instead[0] = Answer(b"", 502)
    assert len(read(ask(who=NAME))) == 3


# --- refusals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(b"", 432), "refuses this machine .HTTP 432., as it does most of who asks without a login"),
        (Answer(b'{"ok":-100,"url":"https://passport.weibo.com"}'), "only to who has logged in"),
        (Answer(b"", 302, headers={"Location": "https://passport.weibo.com/login"}), "HTTP 302"),
        (Answer(b"<!DOCTYPE html><title>Sina Visitor System</title>", kind="text/html"), "a web page"),
    ],
)
def test_who_must_log_in_is_told_so_at_the_first_question(weibo: Start, answer: Answer, said: str) -> None:
    service = weibo(lambda _: answer)
    with pytest.raises(Stop, match=said):
        ask()
    assert len(service.asked) == 1


@pytest.mark.parametrize("status", [414, 418])
def test_who_asks_too_fast_comes_back_later(weibo: Start, status: int) -> None:
    weibo(lambda _: Answer(b"", status))
    with pytest.raises(RetryLater, match=f"enough questions for now .HTTP {status}"):
        ask()


@pytest.mark.parametrize(
    "body", [b"[]", b"{}", b'{"ok":1,"data":{}}', b'{"ok":0,"msg":"busy","data":{"cards":null}}']
)
def test_what_is_no_page_is_for_later(weibo: Start, body: bytes) -> None:
    weibo(lambda _: Answer(body))
    with pytest.raises(RetryLater, match="no page of posts"):
        ask()


# --- posts ------------------------------------------------------------------------------------------

POST = Post(
    platform="weibo",
    id="78",
    url="https://m.weibo.cn/status/B78",
    author=NAME,
    author_name=None,
    author_id=str(NUMBER),
    created_at=NOON,
    text="<all> & covid\n#covid# @sample_bob 网页链接",
    lang=None,
    likes=3,
    reposts=1,
    replies=2,
    quotes=None,
    bookmarks=None,
    views=None,
    source_label="iPhone客户端",
    conversation_id=None,
    in_reply_to=None,
    quoted=None,
    reposted=None,
    hashtags=("covid",),
    mentions=("sample_bob",),
    urls=("https://example.org/a",),
    media=("https://pictures.example/1.jpg",),
    scraped_at=DAY.end,
)
FILM = {"mp4_720p_mp4": "https://films.example/1.mp4"}


def rows(*posts: Any) -> list[Post | Skipped]:
    body = json.dumps(page([card(post) for post in posts], None)).encode()
    return list(weibo_snscrape.posts(body, DAY.end))


def one(**changes: Any) -> Post | Skipped:
    (item,) = rows(mblog(Made(78, NOON, "<all> & covid"), **changes))
    return item


def test_a_post_is_what_people_see_its_line_breaks_included() -> None:
    assert one() == POST


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"reposts_count": "100万+"}, {"reposts": None}),
        ({"comments_count": "1.2万"}, {"replies": None}),
        ({"attitudes_count": None}, {"likes": None}),
        ({"source": ""}, {"source_label": None}),
        ({"user": None}, {"author": None, "author_id": None}),
        ({"raw_text": "as written <3"}, {"text": "as written <3"}),
        ({"pics": []}, {"media": ()}),
        ({"retweeted_status": {"id": "5", "user": None}}, {"reposted": "5"}),
        ({"page_info": {"type": "webpage", "page_url": "https://b.example"}}, {}),
        ({"page_info": {"type": "video", "urls": FILM}, "pics": []}, {"media": (FILM["mp4_720p_mp4"],)}),
        ({"page_info": {"type": "video", "urls": {"other": "x"}}}, {}),
        ({"page_info": {"type": "video", "urls": None}}, {}),
        ({"page_info": {"type": "place"}}, {}),
    ],
)
def test_each_field_is_what_weibo_says_or_null(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    found = one(**changes)
    if changes.get("page_info", {}).get("page_url"):
        expected = {"urls": (*(POST.urls or ()), "https://b.example")}
    assert found == POST._replace(**expected)


@pytest.mark.parametrize(
    "said", ["刚刚", "5分钟前", "2小时前", "今天 12:00", "昨天 12:00", "06-30", "2019-06-30", "", None, 7]
)
def test_a_time_that_is_not_whole_is_counted_and_never_guessed(said: Any) -> None:
    item = one(created_at=said)
    assert isinstance(item, Skipped)
    assert (item.reason, item.detail) == ("no-time", f"78: {said}")


def test_a_time_is_read_in_its_own_zone() -> None:
    assert one(created_at="Tue Jun 30 20:00:00 +0800 2026") == POST


def test_a_long_text_ends_where_the_list_cuts_it() -> None:
    item = one(
        text='<span class="url-icon"><img alt="[赞]" src="x"></span>long...<a href="/status/78">全文</a>'
    )
    assert isinstance(item, Post)
    assert (item.text, item.urls, item.media) == ("[赞]long...", (), POST.media)


def test_a_post_that_snscrape_trips_over_costs_no_other_and_other_cards_are_counted() -> None:
    broken = mblog(Made(2, NOON), user={"id": 7})
    cards = [*map(card, (mblog(Made(1, NOON)), broken)), {"card_type": 11}, 7, card(mblog(Made(4, NOON)))]
    items = list(weibo_snscrape.posts(json.dumps(page(cards, None)).encode(), DAY.end))
    assert [item.id if isinstance(item, Post) else item.reason for item in items] == [
        "1",
        "unknown-shape",
        "not-a-post",
        "unknown-shape",
        "4",
    ]


def test_posts_of_a_group_of_cards_are_posts() -> None:
    group = {"card_type": 11, "card_group": [card(mblog(Made(2, NOON))), {"card_type": 4}]}
    cards = [card(mblog(Made(1, NOON))), group]
    items = list(weibo_snscrape.posts(json.dumps(page(cards, None)).encode(), DAY.end))
    assert [item.id if isinstance(item, Post) else item.reason for item in items] == ["1", "2", "not-a-post"]
