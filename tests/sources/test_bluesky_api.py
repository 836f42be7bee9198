"""Bluesky, searched and read in the real network: PLC, PDS and AppView on loopback."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from etl_callables import load, raw, transform
from etl_callables.errors import RetryLater, Stop
from etl_callables.extraction import extract
from etl_callables.post import Post
from etl_callables.run import Run
from etl_callables.sources import Page, Request, bluesky_api
from etl_callables.sources.bluesky_session import Session
from etl_callables.sources.patience import UNORDERED
from etl_callables.store import open_store
from schemas.job import Job
from schemas.reading import read_job
from schemas.window import Window
from tests.etl_callables.jobs import job as any_job
from tests.servers.bluesky_network import Network, Person, post
from tests.servers.bluesky_stand_in import view
from tests.servers.made import Made

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("bluesky")]

DAY = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))
SECOND = timedelta(seconds=1)
WINDOW = Window(DAY.start, DAY.start + timedelta(days=30))


def login(person: Person, host: str = "") -> dict[str, Any]:
    """The values of an Airflow connection."""
    return {
        "host": host or person.network.pds,
        "login": person.handle,
        "password": person.app_password,
    }


def ask(
    credentials: dict[str, Any],
    query: str | None = None,
    *,
    window: Window = DAY,
    cursor: str | None = None,
    limit: int | None = None,
    **options: Any,
) -> list[Page]:
    request = Request(query, window, limit, options, credentials=credentials, connection="bluesky")
    return list(bluesky_api.pages(request, cursor, Run()))


def read(pages: list[Page]) -> list[Post]:
    items = [item for page in pages for body in page.bodies for item in bluesky_api.posts(body, DAY.end)]
    return [item for item in items if isinstance(item, Post)]


def texts(pages: list[Page]) -> list[str | None]:
    return [item.text for item in read(pages)]


@pytest.fixture(scope="module")
def ada(bluesky: Network) -> Person:
    return bluesky.join("ada", display="Ada")


@pytest.fixture(scope="module")
def many(ada: Person) -> list[str]:
    """800 posts, one in 54 minutes and a few in one millisecond; their AT URIs, oldest first."""
    at = [WINDOW.start + timedelta(minutes=54 * number) for number in range(750)]
    at = sorted([*at, *[WINDOW.start + timedelta(days=3)] * 50])
    uris = ada.write([post(f"wombat {number}", when) for number, when in enumerate(at)])
    ada.network.settle()
    return uris


@pytest.fixture
def shallow(bluesky: Network) -> Iterator[Network]:
    """The network, with a search that ends after 500 hits."""
    bluesky.order("depth", depth=500)
    yield bluesky
    bluesky.order("depth", depth=10_000)


# --- searching -------------------------------------------------------------------------------------


def test_a_search_gives_the_posts_of_the_window_newest_first(ada: Person) -> None:
    for text, when in [
        ("bilby before", DAY.start - SECOND),
        ("bilby first", DAY.start),
        ("bilby last", DAY.end - timedelta(milliseconds=1)),
        ("bilby after", DAY.end),
    ]:
        ada.post(text, when)
    ada.network.settle()
    assert texts(ask(login(ada), "bilby")) == ["bilby last", "bilby first"]


def test_every_option_of_a_search_reaches_it(ada: Person) -> None:
    ada.network.order("asked")
    options = {
        "author": ada.handle,
        "lang": "en",
        "domain": "who.int",
        "url": "https://who.int/a",
        "mentions": ada.did,
        "tag": ["one", "two"],
    }
    assert ask(login(ada), "quoll", **options) != []
    (asked,) = ada.network.order("asked")
    assert {name: asked[name] for name in options} == {**options, "tag": "two"}
    assert (asked["q"], asked["sort"], asked["since"], asked["until"]) == (
        "quoll",
        "latest",
        "2026-03-01T00:00:00.000Z",
        "2026-03-02T00:00:00.000Z",
    )


def test_a_search_that_finds_nothing_is_one_question(ada: Person) -> None:
    ada.network.order("asked")
    (page,) = ask(login(ada), "thylacine")
    assert (page.cursor, page.truncated, read([page])) == (None, None, [])
    assert len(ada.network.order("asked")) == 1


@pytest.mark.usefixtures("shallow")
def test_more_posts_than_the_search_is_deep_are_all_found(ada: Person, many: list[str]) -> None:
    pages = ask(login(ada), "wombat", window=WINDOW)
    found = [item.id for item in read(pages)]
    assert set(found) == set(many)
    assert len(found) < 1.1 * len(many)
    assert {page.truncated for page in pages} == {None}
    assert [page.cursor is None for page in pages] == [False] * (len(pages) - 1) + [True]


@pytest.mark.usefixtures("shallow")
def test_a_search_in_one_thread_reaches_below_the_depth_too(ada: Person, many: list[str]) -> None:
    pages = ask(login(ada), "wombat", window=WINDOW, limit=5000)
    assert {item.id for item in read(pages)} == set(many)


@pytest.mark.usefixtures("shallow")
def test_a_search_goes_on_at_any_cursor_without_a_gap(ada: Person, many: list[str]) -> None:
    pages = ask(login(ada), "wombat", window=WINDOW)
    for number in (0, 3, len(pages) // 2, len(pages) - 2):
        rest = ask(login(ada), "wombat", window=WINDOW, cursor=pages[number].cursor)
        assert {item.id for item in read([*pages[: number + 1], *rest])} == set(many)
        assert [page.bodies for page in rest] == [page.bodies for page in pages[number + 1 :]]


@pytest.mark.usefixtures("shallow")
def test_a_moment_with_more_posts_than_the_search_is_deep_is_said_to_be_cut(ada: Person) -> None:
    ada.write([post("numbat", DAY.start + SECOND) for _ in range(550)])
    ada.network.settle()
    pages = ask(login(ada), "numbat")
    assert [page.truncated for page in pages if page.truncated] == [
        "more than 500 posts of the one moment 2026-03-01T00:00:01.000Z, deeper than the search goes"
    ]


@pytest.mark.usefixtures("many")
def test_a_limit_asks_for_no_page_more_than_it_takes(ada: Person, tmp_path: Path) -> None:
    ada.network.order("asked")
    done = finish(searching(tmp_path, query="wombat", limit=150), ada)
    assert (done.posts, done.over_limit, done.truncated) == (150, 50, None)
    assert len(ada.network.order("asked")) <= 3  # the AppView may fill a page up


@pytest.mark.usefixtures("many")
def test_days_are_asked_for_side_by_side_with_one_login(
    ada: Person, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="httpx"):
        done = finish(searching(tmp_path, query="wombat", limit=300, per="day"), ada)
    asked = [record.getMessage() for record in caplog.records if record.name == "httpx"]
    assert done.posts == 28 * 10 + 3
    assert sum("createSession" in one for one in asked) == 1


@pytest.mark.usefixtures("many")
def test_the_appviews_own_search_which_knows_no_dates_is_filtered(ada: Person) -> None:
    """As on a server without a search behind it."""
    window = Window(WINDOW.start + timedelta(days=9), WINDOW.start + timedelta(days=10))
    expected = [item.id for item in read(ask(login(ada), "wombat", window=window))]
    ada.network.order("search", on=False)
    try:
        ada.network.order("asked")
        pages = ask(login(ada), "wombat", window=window)
        assert ada.network.order("asked") == []
    finally:
        ada.network.order("search", on=True)
    found = read(pages)
    assert any(item.created_at >= window.end for item in found)
    assert [item.id for item in found if window.start <= item.created_at < window.end] == expected
    assert len(expected) == 27
    assert {page.truncated for page in pages} == {None}


def test_a_search_without_a_login_says_what_to_do(bluesky: Network) -> None:
    with pytest.raises(Stop, match="only accounts search: name a connection with a handle as login"):
        ask({"host": bluesky.appview}, "covid")


# --- who asks --------------------------------------------------------------------------------------


def test_a_wrong_password_stops_and_names_the_connection(ada: Person) -> None:
    with pytest.raises(Stop, match=r"Invalid identifier or password.*connection bluesky"):
        ask({**login(ada), "password": "abcd-efgh-ijkl-mnop"}, "covid")


def test_the_accounts_own_password_works_and_is_advised_against(
    ada: Person, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        ask({**login(ada), "password": "made-up-and-long"}, "thylacine")
        assert "connection bluesky is no app password" in caplog.text
        assert "made-up-and-long" not in caplog.text
        caplog.clear()
        ask(login(ada), "thylacine")
        assert caplog.text == ""


def expired(did: str, network: Network) -> str:
    """An access token as the PDS would have made it three hours ago."""
    now = int(datetime.now(UTC).timestamp())
    head = {"alg": "HS256", "typ": "at+jwt"}
    claims = {
        "scope": "com.atproto.appPassPrivileged",
        "aud": httpx.get(f"{network.pds}/xrpc/com.atproto.server.describeServer").json()["did"],
        "sub": did,
        "iat": now - 10_800,
        "exp": now - 3_600,
    }
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (head, claims)]
    signature = hmac.new(b"jwt-secret", b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def test_a_login_that_expires_is_refreshed_and_the_question_asked_again(ada: Person) -> None:
    request = Request("thylacine", DAY, credentials=login(ada))
    asked = {"q": "thylacine"}
    with Session(request, Run()) as session:
        session.get("app.bsky.feed.searchPosts", asked)
        old = session.login.tokens
        assert old
        session.login.tokens = (expired(ada.did, ada.network), old[1])
        assert session.get("app.bsky.feed.searchPosts", asked).status == 200
        assert session.login.tokens[1] != old[1]  # not the one put in just now, which was the old one
        # Where the long-lived token is no good any more either, the app password is.
        session.login.tokens = (expired(ada.did, ada.network), "nonsense")
        assert session.get("app.bsky.feed.searchPosts", asked).status == 200


def test_too_many_logins_wait_until_the_service_says(bluesky: Network) -> None:
    """Its own limit: thirty in five minutes, for who is not exempt from it."""
    eve = {"host": bluesky.gate, "login": "eve.test", "password": "abcd-efgh-ijkl-mnop"}
    wrong = {"identifier": eve["login"], "password": eve["password"]}
    with ThreadPoolExecutor(8) as pool, httpx.Client() as client:
        tries = [
            pool.submit(client.post, f"{bluesky.gate}/xrpc/com.atproto.server.createSession", json=wrong)
            for _ in range(30)
        ]
        assert {one.result().status_code for one in tries} == {401}
    before = datetime.now(UTC)
    with pytest.raises(RetryLater, match="has had enough questions for now") as caught:
        ask(eve, "covid")
    assert caught.value.after is not None
    assert timedelta(0) < caught.value.after - before <= timedelta(minutes=5, seconds=1)


@pytest.mark.usefixtures("many")
def test_a_search_stopped_by_the_rate_limit_goes_on_where_it_was(ada: Person, tmp_path: Path) -> None:
    """Its own limit: three thousand questions in five minutes."""
    network = ada.network
    job = searching(tmp_path, query="wombat", limit=400)
    with httpx.Client() as client:
        used = 0
        while used < 2997:  # a login and two pages are left
            answer = client.get(f"{network.gate}/xrpc/com.atproto.server.describeServer")
            used = 3000 - int(answer.headers["ratelimit-remaining"])
    with pytest.raises(RetryLater) as caught:
        finish(job, ada, host=network.gate)
    assert caught.value.after is not None
    assert caught.value.after > datetime.now(UTC)
    network.order("asked")
    done = finish(job, ada)
    assert (done.posts, done.duplicates, len(done.pages)) == (400, 0, done.requests + 2)
    assert done.requests == len(done.pages) - 2


# --- accounts and feeds ----------------------------------------------------------------------------


def test_an_account_is_read_without_a_login(bluesky: Network) -> None:
    bob = bluesky.join("bob")
    for number in range(5):
        bob.post(f"post {number}", DAY.start + number * SECOND)
    bob.post("before", DAY.start - SECOND)
    bob.post("after", DAY.end)
    bluesky.settle()
    for named in (bob.handle, f"@{bob.handle}", bob.did, f"https://bsky.app/profile/{bob.handle}"):
        found = texts(ask({"host": bluesky.appview}, account=named))
        assert found == ["after", *(f"post {number}" for number in (4, 3, 2, 1, 0)), "before"]


@pytest.mark.usefixtures("many")
def test_the_newer_posts_of_an_account_are_passed_over_and_the_older_ones_left(ada: Person) -> None:
    """The account has 800 posts, of which the window has a day's: a page of newer ones is seen."""
    window = Window(WINDOW.start + timedelta(days=9), WINDOW.start + timedelta(days=10))
    pages = ask({"host": ada.network.appview}, account=ada.handle, window=window)
    inside = [item for item in read(pages) if window.start <= item.created_at < window.end]
    assert len(inside) == 27
    assert len(pages) <= 4
    assert pages[-1].cursor is None


def test_answers_are_left_out_where_they_are_not_wanted(bluesky: Network) -> None:
    carol = bluesky.join("carol")
    root = carol.post("root", DAY.start)
    cid = bluesky.call(f"com.atproto.repo.listRecords?repo={carol.did}&collection=app.bsky.feed.post")[
        "records"
    ][0]["cid"]
    reference = {"uri": root, "cid": cid}
    carol.post("answer", DAY.start + SECOND, reply={"root": reference, "parent": reference})
    bluesky.settle()
    anybody = {"host": bluesky.appview}
    assert texts(ask(anybody, account=carol.handle)) == ["answer", "root"]
    assert texts(ask(anybody, account=carol.handle, replies=False)) == ["root"]


def test_an_account_that_is_not_there_stops_with_the_services_words(bluesky: Network) -> None:
    with pytest.raises(Stop, match=r"Profile not found.*correct the job's `query` or `options`"):
        ask({"host": bluesky.appview}, account="nobody.test")


def test_a_feed_is_read_in_its_own_order_and_found_by_its_address(bluesky: Network) -> None:
    dave = bluesky.join("dave")
    uris = dave.write([post(f"feed {number}", DAY.start + number * SECOND) for number in range(250)])
    best = bluesky.feed(dave, "best", uris[::-1])
    mixed = bluesky.feed(dave, "mixed", [*uris[100:], *uris[:100]])
    anybody = {"host": bluesky.appview}
    for named in (best, f"https://bsky.app/profile/{dave.handle}/feed/best"):
        pages = ask(anybody, feed=named)
        assert [item.id for item in read(pages)] == uris[::-1]
        assert [page.truncated for page in pages] == [None] * 3
    assert [item.id for item in read(ask(anybody, feed=mixed))] == [*uris[100:], *uris[:100]]


def test_a_feed_is_left_once_it_has_come_past_the_window(ada: Person, many: list[str]) -> None:
    later = Window(WINDOW.start + timedelta(minutes=54 * 745), WINDOW.end)
    ordered = ada.network.feed(ada, "ordered", many[::-1])
    shuffled = ada.network.feed(ada, "shuffled", [*many[-10:], *many[:-10]])
    anybody = {"host": ada.network.appview}
    pages = ask(anybody, feed=ordered, window=later)
    assert (len(pages), pages[-1].truncated) == (4, None)
    pages = ask(anybody, feed=shuffled, window=later)
    assert (len(pages), pages[-1].truncated) == (4, UNORDERED)
    rest = ask(anybody, feed=shuffled, window=later, cursor=pages[1].cursor)
    assert rest == pages[2:]


# --- what comes out --------------------------------------------------------------------------------


def test_a_post_has_every_field_that_bluesky_gives(bluesky: Network) -> None:
    fay, gus = bluesky.join("fay", display="Fay"), bluesky.join("gus")
    quoted = gus.post("quoted", DAY.start)
    cid = bluesky.call(f"com.atproto.repo.listRecords?repo={gus.did}&collection=app.bsky.feed.post")[
        "records"
    ][0]["cid"]
    reference = {"uri": quoted, "cid": cid}
    facets = [
        {
            "index": {"byteStart": 0, "byteEnd": 4},
            "features": [{"$type": "app.bsky.richtext.facet#tag", "tag": "zoo"}],
        },
        {
            "index": {"byteStart": 5, "byteEnd": 9},
            "features": [{"$type": "app.bsky.richtext.facet#mention", "did": gus.did}],
        },
        {
            "index": {"byteStart": 10, "byteEnd": 14},
            "features": [{"$type": "app.bsky.richtext.facet#link", "uri": "https://example.org/"}],
        },
    ]
    uri = fay.post(
        "#zoo @gus link",
        DAY.start + SECOND,
        langs=["en", "fr"],
        facets=facets,
        tags=["more"],
        reply={"root": reference, "parent": reference},
        embed={"$type": "app.bsky.embed.record", "record": reference},
    )
    like = {"$type": "app.bsky.feed.like", "subject": reference, "createdAt": "2026-03-01T00:00:02Z"}
    repost = {"$type": "app.bsky.feed.repost", "subject": reference, "createdAt": "2026-03-01T00:00:03Z"}
    fay.write([like])
    (reposting,) = fay.write([repost])
    bluesky.settle()
    anybody = {"host": bluesky.appview}
    first, second = read(ask(anybody, account=fay.did))
    assert second == Post(
        platform="bluesky",
        id=uri,
        url=f"https://bsky.app/profile/{fay.handle}/post/{uri.rpartition('/')[2]}",
        author=fay.handle,
        author_name="Fay",
        author_id=fay.did,
        created_at=DAY.start + SECOND,
        text="#zoo @gus link",
        lang="en",
        likes=0,
        reposts=0,
        replies=0,
        quotes=0,
        bookmarks=0,
        views=None,
        source_label=None,
        conversation_id=quoted,
        in_reply_to=quoted,
        quoted=quoted,
        reposted=None,
        hashtags=("zoo", "more"),
        mentions=(gus.did,),
        urls=("https://example.org/",),
        media=(),
        scraped_at=DAY.end,
    )
    assert (first.id, first.reposted, first.author, first.created_at, first.text) == (
        reposting,
        quoted,
        fay.handle,
        DAY.start + 3 * SECOND,
        None,
    )
    (original,) = read(ask(anybody, account=gus.did))
    assert (original.likes, original.reposts, original.replies, original.quotes) == (1, 1, 1, 1)


def test_the_stand_in_has_the_shape_of_the_real_network(bluesky: Network) -> None:
    """What is checked against the stand-in is worth as much as this."""
    author = bluesky.join("shape", display="Ada")
    author.post("a pademelon", DAY.start, langs=["en"])
    bluesky.settle()
    (page,) = ask(login(author), "pademelon")
    (real,) = json.loads(page.bodies[0])["posts"]
    assert shape(view(Made(7, DAY.start))) == shape(real)


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    return [*map(shape, value)] if isinstance(value, list) else type(value)


# --- running ---------------------------------------------------------------------------------------


def searching(bucket: Path, **changes: Any) -> Job:
    return any_job(bucket, source="bluesky", via="api", source_connection="bluesky", **changes)


def finish(job: Job, person: Person, host: str = "") -> raw.Done:
    """Run extract over the month; how it ended."""
    run = replace(Run(), connection=lambda _: login(person, host))
    result = extract(job, WINDOW, run)
    return raw.read_done(open_store(job, run), result["raw"])


@pytest.mark.parametrize("name", ["bluesky_search", "bluesky_account"])
def test_the_example_runs_from_its_file_to_its_object(bluesky: Network, tmp_path: Path, name: str) -> None:
    root = Path(__file__).parents[2]
    job = read_job(root / f"pipelines/examples/{name}.yaml", root)
    assert isinstance(job, Job)
    author = bluesky.join("example")
    author.write(
        [
            post(f"This is open data, number {number}", DAY.start + number * SECOND, langs=["en"])
            for number in range(150)
        ]
    )
    author.post("Das sind open data", DAY.start, langs=["de"])
    bluesky.settle()
    named = {"account": author.handle} if name == "bluesky_account" else {}
    values = {"host": bluesky.appview} if named else login(author)
    changes = {"bucket": str(tmp_path), "key": "posts.jsonl", "format": "jsonl"}
    job = replace(job, options={**job.options, **named}, source_connection="bluesky", **changes)
    run = Run(connection=lambda _: values)
    load(job, DAY, run, transform(job, DAY, run, extract(job, DAY, run)))
    rows = [json.loads(line) for line in (tmp_path / "posts.jsonl").read_text().splitlines()]
    mine = [row for row in rows if row["author_id"] == author.did]
    assert [row["text"] for row in mine if row["lang"] == "en"] == [
        f"This is open data, number {number}" for number in range(150)
    ]
    assert ("Das sind open data" in [row["text"] for row in mine]) == bool(named)
