"""YouTube, as its Data API answers a project, and videos and comments from pages made to its shape."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl_callables import extract, load, transform
from etl_callables.cost import Cost
from etl_callables.errors import RetryLater, StaleCursor, Stop
from etl_callables.manifest import read_manifest
from etl_callables.post import Post, Skipped
from etl_callables.run import Run, prefix
from etl_callables.sources import Page, Request, youtube_api
from etl_callables.sources.youtube_project import next_day
from etl_callables.store import open_store
from schemas.job import Job
from schemas.reading import read_job
from schemas.window import Window
from tests.servers.hollow import Hollow
from tests.servers.made import Made, made
from tests.servers.standin import Answer, Asked, Given, StandIn
from tests.servers.youtube import KEY, error, id_of, server

ROOT = Path(__file__).parents[2]
PAGES = Path(__file__).with_name("pages") / "youtube"
DAY = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))
NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
VIDEO = "vid00000001"


@pytest.fixture
def youtube() -> Iterator[StandIn]:
    with StandIn(server(made(120, DAY), page=50)) as service:
        yield service


def ask(
    service: StandIn,
    query: str | None = None,
    *,
    window: Window = DAY,
    cursor: str | None = None,
    limit: int | None = None,
    key: str = KEY,
    **options: Any,
) -> list[Page]:
    given = {"host": service.url, "password": key}
    request = Request(query, window, limit, options, credentials=given, connection="my_youtube")
    return list(youtube_api.pages(request, cursor, Run(now=lambda: NOW, sleep=lambda _: None)))


def hollow(answer: Callable[[Asked], Given]) -> Hollow:
    return Hollow(answer, "pageToken", "nextPageToken", "items")


def items(*pages: Page) -> list[Post | Skipped]:
    return [item for page in pages for body in page.bodies for item in youtube_api.posts(body, NOW)]


def read(*pages: Page) -> list[Post]:
    return [item for item in items(*pages) if isinstance(item, Post)]


def recorded(name: str) -> list[Post | Skipped]:
    return list(youtube_api.posts((PAGES / f"{name}.json").read_bytes(), NOW))


# --- searching -------------------------------------------------------------------------------------


def test_each_page_of_a_search_is_followed_by_what_is_known_of_its_videos(youtube: StandIn) -> None:
    pages = ask(youtube, "covid")
    assert [asked.path.rpartition("/")[2] for asked in youtube.asked] == ["search", "videos"] * 3
    assert [len(read(page)) for page in pages] == [0, 50, 0, 50, 0, 20]
    assert [page.cursor is None for page in pages] == [False] * 5 + [True]
    assert {post.likes for post in read(*pages)} == {57}


def test_a_search_is_asked_for_the_window_newest_first(youtube: StandIn) -> None:
    ask(youtube, "covid", channel="UCmadeupmadeupmadeupmade", limit=7)
    asked = youtube.asked[0].query
    assert asked == {
        "part": "id",
        "type": "video",
        "order": "date",
        "q": "covid",
        "maxResults": "7",
        "publishedAfter": "2026-03-01T00:00:00Z",
        "publishedBefore": "2026-03-02T00:00:00Z",
        "channelId": "UCmadeupmadeupmadeupmade",
    }


def test_without_details_a_page_is_one_question(youtube: StandIn) -> None:
    pages = ask(youtube, "covid", details=False)
    assert [len(read(page)) for page in pages] == [50, 50, 20]
    assert {(post.likes, post.author_name) for post in read(*pages)} == {(None, "Sample Ada")}


def test_a_search_goes_on_at_any_cursor_and_asks_nothing_twice(youtube: StandIn) -> None:
    pages = ask(youtube, "covid")
    for number in range(len(pages) - 1):
        before = len(youtube.asked)
        assert ask(youtube, "covid", cursor=pages[number].cursor) == pages[number + 1 :]
        assert len(youtube.asked) - before == len(pages) - number - 1


STALE = Answer(json.dumps({"error": {"code": 400, "errors": [{"reason": "invalidPageToken"}]}}).encode(), 400)


def test_a_search_whose_place_is_known_no_more_goes_on_by_time(youtube: StandIn) -> None:
    """A place may be gone after the wait for the next day's quota; searches are not paid for twice."""
    whole = ask(youtube, "covid")
    before = len(youtube.asked)
    youtube.instead[before] = STALE
    rest = ask(youtube, "covid", cursor=whole[1].cursor)
    assert {post.id for post in read(*whole[:2], *rest)} == {post.id for post in read(*whole)}
    oldest = min(post.created_at for post in read(*whole[:2]))
    following = youtube.asked[before + 1].query
    assert "pageToken" not in following
    assert following["publishedBefore"] == f"{oldest + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.parametrize("details", [True, False])
@pytest.mark.parametrize("before_means_at_too", [True, False])
def test_more_videos_than_a_search_reaches_are_all_found(details: bool, before_means_at_too: bool) -> None:
    posts = [Made(number, DAY.start + timedelta(minutes=number // 3)) for number in range(1300)]
    with StandIn(server(posts, page=50, depth=500, at_too=before_means_at_too)) as service:
        pages = ask(service, "covid", details=details)
    assert {post.id for post in read(*pages)} == {id_of(post) for post in posts}
    assert {page.truncated for page in pages} == {None}


@pytest.mark.parametrize("details", [True, False])
def test_a_second_with_more_videos_than_a_search_reaches_is_said_to_be_cut(details: bool) -> None:
    posts = [Made(number, DAY.start) for number in range(600)]
    with StandIn(server(posts, page=50, depth=500)) as service:
        pages = ask(service, "covid", details=details)
    assert [page.truncated for page in pages if page.truncated] == [
        "more than 500 videos of the one second 2026-03-01T00:00:00Z, deeper than the search goes"
    ]


@pytest.mark.parametrize("details", [True, False])
def test_what_a_search_did_not_reach_is_found_though_it_ends_with_an_empty_page(details: bool) -> None:
    posts = [Made(number, DAY.start + timedelta(minutes=number // 3)) for number in range(1300)]
    with StandIn(hollow(server(posts, page=50, depth=500))) as service:
        pages = ask(service, "covid", details=details)
        assert {post.id for post in read(*pages)} == {id_of(post) for post in posts}
        last = 29 if details else 19
        assert items(pages[last]) == []
        assert ask(service, "covid", details=details, cursor=pages[last - 1].cursor) == pages[last:]


def test_a_search_that_finds_nothing_is_one_page(youtube: StandIn) -> None:
    (page,) = ask(youtube, "nothing of the kind")
    assert (page.cursor, page.truncated, items(page)) == (None, None, [])
    assert len(youtube.asked) == 1


def test_a_video_that_is_gone_a_moment_later_is_counted() -> None:
    posts = made(3, DAY)
    answer = server(posts, page=50)
    left = server(posts[:2], page=50)
    with StandIn(lambda asked: (left if "videos" in asked.path else answer)(asked)) as service:
        pages = ask(service, "covid")
    assert len(read(*pages)) == 2
    assert [item for item in items(*pages) if isinstance(item, Skipped)] == [
        Skipped("unavailable", f"{id_of(posts[2])} was found, and gone a moment later")
    ]


def test_what_a_page_takes_of_the_quota_is_counted(youtube: StandIn) -> None:
    pages = ask(youtube, "covid", limit=50)
    assert [page.cost for page in pages[:2]] == [
        Cost(usd=0, reads={"searches": 1}, prices="2026-08"),
        Cost(usd=0, reads={"units": 1}, prices="2026-08"),
    ]


# --- comments --------------------------------------------------------------------------------------


@pytest.mark.parametrize("video", [VIDEO, f"https://www.youtube.com/watch?v={VIDEO}"])
def test_the_comments_of_a_video_come_newest_first(youtube: StandIn, video: str) -> None:
    pages = ask(youtube, video=video)
    assert [len(read(page)) for page in pages] == [50, 50, 20]
    assert youtube.asked[0].query["order"] == "time"
    assert {post.replies for post in read(*pages)} == {0}


def test_a_place_among_comments_that_is_known_no_more_is_said_before_the_first_page(youtube: StandIn) -> None:
    pages = ask(youtube, video=VIDEO)
    youtube.instead[len(youtube.asked)] = youtube.instead[len(youtube.asked) + 2] = STALE
    with pytest.raises(StaleCursor, match="knows no more where the list was"):
        ask(youtube, video=VIDEO, cursor=pages[0].cursor)
    with pytest.raises(RetryLater, match="knows no more where the list was"):
        ask(youtube, video=VIDEO)


def test_older_comments_than_the_window_are_left(youtube: StandIn) -> None:
    evening = Window(DAY.start + timedelta(hours=20), DAY.end)
    assert len(ask(youtube, video=VIDEO, window=evening)) == 2
    assert len(ask(youtube, video=VIDEO, window=evening, replies=True)) == 3  # theirs may be young


def test_with_replies_all_comments_are_looked_at_and_all_replies_taken() -> None:
    posts, replies = made(3, DAY), made(120, DAY, first=5000)
    late = Window(DAY.end - timedelta(minutes=20), DAY.end)
    with StandIn(server(posts, page=50, replies=replies)) as service:
        pages = ask(service, video=VIDEO, replies=True, window=late)
        found = read(*pages)
        assert len({post.id for post in found}) == 3 + 3 * 120
        assert [asked.path.rpartition("/")[2] for asked in service.asked] == ["commentThreads"] + [
            "comments"
        ] * 9
        for number in range(len(pages) - 1):
            rest = ask(service, video=VIDEO, replies=True, window=late, cursor=pages[number].cursor)
            assert rest == pages[number + 1 :]


def test_comments_whose_replies_came_along_are_not_asked_about_again() -> None:
    with StandIn(server(made(3, DAY), page=50, replies=made(5, DAY, first=5000))) as service:
        pages = ask(service, video=VIDEO, replies=True)
        assert len(service.asked) == 1
    assert len({post.id for post in read(*pages)}) == 3 + 3 * 5


def test_an_empty_page_ends_neither_comments_nor_replies() -> None:
    posts, replies = made(120, DAY), made(60, DAY, first=5000)
    with StandIn(hollow(server(posts, page=50, replies=replies))) as service:
        found = read(*ask(service, video=VIDEO, replies=True))
    assert len({post.id for post in found}) == 120 + 120 * 60


def test_a_comment_that_is_deleted_meanwhile_takes_only_its_replies_with_it() -> None:
    posts, replies = made(3, DAY), made(9, DAY, first=5000)
    given = server(posts, page=50, replies=replies)
    gone: list[str] = []

    def answer(asked: Asked) -> Given:
        parent = asked.query.get("parentId")
        if parent and not gone:
            gone.append(parent)
        return error(404, "commentNotFound") if parent and parent in gone else given(asked)

    with StandIn(answer) as service:
        pages = ask(service, video=VIDEO, replies=True)
        assert ask(service, video=VIDEO, replies=True, cursor=pages[0].cursor) == pages[1:]
    whole = {post.id for post in read(*pages)}
    assert len(gone) == 1
    assert len({name for name in whole if "." not in name}) == 3
    assert len({name.partition(".")[0] for name in whole if "." in name}) >= 2
    assert pages[-1].truncated is None


# --- refusals --------------------------------------------------------------------------------------


def test_no_key_stops_and_says_what_to_do(youtube: StandIn) -> None:
    with pytest.raises(Stop, match="a connection with an API key as its password"):
        ask(youtube, "covid", key="")


def test_a_wrong_key_stops_and_names_the_connection_and_not_the_key(youtube: StandIn) -> None:
    with pytest.raises(Stop, match=r"API key not valid.*connection my_youtube") as caught:
        ask(youtube, "covid", key="guessed")
    assert "guessed" not in str(caught.value)


def test_the_key_is_in_no_address(youtube: StandIn) -> None:
    ask(youtube, "covid", limit=1)
    assert KEY.replace(" ", "+") not in youtube.asked[0].raw_query
    assert "key" not in youtube.asked[0].query


def test_a_quota_that_is_used_up_is_for_the_next_day_in_california(youtube: StandIn) -> None:
    pages = ask(youtube, "covid")
    youtube.instead[len(youtube.asked) + 1] = error(403, "quotaExceeded", "You have exceeded your quota.")
    with pytest.raises(RetryLater, match=r"used up .*exceeded your quota") as caught:
        ask(youtube, "covid", cursor=pages[1].cursor)
    assert caught.value.after == datetime(2026, 3, 4, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-03-03T07:59:59+00:00", "2026-03-03T08:00:00+00:00"),
        ("2026-03-03T08:00:00+00:00", "2026-03-04T08:00:00+00:00"),
        ("2026-03-08T09:00:00+00:00", "2026-03-09T07:00:00+00:00"),  # the clock changes that day
        ("2026-07-01T12:00:00+00:00", "2026-07-02T07:00:00+00:00"),
    ],
)
def test_quotas_begin_anew_at_midnight_in_california(now: str, expected: str) -> None:
    assert next_day(datetime.fromisoformat(now)) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (error(403, "rateLimitExceeded"), RetryLater, "asked too often"),
        (error(400, "processingFailure"), RetryLater, "could not work on the question"),
        (error(403, "commentsDisabled"), Stop, "takes no comments"),
        (error(404, "videoNotFound"), Stop, "no video of that id"),
        (error(400, "keyInvalid"), Stop, "connection my_youtube"),
        (error(403, "accessNotConfigured"), Stop, "allow its project the YouTube Data API v3"),
        (Answer(b'{"error": {"details": [{"reason": "API_KEY_INVALID"}]}}', 400), Stop, "my_youtube"),
        (Answer(b'{"error": "odd"}', 400), Stop, "HTTP 400"),
        (Answer(b'{"kind": "youtube#searchListResponse"}'), RetryLater, "no page of items"),
    ],
)
def test_each_refusal_has_its_consequence(
    youtube: StandIn, answer: Answer, kind: type[Exception], said: str
) -> None:
    youtube.instead.update(dict.fromkeys(range(10), answer))
    with pytest.raises(kind, match=said):
        ask(youtube, "covid")


# --- reading ---------------------------------------------------------------------------------------


def test_a_video_is_its_title_and_its_description_with_its_counts() -> None:
    video, *_ = recorded("videos")
    assert video == Post(
        platform="youtube",
        id="aaaaaaaaaa1",
        url="https://www.youtube.com/watch?v=aaaaaaaaaa1",
        author=None,
        author_name="Sample Ada",
        author_id="UCmadeupmadeupmadeupmade",
        created_at=datetime(2026, 3, 1, 11, tzinfo=UTC),
        text="All about it\n\nWhat it is.\n\nhttps://example.org",
        lang="en-GB",
        likes=789,
        reposts=None,
        replies=12,
        quotes=None,
        bookmarks=None,
        views=123456,
        source_label=None,
        conversation_id=None,
        in_reply_to=None,
        quoted=None,
        reposted=None,
        hashtags=("data", "open data"),
        mentions=None,
        urls=None,
        media=("https://i.ytimg.com/vi/aaaaaaaaaa1/maxres.jpg",),
        scraped_at=NOW,
    )


def test_counts_that_a_channel_hides_are_null() -> None:
    _, hidden, live = (item for item in recorded("videos") if isinstance(item, Post))
    assert (hidden.likes, hidden.replies, hidden.views, hidden.hashtags, hidden.lang) == (
        None,
        None,
        5,
        (),
        None,
    )
    assert (live.likes, live.replies, live.views) == (1, None, None)
    assert live.media == ("https://i.ytimg.com/vi/aaaaaaaaaa3/high.jpg",)


def test_what_a_search_says_of_a_video_is_plain_text_and_a_channel_is_no_video() -> None:
    video, channel = recorded("search")
    assert isinstance(video, Post)
    assert (video.text, video.author_name) == ("It's all & everything\n\nWhat it is ...", "Sample Ada & Co")
    assert (video.likes, video.hashtags, video.lang) == (None, None, None)
    assert isinstance(channel, Skipped)


def test_a_reference_to_no_character_costs_no_video() -> None:
    page = json.loads((PAGES / "search.json").read_bytes())
    page["items"][0]["snippet"]["title"] = f"a &#{'1' * 5000}; b &#55357;&#56832;"
    video, *_ = youtube_api.posts(json.dumps(page).encode(), NOW)
    assert isinstance(video, Post)
    assert (video.text or "").startswith("a \ufffd b \U0001f600")


def test_comments_and_the_replies_that_came_along_are_posts() -> None:
    first, second, third, old = (item for item in recorded("threads") if isinstance(item, Post))
    assert (first.id, first.author, first.author_name, first.text) == (
        "UgA",
        "sample_bo",
        "@sample_bo",
        "First!",
    )
    assert first.url == "https://www.youtube.com/watch?v=aaaaaaaaaa1&lc=UgA"
    assert (first.replies, first.likes, first.conversation_id) == (2, 4, "aaaaaaaaaa1")
    assert (first.in_reply_to, second.in_reply_to, third.in_reply_to) == ("aaaaaaaaaa1", "UgA", "UgA")
    assert (second.replies, second.id) == (None, "UgA.1")
    assert (old.author, old.author_name, old.author_id) == (None, "Old Name", None)


def test_replies_that_do_not_name_their_video_have_no_address() -> None:
    (reply,) = recorded("replies")
    assert isinstance(reply, Post)
    assert (reply.url, reply.conversation_id, reply.in_reply_to) == (None, None, "UgA")


def test_replies_that_are_asked_for_know_their_video() -> None:
    posts, replies = made(2, DAY), made(9, DAY, 500)
    with StandIn(server(posts, page=100, replies=replies)) as youtube:
        found = read(*ask(youtube, video="vid00000001", replies=True))
    assert len({post.id for post in found}) == 20
    assert {post.conversation_id for post in found} == {"vid00000001"}
    assert all(post.url == f"https://www.youtube.com/watch?v=vid00000001&lc={post.id}" for post in found)


def test_a_small_limit_asks_for_whole_pages_of_comments(youtube: StandIn) -> None:
    """A page costs the same, and the newest comments may lie after the window."""
    ask(youtube, video="vid00000001", limit=3)
    assert {asked.query["maxResults"] for asked in youtube.asked} == {"100"}


# --- running ---------------------------------------------------------------------------------------


def test_the_example_runs_from_its_file_to_its_object(youtube: StandIn, tmp_path: Path) -> None:
    job = read_job(ROOT / "pipelines/examples/youtube_search.yaml", ROOT)
    assert isinstance(job, Job)
    job = replace(job, bucket=str(tmp_path), key="posts.jsonl", format="jsonl", query="covid")
    values = {"host": youtube.url, "password": KEY}
    run = Run(connection=lambda _: values, now=lambda: NOW)
    load(job, DAY, run, transform(job, DAY, run, extract(job, DAY, run)))
    assert len((tmp_path / "posts.jsonl").read_text().splitlines()) == 120
    manifest = read_manifest(open_store(job, run), prefix(job, DAY, run))
    assert manifest is not None
    assert manifest.cost == Cost(usd=0, reads={"searches": 3, "units": 3}, prices="2026-08")
