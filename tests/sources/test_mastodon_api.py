"""Mastodon: the posts of a window from any server that speaks its API, wherever in the past it lies."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest

from etl_callables.errors import RetryLater, Stop
from etl_callables.http import Rate
from etl_callables.post import Post, Skipped
from etl_callables.run import Run
from etl_callables.sources import Page, Request, mastodon_api
from etl_callables.sources.patience import UNORDERED
from schemas.window import Window
from tests.servers.made import Made, made
from tests.servers.mastodon import SERVER, name_of, number_of, server, status
from tests.servers.standin import Answer, Asked, Given, StandIn, answer_of

DAY = Window(datetime(2026, 6, 30, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
MONTHS = Window(datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 8, 1, tzinfo=UTC))
NOON = datetime(2026, 6, 30, 12, tzinfo=UTC)
HASHTAG = {"server": SERVER, "hashtag": "covid"}


def request_to(
    service: StandIn, options: Mapping[str, Any] = HASHTAG, query: str | None = None, token: str = ""
) -> Request:
    credentials = {"host": service.url, **({"password": token} if token else {})}
    return Request(query, DAY, None, {"server": SERVER, **options}, credentials=credentials, connection="m")


def ask(service: StandIn, cursor: str | None = None, **changes: Any) -> list[Page]:
    return list(mastodon_api.pages(request_to(service, **changes), cursor, Run()))


def read(pages: Sequence[Page]) -> list[Post | Skipped]:
    return [item for page in pages for body in page.bodies for item in mastodon_api.posts(body, DAY.end)]


def numbers(pages: Sequence[Page], number: Callable[[str], int] = number_of) -> list[int]:
    return [number(item.id) for item in read(pages) if isinstance(item, Post)]


def inside(pages: Sequence[Page]) -> int:
    return sum(isinstance(item, Post) and item.created_at in DAY for item in read(pages))


def test_a_window_in_the_past_is_found_at_once() -> None:
    """Two months of posts are newer; none of them is asked for, but for those of an hour's grace."""
    posts = made(920, MONTHS)
    with StandIn(server(posts)) as service:
        pages = ask(service)
    assert inside(pages) == sum(post.created in DAY for post in posts)
    assert [asked.path for asked in service.asked] == ["/api/v2/instance", "/api/v1/timelines/tag/covid"] + [
        "/api/v1/timelines/tag/covid"
    ] * (len(service.asked) - 2)
    assert len(pages) <= 3


def test_a_post_that_arrived_within_an_hour_of_being_written_is_found() -> None:
    late = Made(7, DAY.end + timedelta(minutes=50))
    written = {**status(late), "created_at": "2026-06-30T23:59:59.000Z"}
    with StandIn(server([late], item=lambda _: written)) as service:
        assert inside(ask(service)) == 1


def test_other_software_is_read_back_from_its_newest_post() -> None:
    posts = made(184, MONTHS)
    with StandIn(server(posts, own=False)) as service:
        pages = ask(service)
    assert inside(pages) == sum(post.created in DAY for post in posts)
    assert "max_id" not in service.asked[1].query
    assert len(pages) == 5  # two of the time after, and all three that are older, as some may arrive late
    assert pages[-1].truncated is None


def test_a_page_of_posts_that_arrived_late_does_not_end_the_reading_of_other_software() -> None:
    """Lists of other software are in the order of arrival."""
    long_ago = Window(DAY.start - timedelta(days=10), DAY.start - timedelta(days=9))
    ordered = [*made(40, long_ago, first=5000), *made(60, DAY), *made(200, long_ago, first=7000)]
    rows = {str(1000 - place): post for place, post in enumerate(ordered)}

    def answer(asked: Asked) -> Given:
        if asked.path == "/api/v2/instance":
            return {"version": "2.7.2 (compatible; Pleroma 2.9)"}
        upto = int(asked.query.get("max_id", 1001))
        found = [name for name in rows if int(name) < upto][:40]
        return [{**status(rows[name]), "id": name} for name in found]

    with StandIn(answer) as service:
        pages = ask(service)
        again = ask(service, pages[0].cursor)
    assert inside(pages) == 60
    assert (len(pages), pages[-1].truncated) == (6, f"{SERVER}: {UNORDERED}")
    assert again == pages[1:]


def test_software_that_only_calls_itself_mastodon_is_asked_without_times() -> None:
    whole = server(made(5, DAY), own=False)

    def answer(asked: Asked) -> Given:
        if asked.path == "/api/v2/instance":
            return {"version": "4.0.0 (not true Mastodon; really snac/2.70)"}
        return whole(asked)

    with StandIn(answer) as service:
        assert inside(ask(service)) == 5
    assert "max_id" not in service.asked[1].query


def test_an_item_without_identifier_at_the_end_of_a_page_ends_nothing() -> None:
    def answer(asked: Asked) -> Given:
        if asked.path == "/api/v2/instance":
            return {"version": "2.7.2 (compatible; Akkoma 3.15)"}
        upto = int(asked.query.get("max_id", 9))
        return [{**status(Made(upto, NOON)), "id": str(upto - 1)}, None] if upto > 6 else [None]

    with StandIn(answer) as service:
        pages = ask(service)
    assert inside(pages) == 3
    assert [page.truncated for page in pages[:-1]] == [None] * 3
    assert "a page without identifiers" in (pages[-1].truncated or "")


def test_where_an_account_has_moved_is_told(caplog: pytest.LogCaptureFixture) -> None:
    whole = server(made(3, DAY))

    def answer(asked: Asked) -> Given:
        given = whole(asked)
        if asked.path == "/api/v1/accounts/lookup":
            return {**json.loads(answer_of(given).body), "moved": {"id": "7", "acct": "ada@new.example"}}
        return given

    with StandIn(answer) as service, caplog.at_level("WARNING"):
        request = request_to(service, {"account": "sample_ada"})
        assert inside(list(mastodon_api.pages(request, None, Run()))) == 3
        list(mastodon_api.pages(request, None, Run()))
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith("the account sample_ada has moved to ada@new.example, where newer posts are")


def test_an_account_without_an_identifier_is_for_later() -> None:
    def answer(asked: Asked) -> Given:
        return {"id": [1]} if asked.path == "/api/v1/accounts/lookup" else {}

    with StandIn(answer) as service, pytest.raises(RetryLater, match="sent no account"):
        ask(service, options={"account": "sample_ada"})


def test_a_server_that_says_nothing_of_itself_is_read_back_too() -> None:
    whole = server(made(50, DAY))

    def answer(asked: Asked) -> Given:
        return Answer(b"{}", 404) if asked.path == "/api/v2/instance" else whole(asked)

    with StandIn(answer) as service:
        assert inside(ask(service)) == 50


def test_reading_ends_with_a_page_that_lies_before_the_window() -> None:
    with StandIn(server(made(3000, MONTHS))) as service:
        pages = ask(service)
    last = [item for item in read(pages[-1:]) if isinstance(item, Post)]
    assert max(post.created_at for post in last) < DAY.start - mastodon_api.LATE
    assert pages[-1].cursor is None
    assert all(page.cursor for page in pages[:-1])


def test_a_server_without_link_headers_is_followed_by_identifiers() -> None:
    with StandIn(server(made(95, DAY), links=False)) as service:
        pages = ask(service)
    assert numbers(pages) == list(range(1094, 999, -1))
    assert [page.cursor is None for page in pages] == [False, False, False, True]


@pytest.mark.parametrize("left", [0, 3])
def test_pages_of_which_a_server_filters_something_are_followed(left: int) -> None:
    """Mastodon says what is next only where nothing was filtered, or where nothing is left."""
    whole = server(made(125, DAY))

    def answer(asked: Asked) -> Given:
        given = whole(asked)
        if isinstance(given, Answer) and len(service.asked) == 3:
            following = given.headers if not left else {}
            return Answer(
                json.dumps(json.loads(given.body)[:left] if left else []).encode(), headers=following
            )
        return given

    with StandIn(answer) as service:
        found = numbers(ask(service))
    assert found[-45:] == list(range(1044, 999, -1))


@pytest.mark.parametrize(
    ("options", "query", "path", "asked"),
    [
        ({"hashtag": "#München"}, None, "/api/v1/timelines/tag/M%C3%BCnchen", {}),
        ({"timeline": "public"}, None, "/api/v1/timelines/public", {}),
        ({"timeline": "local"}, None, "/api/v1/timelines/public", {"local": "true"}),
        ({}, "open data", "/api/v2/search", {"q": "open data", "type": "statuses"}),
        ({"account": "@sample_ada"}, None, "/api/v1/accounts/109/statuses", {}),
        (
            {"account": "sample_ada", "replies": False, "boosts": False},
            None,
            "/api/v1/accounts/109/statuses",
            {"exclude_replies": "true", "exclude_reblogs": "true"},
        ),
    ],
)
def test_what_can_be_read(
    options: dict[str, Any], query: str | None, path: str, asked: dict[str, str]
) -> None:
    with StandIn(server(made(3, DAY))) as service:
        ask(service, options=options, query=query, token="secret")
    last = next(asked for asked in service.asked if "max_id" in asked.query)
    before = name_of(Made(0, DAY.end + mastodon_api.LATE))
    assert last.path == path
    assert last.query == {"limit": "40", "max_id": before, **asked}
    assert last.headers["authorization"] == "Bearer secret"


def test_a_search_keeps_its_place_as_timelines_do() -> None:
    with StandIn(server(made(95, DAY))) as service:
        pages = ask(service, options={}, query="covid", token="secret")
    assert numbers(pages) == list(range(1094, 999, -1))


@pytest.mark.parametrize("own", [True, False])
def test_a_search_gives_all_posts_of_a_second_that_a_page_ends_in(*, own: bool) -> None:
    """A server takes an identifier for its second, so that whoever pages by it loses the rest of that."""
    posts = [Made(1000 + number, NOON + timedelta(seconds=number // 7)) for number in range(200)]
    with StandIn(server(posts, own=own)) as service:
        pages = ask(service, query="covid", token="token")
        last = pages[2].cursor
        assert last is not None
        again = ask(service, last, query="covid", token="token")
    number = number_of if own else lambda name: int(name[-6:])
    assert numbers(pages, number) == list(range(1199, 999, -1))
    assert numbers(again, number) == list(range(1079, 999, -1))


@pytest.mark.parametrize("a_second", [3, 20_000])
def test_a_search_deeper_than_its_reach_is_asked_again_below_or_called_truncated(a_second: int) -> None:
    depth = mastodon_api.DEPTH
    posts = [Made(number, NOON + timedelta(seconds=number // a_second)) for number in range(depth + 100)]
    unhurried = {mastodon_api.RATE: Rate(2000, 1.0)}
    with StandIn(server(posts)) as service:
        request = replace(request_to(service, query="covid", token="token"), shared=unhurried)
        pages = list(mastodon_api.pages(request, None, Run()))
    found = set(numbers(pages))
    if a_second < depth:
        assert found == set(range(depth + 100))
        assert pages[-1].truncated is None
    else:
        assert found == set(range(100, depth + 100))
        assert "no more than 10,000 posts" in (pages[-1].truncated or "")


def test_a_search_of_which_offsets_are_not_taken_goes_by_identifiers() -> None:
    whole = server(made(95, DAY), links=False)

    def answer(asked: Asked) -> Given:
        if asked.path == "/api/v2/instance":
            return {"version": "0.19.1+git-7eaf4a9"}  # GoToSocial
        assert "offset" not in asked.query
        return {
            "statuses": json.loads(answer_of(whole(replace(asked, path="/api/v1/timelines/public"))).body)
        }

    with StandIn(answer) as service:
        assert numbers(ask(service, query="covid", token="token")) == list(range(1094, 999, -1))


def test_a_search_without_a_login_is_refused_before_anything_is_asked() -> None:
    with StandIn(server([])) as service, pytest.raises(Stop, match="`source_connection`"):
        ask(service, options={}, query="covid")
    assert service.asked == []


def test_a_closed_server_says_who_may_read_it() -> None:
    with StandIn(server(made(3, DAY), token="secret")) as service:
        with pytest.raises(Stop, match=r"only to who has logged in .* connection m"):
            ask(service)
        assert numbers(ask(service, token="secret")) == [1002, 1001, 1000]


def test_an_account_that_is_not_there_is_named() -> None:
    with StandIn(server(made(1, DAY))) as service, pytest.raises(Stop, match="knows no account nobody"):
        ask(service, options={"account": "nobody"})


@pytest.mark.parametrize("answer", [b'{"error": "x"}', b"7", b"null"])
def test_what_is_no_page_is_for_later(answer: bytes) -> None:
    with StandIn(lambda _: Answer(answer)) as service, pytest.raises(RetryLater, match="no page of posts"):
        ask(service)


def test_nothing_to_read_is_refused() -> None:
    with StandIn(server([])) as service, pytest.raises(Stop, match="Nothing says what to read"):
        ask(service, options={})


def test_a_small_limit_does_not_ask_one_by_one_through_what_is_newer() -> None:
    late = made(35, Window(DAY.end, DAY.end + timedelta(minutes=50)), first=5000)
    with StandIn(server([*late, *made(95, DAY)])) as service:
        few = replace(request_to(service), limit=1)
        (page,) = islice(mastodon_api.pages(few, None, Run()), 1)
        assert inside([page]) == 5


# --- somebody else's client -------------------------------------------------------------------------


def test_mastodon_py_reads_the_stand_in_as_it_reads_a_server() -> None:
    from mastodon import Mastodon

    with StandIn(server(made(95, DAY))) as service:
        theirs = Mastodon(api_base_url=service.url, access_token="secret", request_timeout=5)
        assert theirs.instance_v2().domain == SERVER
        page = theirs.timeline_hashtag("covid", limit=40)
        found = list(page)
        while page and (page := theirs.fetch_next(page)):
            found += page
        account = theirs.account_lookup("sample_ada")
        assert [number_of(str(one.id)) for one in theirs.account_statuses(account.id)][:2] == [1094, 1093]
        assert len(theirs.search_v2("covid", result_type="statuses").statuses) == 20
        ours = read(ask(service))
    assert [str(one.id) for one in found] == [item.id for item in ours if isinstance(item, Post)]
    one, other = found[0], ours[0]
    assert isinstance(other, Post)
    assert (one.account.acct, one.created_at, one.url, one.favourites_count) == (
        other.author,
        other.created_at,
        other.url,
        other.likes,
    )


# --- items ------------------------------------------------------------------------------------------

MADE = Made(77, NOON, "<all> & covid")
POST = Post(
    platform="mastodon",
    id=name_of(MADE),
    url=f"https://{SERVER}/@sample_ada/{name_of(MADE)}",
    author="sample_ada",
    author_name="Ada",
    author_id="109",
    created_at=NOON,
    text="<all> & covid #covid @bo https://example.org/a",
    lang="en",
    likes=4,
    reposts=3,
    replies=2,
    quotes=1,
    bookmarks=None,
    views=None,
    source_label="Web",
    conversation_id=None,
    in_reply_to=None,
    quoted=None,
    reposted=None,
    hashtags=("covid",),
    mentions=("bo@other.example",),
    urls=("https://example.org/a",),
    media=(f"https://{SERVER}/media/1.png",),
    scraped_at=DAY.end,
)


def row(found: Any) -> Post | Skipped:
    (item,) = mastodon_api.posts(json.dumps([found]).encode(), DAY.end)
    return item


def test_a_post_is_what_people_see() -> None:
    assert row(status(MADE)) == POST


def test_a_warning_stands_before_the_text() -> None:
    assert row(status(MADE, spoiler_text="Careful")) == POST._replace(text=f"Careful\n\n{POST.text}")


def test_an_answer_a_quote_and_a_boost_know_what_they_refer_to() -> None:
    assert row(status(MADE, in_reply_to_id="5")) == POST._replace(in_reply_to="5")
    quoting = {"state": "accepted", "quoted_status": status(Made(6, NOON))}
    assert row(status(MADE, quote=quoting)) == POST._replace(quoted=name_of(Made(6, NOON)))
    shallow = {"state": "accepted", "quoted_status_id": "6"}
    assert row(status(MADE, quote=shallow)) == POST._replace(quoted="6")
    boosted = status(Made(6, NOON, "the boosted"))
    assert row(status(MADE, reblog=boosted, content="")) == POST._replace(
        reposted=boosted["id"], text="the boosted #covid @bo https://example.org/a"
    )


@pytest.mark.parametrize(
    "quoting",
    [
        {"quote": status(Made(6, NOON)), "quote_id": name_of(Made(6, NOON))},
        {"quote": None, "quote_id": name_of(Made(6, NOON))},
        {"pleroma": {"quote_id": name_of(Made(6, NOON))}},
    ],
)
def test_a_quote_of_other_software_is_one(quoting: dict[str, Any]) -> None:
    assert row(status(MADE, **quoting)) == POST._replace(quoted=name_of(Made(6, NOON)))


def test_tags_and_mentions_whose_names_are_no_texts_are_left_out() -> None:
    odd = status(MADE, tags=[{"name": 5}, *status(MADE)["tags"]], mentions=[{"acct": None}, {}])
    item = row(odd)
    assert isinstance(item, Post)
    assert (item.hashtags, item.mentions) == (("covid",), ())


def test_hashtags_of_another_server_are_no_links() -> None:
    away = '<a href="https://other.example/tags/Covid">#covid</a> <a href="https://a.example/">a</a>'
    assert row(status(MADE, content=away)) == POST._replace(text="#covid a", urls=("https://a.example/",))


def test_what_a_server_leaves_out_is_null() -> None:
    bare = {key: status(MADE)[key] for key in ("id", "created_at", "account", "content", "uri")}
    item = row({**bare, "account": {"id": "1"}})
    assert isinstance(item, Post)
    assert item == POST._replace(
        url=bare["uri"], author=None, author_name=None, author_id="1", lang=None, likes=None, reposts=None,
        replies=None, quotes=None, source_label=None, hashtags=(), mentions=(), media=(),
        urls=(f"https://{SERVER}/tags/covid", f"https://{SERVER}/@bo", "https://example.org/a"),
    )  # fmt: skip


@pytest.mark.parametrize("change", [{"id": None}, {"created_at": None}, {"account": None}, {"tags": [7]}])
def test_a_post_of_another_shape_is_skipped(change: dict[str, Any]) -> None:
    item = row(status(MADE, **change))
    assert isinstance(item, Skipped)
    assert item.reason == "unknown-shape"
