"""snscrape itself, unchanged, against a search on loopback that answers as X did, does, or should not."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl_callables.errors import RetryLater, Stop
from etl_callables.post import Post, Skipped
from etl_callables.run import Run
from etl_callables.sources import Page, Request, twitter_snscrape
from schemas.window import Window
from tests.servers.tweets import entry, entry_2026
from tests.servers.x_search import Answer, Search, cursor, search_page, timeline

NOON = datetime(2021, 7, 5, 12, tzinfo=UTC)
DAY = Window(datetime(2021, 7, 5, tzinfo=UTC), datetime(2021, 7, 6, tzinfo=UTC))
RUN = Run(now=lambda: NOON)

Start = Callable[[Mapping[str | None, Sequence[Answer]]], Search]


def ask(query: str | None = "covid", cursor: str | None = None, **options: str) -> list[Page]:
    """All the pages of a search, by a client that waits half a second for an answer."""
    request = Request(query, DAY, options=options)
    return list(twitter_snscrape.search(request, cursor, RUN, timeout=0.5))


def read(*pages: Page) -> list[Post | Skipped]:
    return [item for page in pages for body in page.bodies for item in twitter_snscrape.posts(body, NOON)]


def ids(items: Sequence[Post | Skipped]) -> list[str]:
    return [item.id if isinstance(item, Post) else f"skipped: {item.reason}" for item in items]


def tweets(*numbers: int, shape: Callable[..., dict[str, Any]] = entry) -> list[dict[str, Any]]:
    return [shape(number, NOON) for number in numbers]


def test_a_search_goes_from_page_to_page_until_one_has_no_tweets(x: Start) -> None:
    server = x(
        {
            None: [search_page(tweets(1, 2, 3), "A")],
            "A": [search_page(tweets(4, 5), "B")],
            "B": [search_page([], "B")],
        }
    )
    pages = ask()
    assert [page.cursor for page in pages] == ["A", "B", None]
    assert ids(read(*pages)) == ["1", "2", "3", "4", "5"]
    assert server.asked == [None, "A", "B"]


def test_a_search_ends_at_a_page_that_names_nothing_below_it(x: Start) -> None:
    server = x({None: [search_page(tweets(1), None)]})
    assert [page.cursor for page in ask()] == [None]
    assert server.asked == [None]


def test_a_search_goes_on_at_a_cursor_without_asking_for_what_is_before(x: Start) -> None:
    server = x({"B": [search_page(tweets(9), None)]})
    assert ids(read(*ask(cursor="B"))) == ["9"]
    assert server.asked == ["B"]


def test_cursors_are_found_where_later_pages_have_them(x: Start) -> None:
    """From the second page on X replaces the cursors of the first instead of adding some."""
    replaced = [
        {"type": "TimelineAddEntries", "entries": tweets(1)},
        {"type": "TimelineReplaceEntry", "entry": cursor("top", "up")},
        {"type": "TimelineReplaceEntry", "entry": cursor("bottom", "Z")},
    ]
    x({None: [timeline(replaced)], "Z": [search_page([], "Z")]})
    assert [page.cursor for page in ask()] == ["Z", None]


def test_the_window_is_asked_for_to_the_second_beside_the_persons_own_words(x: Start) -> None:
    server = x({None: [search_page([], None)]})
    ask("covid lang:en")
    ask("covid OR corona")
    assert server.queries == [
        "covid lang:en since_time:1625443200 until_time:1625529600",
        "(covid OR corona) since_time:1625443200 until_time:1625529600",
    ]


@pytest.mark.parametrize(
    "operator", ["since:2021-07-05", "until:2021-07-06", "SINCE_TIME:1", "-until_time:2"]
)
def test_a_query_that_says_times_itself_is_refused_before_anything_is_asked(x: Start, operator: str) -> None:
    server = x({})
    with pytest.raises(Stop, match="say them in the job's `date_range`"):
        ask(f"covid {operator}")
    assert server.asked == []


def test_a_quoted_text_that_looks_like_an_operator_is_a_text() -> None:
    request = Request('covid "since: ever"', DAY)
    assert twitter_snscrape.query_of(request).startswith('covid "since: ever" since_time:')


@pytest.mark.parametrize("query", [None, "", "  "])
def test_a_search_for_nothing_is_refused(query: str | None) -> None:
    with pytest.raises(Stop, match="needs a `query`"):
        ask(query)


@pytest.mark.parametrize(
    ("headers", "after"),
    [
        (
            {"x-rate-limit-remaining": "0", "x-rate-limit-reset": "1625487000"},
            datetime(2021, 7, 5, 12, 10, tzinfo=UTC),
        ),
        ({"Retry-After": "90"}, NOON + timedelta(seconds=90)),
        ({"Retry-After": "Mon, 05 Jul 2021 12:30:00 GMT"}, NOON + timedelta(minutes=30)),
        ({"x-rate-limit-reset": "99999999999999999999"}, None),
        ({"Retry-After": "999999999"}, None),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_too_many_requests_end_the_try_at_once_and_say_when_to_come_back(
    x: Start, headers: dict[str, str], after: datetime | None
) -> None:
    server = x({None: [Answer(status=429, headers=headers)]})
    with pytest.raises(RetryLater, match="HTTP 429") as caught:
        ask()
    assert caught.value.after == after
    assert server.asked == [None]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_says_in_one_sentence_what_happened_and_what_to_use_instead(x: Start, status: int) -> None:
    x({None: [Answer(b"", status=status)]})
    with pytest.raises(Stop) as caught:
        ask()
    assert str(caught.value) == (
        f"X refused the search (HTTP {status}): it has not answered snscrape without a login since 2023;"
        " use `source: archive` with posts collected before, or a provider with an API key in `via` where"
        " one is configured."
    )


def test_a_refusal_of_the_home_page_is_a_refusal(x: Start) -> None:
    server = x({})
    server.home = Answer(b"blocked", status=403, kind="text/html")
    with pytest.raises(Stop, match=r"refused the search \(HTTP 403\)"):
        ask()


@pytest.mark.parametrize(
    "token", [Answer(b"{}"), Answer(b"<html>", kind="text/html"), Answer(b"[]"), Answer(b"")]
)
def test_no_guest_token_is_a_refusal(x: Start, token: Answer) -> None:
    server = x({})
    server.token = token
    with pytest.raises(Stop, match="X gave snscrape no guest token"):
        ask()


def test_a_web_page_instead_of_data_is_a_refusal(x: Start) -> None:
    x({None: [Answer(b"<html>Log in to X</html>", kind="text/html")]})
    with pytest.raises(Stop, match="a web page instead of data"):
        ask()


def test_a_query_that_x_does_not_take_is_for_the_person(x: Start) -> None:
    x({None: [Answer(status=400)]})
    with pytest.raises(Stop, match=r"did not take the search \(HTTP 400\): correct the job's `query`"):
        ask()


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=500),
        Answer(b"<html>over capacity</html>", status=503, kind="text/html"),
        Answer(b'{"data": {}}' * 100, fault="half"),
        Answer(b'{"data": {}}' * 100, fault="reset"),
        Answer(b'{"data": {}}' * 100, fault="stall"),
        Answer(b'{"data": '),
        Answer(b"[" * 100_000),
        Answer(b"\xff\xfe"),
        Answer(b"null"),
        Answer(b'{"data": {"search_by_raw_query": []}}'),
        Answer(b'{"errors": [{"message": "Dependency: Internal error"}]}'),
    ],
    ids=["500", "503", "half", "reset", "stall", "cut", "deep", "bytes", "null", "shape", "error"],
)
def test_what_time_mends_is_tried_later_and_not_by_snscrape(x: Start, answer: Answer) -> None:
    server = x({None: [answer]})
    with pytest.raises(RetryLater):
        ask()
    assert server.asked == [None]


def test_a_server_that_is_not_there_is_tried_later(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(RetryLater, match="X did not answer"):
        ask()


def test_an_error_about_the_login_inside_a_good_answer_is_a_refusal(x: Start) -> None:
    x({None: [Answer(b'{"errors": [{"message": "Could not authenticate you"}]}')]})
    with pytest.raises(Stop, match="Could not authenticate you"):
        ask()


def test_a_page_with_tweets_and_an_error_keeps_its_tweets(x: Start) -> None:
    page = json.loads(search_page(tweets(1), None).body) | {"errors": [{"message": "Timeout"}]}
    x({None: [Answer(json.dumps(page).encode())]})
    assert ids(read(*ask())) == ["1"]


def test_line_breaks_between_the_tokens_of_an_answer_are_taken_out(x: Start) -> None:
    page = json.loads(search_page(tweets(1), None).body)
    x({None: [Answer(json.dumps(page, indent=1).replace("\n", "\r\n").encode())]})
    (page,) = ask()
    assert b"\n" not in page.bodies[0]
    assert ids(read(page)) == ["1"]


@pytest.mark.parametrize("shape", [entry, entry_2026])
def test_a_tweet_is_read_alike_in_the_shape_of_2023_and_of_2026(shape: Callable[..., dict[str, Any]]) -> None:
    page = Page((search_page([shape(1, NOON, "covid 👋\nline")], None).body,), None)
    (post,) = read(page)
    assert isinstance(post, Post)
    assert post._replace(views=None) == Post(
        platform="twitter",
        id="1",
        url="https://twitter.com/sample_ada/status/1",
        author="sample_ada",
        author_name="Ada",
        author_id="7",
        created_at=NOON,
        text="covid 👋\nline",
        lang="en",
        likes=1,
        reposts=1,
        replies=0,
        quotes=0,
        bookmarks=None,
        views=None,
        source_label="Twitter Web App",
        conversation_id="1",
        in_reply_to=None,
        quoted=None,
        reposted=None,
        hashtags=(),
        mentions=(),
        urls=(),
        media=(),
        scraped_at=NOON,
    )
    assert post.views == (12 if shape is entry_2026 else None)


def test_what_x_escapes_in_a_text_is_as_its_author_wrote_it() -> None:
    (post,) = read(Page((search_page([entry(1, NOON, "R&amp;D is &lt;fun&gt; &amp;lt;")], None).body,), None))
    assert isinstance(post, Post)
    assert post.text == "R&D is <fun> &lt;"


def test_what_a_tweet_refers_to_is_read() -> None:
    one = entry_2026(5, NOON, "@sample_bo see https://t.co/a #covid")
    legacy = one["content"]["itemContent"]["tweet_results"]["result"]["legacy"]
    legacy["entities"] = {
        "hashtags": [{"text": "covid"}],
        "user_mentions": [{"screen_name": "sample_bo", "id_str": "8", "name": "Bo"}],
        "urls": [
            {
                "url": "https://t.co/a",
                "expanded_url": "https://example.org/a",
                "display_url": "e.org",
                "indices": [15, 29],
            }
        ],
    }
    legacy |= {
        "in_reply_to_status_id_str": "3",
        "in_reply_to_user_id_str": "8",
        "in_reply_to_screen_name": "sample_bo",
        "quoted_status_id_str": "2",
        "extended_entities": {
            "media": [
                {"type": "photo", "media_url_https": "https://example.org/p.jpg"},
                {
                    "type": "animated_gif",
                    "media_url_https": "https://example.org/g.jpg",
                    "video_info": {
                        "variants": [
                            {"content_type": "video/mp4", "url": "https://example.org/s.mp4", "bitrate": 1},
                            {"content_type": "video/mp4", "url": "https://example.org/l.mp4", "bitrate": 2},
                        ]
                    },
                },
            ]
        },
    }
    (post,) = read(Page((search_page([one], None).body,), None))
    assert isinstance(post, Post)
    assert (post.in_reply_to, post.quoted, post.hashtags, post.mentions) == (
        "3",
        "2",
        ("covid",),
        ("sample_bo",),
    )
    assert post.urls == ("https://example.org/a",)
    assert post.media == ("https://example.org/p?format=jpg&name=orig", "https://example.org/l.mp4")


def test_parts_that_no_column_comes_from_cannot_cost_a_tweet() -> None:
    one = entry_2026(5, NOON)
    result = one["content"]["itemContent"]["tweet_results"]["result"]
    result["legacy"]["quoted_status_id_str"] = "2"
    result |= {
        "quoted_status_result": {"result": {"__typename": "TweetOfTomorrow"}},
        "card": {"legacy": "of tomorrow"},
        "edit_control": {"edit_tweet_ids": None},
        "vibe": {},
    }
    (post,) = read(Page((search_page([one], None).body,), None))
    assert isinstance(post, Post)
    assert (post.id, post.quoted) == ("5", "2")


def test_a_repost_names_what_it_reposts() -> None:
    one, original = entry_2026(5, NOON), entry_2026(4, NOON)
    legacy = one["content"]["itemContent"]["tweet_results"]["result"]["legacy"]
    legacy["retweeted_status_result"] = original["content"]["itemContent"]["tweet_results"]
    (post,) = read(Page((search_page([one], None).body,), None))
    assert isinstance(post, Post)
    assert (post.id, post.reposted) == ("5", "4")


def test_an_entry_that_cannot_be_read_costs_only_itself() -> None:
    broken = entry(2, NOON)
    del broken["content"]["itemContent"]["tweet_results"]["result"]["legacy"]["created_at"]
    gone = entry(3, NOON)
    gone["content"]["itemContent"]["tweet_results"] = {"result": {"__typename": "TweetTombstone"}}
    new = entry(4, NOON)
    new["content"]["itemContent"]["tweet_results"] = {"result": {"__typename": "TweetOfTomorrow"}}
    empty = entry(5, NOON)
    empty["content"]["itemContent"]["tweet_results"] = {}
    advert = entry(6, NOON) | {"entryId": "promoted-tweet-6"}
    strange = {"entryId": "carousel-1", "content": {}}
    nothing = {"entryId": "tweet-nan"}
    page = search_page(
        [entry(1, NOON), broken, gone, new, empty, advert, strange, nothing, entry(7, NOON)], None
    )
    assert ids(read(Page((page.body,), None))) == [
        "1",
        "skipped: unknown-shape",
        "skipped: unavailable",
        "skipped: unknown-shape",
        "skipped: unknown-entry",
        "skipped: promoted",
        "skipped: unknown-entry",
        "skipped: unknown-shape",
        "7",
    ]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"data":{}}'])
def test_a_body_that_is_no_page_is_one_skipped_item(body: bytes) -> None:
    (item,) = twitter_snscrape.posts(body, NOON)
    assert isinstance(item, Skipped)


def test_all_tweets_of_a_recorded_page_of_2026_are_read(data: Path) -> None:
    body = (data / "snscrape/search_timeline_2026-07.json").read_bytes()
    items = list(twitter_snscrape.posts(body, NOON))
    assert len(items) == 20
    assert all(isinstance(item, Post) and item.author and item.source_label and item.text for item in items)
    assert len(set(ids(items))) == 20


def test_only_the_module_that_is_needed_of_snscrape_is_imported() -> None:
    """Its own way of importing all of them fails on Python 3.12 and later."""
    assert "snscrape.modules.twitter" in sys.modules
    assert "snscrape.modules.reddit" not in sys.modules
    assert twitter_snscrape.version() == "snscrape 0.7.0.20230622"
