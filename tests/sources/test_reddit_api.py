"""Reddit, as its API answers an app, and posts from a page made to its shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl_callables import extract, load, transform
from etl_callables.errors import Stop
from etl_callables.post import Post, Skipped
from etl_callables.run import Run
from etl_callables.sources import Page, Request, reddit_api
from schemas.job import Job
from schemas.reading import read_job
from schemas.window import Window
from tests.servers.hollow import Hollow
from tests.servers.made import made
from tests.servers.reddit import LOGIN, link, name_of, server
from tests.servers.standin import Answer, Asked, Given, StandIn

ROOT = Path(__file__).parents[2]
PAGE = json.loads(Path(__file__).with_name("pages").joinpath("reddit/new.json").read_bytes())
DAY = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))
NOW = datetime(2026, 3, 3, tzinfo=UTC)


@pytest.fixture
def reddit() -> Iterator[StandIn]:
    with StandIn(server(made(250, DAY), page=100)) as service:
        yield service


def login(service: StandIn, **changes: Any) -> dict[str, Any]:
    return {"host": service.url, "login": "an app", "password": "a secret", **changes}


def ask(
    service: StandIn,
    query: str | None = None,
    *,
    window: Window = DAY,
    cursor: str | None = None,
    limit: int | None = None,
    now: datetime = NOW,
    credentials: dict[str, Any] | None = None,
    **options: Any,
) -> list[Page]:
    given = login(service) if credentials is None else credentials
    request = Request(query, window, limit, options, credentials=given, connection="my_reddit")
    return list(reddit_api.pages(request, cursor, Run(now=lambda: now)))


def read(*pages: Page) -> list[Post]:
    items = [item for page in pages for body in page.bodies for item in reddit_api.posts(body, NOW)]
    return [item for item in items if isinstance(item, Post)]


# --- asking ----------------------------------------------------------------------------------------


def test_a_subreddit_is_read_newest_first_until_it_ends(reddit: StandIn) -> None:
    pages = ask(reddit, subreddit="opendata")
    assert [len(read(page)) for page in pages] == [100, 100, 50]
    assert [page.cursor is None for page in pages] == [False, False, True]
    assert {page.truncated for page in pages} == {None}
    times = [post.created_at for post in read(*pages)]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize(
    ("query", "subreddit", "path"),
    [
        (None, "opendata", "/r/opendata/new"),
        (None, "r/opendata", "/r/opendata/new"),
        (None, "/r/opendata/", "/r/opendata/new"),
        ("covid", None, "/search"),
        ("covid", "opendata", "/r/opendata/search"),
    ],
)
def test_what_is_asked_follows_from_the_query_and_the_subreddit(
    reddit: StandIn, query: str | None, subreddit: str | None, path: str
) -> None:
    ask(reddit, query, **({"subreddit": subreddit} if subreddit else {}))
    asked = reddit.asked[1]
    assert asked.path == path
    assert asked.query["raw_json"] == "1"
    if query:
        assert (asked.query["sort"], asked.query["q"]) == ("new", "covid")
        assert ("restrict_sr" in asked.query) == (subreddit is not None)


def test_a_login_that_lasts_for_ever_is_taken() -> None:
    def answer(asked: Asked) -> Given:
        if "token" in asked.path:
            return {**LOGIN, "expires_in": 10**12}
        return {"kind": "Listing", "data": {"children": []}}

    with StandIn(answer) as service:
        assert len(ask(service, subreddit="python")) == 1


def test_several_subreddits_are_one_question() -> None:
    def answer(asked: Asked) -> Given:
        return LOGIN if "token" in asked.path else {"kind": "Listing", "data": {"children": []}}

    with StandIn(answer) as service:
        ask(service, subreddit=["opendata", "r/datasets"])
        assert service.asked[1].path == "/r/opendata+datasets/new"


def test_a_window_in_the_past_is_left_as_soon_as_it_is_passed(reddit: StandIn) -> None:
    evening = Window(DAY.start + timedelta(hours=20), DAY.end)
    pages = ask(reddit, subreddit="opendata", window=evening)
    assert len(pages) == 2
    assert pages[-1].cursor is None


def test_it_goes_on_at_any_cursor(reddit: StandIn) -> None:
    pages = ask(reddit, subreddit="opendata")
    assert ask(reddit, subreddit="opendata", cursor=pages[0].cursor) == pages[1:]
    assert reddit.asked[-2].query["count"] == "100"


@pytest.mark.parametrize(
    ("query", "depth", "missing"),
    [
        (None, 1000, "Reddit gives no more than its newest 1,000 posts, back to 2026-03-01 08:00 UTC"),
        (None, 800, None),
        ("covid", 250, "Reddit gives no more than its newest 250 posts, back to 2026-03-01 20:00 UTC"),
        ("covid", 150, None),
    ],
)
def test_what_lies_below_reddits_own_end_is_told(query: str | None, depth: int, missing: str | None) -> None:
    with StandIn(server(made(1500, DAY), page=100, depth=depth)) as service:
        pages = ask(service, query, subreddit="opendata")
    assert [page.truncated for page in pages[:-1]] == [None] * (len(pages) - 1)
    assert pages[-1].truncated == missing


def test_what_lies_below_is_told_though_the_last_page_is_empty() -> None:
    answer = Hollow(server(made(1500, DAY), page=100), "after", "data.after", "data.children")
    with StandIn(answer) as service:
        pages = ask(service, subreddit="opendata")
        assert ask(service, subreddit="opendata", cursor=pages[-2].cursor) == pages[-1:]
    assert read(pages[-1]) == []
    assert (
        pages[-1].truncated
        == "Reddit gives no more than its newest 1,000 posts, back to 2026-03-01 08:00 UTC"
    )


@pytest.mark.parametrize("removed", [1, 2])
def test_a_post_that_is_removed_after_its_page_hides_none_of_those_below_it(removed: int) -> None:
    """Reddit may give nothing after it; where the one before it is gone too, that is told."""
    posts = made(350, DAY)
    gone = {name_of(post) for post in posts[200 - removed : 200]}
    whole = server(posts, page=100)
    left = server([post for post in posts if name_of(post) not in gone], page=100)

    def answer(asked: Asked) -> Given:
        after = asked.query.get("after")
        if after in gone:
            return {"kind": "Listing", "data": {"after": None, "children": []}}
        return whole(asked) if after in {None, name_of(posts[99])} else left(asked)

    with StandIn(answer) as service:
        pages = ask(service, subreddit="opendata")
        for number, page in enumerate(pages[:-1]):
            assert ask(service, subreddit="opendata", cursor=page.cursor) == pages[number + 1 :]
    found = {post.id for post in read(*pages)}
    if removed == 1:
        assert (len(found), pages[-1].truncated) == (350, None)
    else:
        below = f"{posts[199].created:%Y-%m-%d %H:%M} UTC"
        told = f"Reddit gives nothing more below {below}, where posts were removed while it was read"
        assert (len(found), pages[-1].truncated) == (200, told)


def test_a_listing_that_ends_with_its_page_is_whole() -> None:
    """The post to go on after is still there, so that nothing after it is the end."""
    posts = made(200, DAY)
    given = server(posts, page=100)

    def answer(asked: Asked) -> Given:
        page: Any = given(asked)
        if asked.query.get("after") == name_of(posts[99]):
            page["data"]["after"] = name_of(posts[199])
        return {**page}

    with StandIn(answer) as service:
        pages = ask(service, subreddit="opendata")
    assert (len({post.id for post in read(*pages)}), pages[-1].truncated) == (200, None)
    assert read(pages[-1]) == []


def test_nothing_is_missing_where_reddit_ends_below_the_window() -> None:
    posts = made(1500, DAY)
    window = Window(posts[950].created, DAY.end)
    with StandIn(server(posts, page=100, depth=1000)) as service:
        pages = ask(service, subreddit="opendata", window=window)
    assert (len(pages), pages[-1].truncated) == (10, None)


def test_a_small_limit_asks_for_a_small_page_where_nothing_newer_comes_first(reddit: StandIn) -> None:
    """It would else go through all that is newer in small steps."""
    ask(reddit, subreddit="opendata", limit=7, now=DAY.end)
    assert reddit.asked[1].query["limit"] == "7"
    reddit.asked.clear()
    early = Window(DAY.start - timedelta(days=1), DAY.start)
    ask(reddit, subreddit="opendata", limit=7, window=early)
    assert [asked.query["limit"] for asked in reddit.asked[1:]] == ["100"] * 3


@pytest.mark.parametrize(
    "changes",
    [
        {"selftext": "[removed]", "removed_by_category": "moderator"},
        {"selftext": "[deleted]", "author": "[deleted]"},
        {"selftext": "", "removed_by_category": "reddit"},
    ],
)
def test_what_was_removed_or_deleted_is_counted_as_unavailable(changes: dict[str, Any]) -> None:
    child = link(made(1, DAY)[0])
    child["data"] |= changes
    body = json.dumps({"kind": "Listing", "data": {"children": [child]}}).encode()
    assert list(reddit_api.posts(body, NOW)) == [Skipped("unavailable", child["data"]["name"])]


# --- who asks --------------------------------------------------------------------------------------


def test_an_app_logs_in_once_and_says_who_it_is(reddit: StandIn) -> None:
    ask(reddit, subreddit="opendata", credentials=login(reddit, extra={"username": "ada"}))
    first = reddit.asked[0]
    assert (first.path, first.form) == ("/api/v1/access_token", {"grant_type": "client_credentials"})
    assert [asked.path for asked in reddit.asked].count(first.path) == 1
    names = {asked.headers["user-agent"] for asked in reddit.asked}
    (name,) = names
    assert name.startswith("linux:an app:trawl/")
    assert name.endswith(" (by /u/ada)")


def test_a_login_is_made_anew_before_it_ends() -> None:
    service = StandIn(server(made(250, DAY), page=100))
    moments = iter([NOW + timedelta(hours=7 * number) for number in range(100)])
    with service:
        request = Request(None, DAY, None, {"subreddit": "opendata"}, credentials=login(service))
        list(reddit_api.pages(request, None, Run(now=lambda: next(moments))))
    assert [asked.path for asked in service.asked].count("/api/v1/access_token") > 1


def test_no_app_stops_and_says_what_to_do(reddit: StandIn) -> None:
    with pytest.raises(Stop, match=r"registered apps only.*app's id as login and its secret as password"):
        ask(reddit, subreddit="opendata", credentials={"host": reddit.url})


def test_a_wrong_secret_stops_and_names_the_connection(reddit: StandIn) -> None:
    with pytest.raises(Stop, match=r"HTTP 401: Unauthorized.*connection my_reddit") as caught:
        ask(reddit, subreddit="opendata", credentials=login(reddit, password="guessed"))
    assert "guessed" not in str(caught.value)


def test_a_login_that_is_none_stops_and_names_the_connection() -> None:
    with (
        StandIn(lambda _: {"error": "unsupported_grant_type"}) as service,
        pytest.raises(Stop, match=r"my_reddit \(unsupported_grant_type\): correct its id and secret"),
    ):
        ask(service, subreddit="opendata")


@pytest.mark.parametrize(("subreddit", "said"), [("private", "private"), ("nowhere", "there is none")])
def test_a_subreddit_that_cannot_be_read_stops_and_is_named(
    reddit: StandIn, subreddit: str, said: str
) -> None:
    with pytest.raises(Stop, match=rf"The subreddit {subreddit} cannot be read .*{said}.*`options`"):
        ask(reddit, subreddit=subreddit)


def test_a_refusal_that_is_not_about_the_subreddit_is_about_the_app(reddit: StandIn) -> None:
    reddit.instead[1] = Answer(b'{"message": "Forbidden", "error": 403}', 403)
    with pytest.raises(Stop, match="my_reddit"):
        ask(reddit, subreddit="opendata")


# --- reading ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def items() -> dict[str, Post]:
    found = reddit_api.posts(json.dumps(PAGE).encode(), NOW)
    return {(item.text or "").partition("\n")[0]: item for item in found if isinstance(item, Post)}


def test_a_post_is_its_title_and_its_text(items: dict[str, Post]) -> None:
    assert items["Own words"] == Post(
        platform="reddit",
        id="t3_1aaaa1",
        url="https://www.reddit.com/r/opendata/comments/1aaaa1/x/",
        author="sample_ada",
        author_name=None,
        author_id="t2_7made7",
        created_at=datetime(2026, 3, 1, 11, 59, tzinfo=UTC),
        text="Own words\n\nFirst & last\n\nsecond paragraph",
        lang=None,
        likes=57,
        reposts=None,
        replies=3,
        quotes=0,
        bookmarks=None,
        views=None,
        source_label=None,
        conversation_id=None,
        in_reply_to=None,
        quoted=None,
        reposted=None,
        hashtags=None,
        mentions=None,
        urls=(),
        media=(),
        scraped_at=NOW,
    )


def test_links_and_media_are_told_apart(items: dict[str, Post]) -> None:
    assert (items["A link"].urls, items["A link"].media) == (("https://example.org/data?a=1&b=2",), ())
    assert (items["A picture"].urls, items["A picture"].media) == ((), ("https://i.redd.it/made.png",))
    assert items["A film"].urls == ()
    assert items["A film"].media == ("https://v.redd.it/made/DASH_720.mp4?source=fallback",)
    assert items["A gallery"].urls == ()
    assert items["A gallery"].media == (
        "https://i.redd.it/second.gif",
        "https://preview.redd.it/first.jpg?width=1200&s=made",
    )


def test_a_crosspost_names_the_post_it_shows(items: dict[str, Post]) -> None:
    assert (items["A crosspost"].quoted, items["A crosspost"].urls) == ("t3_1bbbbb", ())


def test_a_post_of_nobody_has_no_author() -> None:
    child = link(made(1, DAY)[0])
    child["data"] |= {"author": "[deleted]", "author_fullname": None}
    (post,) = reddit_api.posts(json.dumps({"data": {"children": [child]}}).encode(), NOW)
    assert isinstance(post, Post)
    assert (post.author, post.author_id, post.quotes, post.likes) == (None, None, 0, 57)


def test_what_is_no_post_is_skipped() -> None:
    *_, last = reddit_api.posts(json.dumps(PAGE).encode(), NOW)
    assert last == Skipped("no-post", "a thing of kind t5")


# --- running ---------------------------------------------------------------------------------------


def test_the_example_runs_from_its_file_to_its_object(reddit: StandIn, tmp_path: Path) -> None:
    job = read_job(ROOT / "pipelines/examples/reddit_subreddit.yaml", ROOT)
    assert isinstance(job, Job)
    job = replace(job, bucket=str(tmp_path), key="posts.jsonl", format="jsonl")
    run = Run(connection=lambda _: login(reddit), now=lambda: NOW)
    load(job, DAY, run, transform(job, DAY, run, extract(job, DAY, run)))
    assert len((tmp_path / "posts.jsonl").read_text().splitlines()) == 250
