"""Feeds: every entry once, whatever the feed's kind, the time of the run and what changed in between."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_callables import extract, load, transform
from etl_callables.errors import RetryLater, Stop
from etl_callables.manifest import Manifest, read_manifest
from etl_callables.memory import recall
from etl_callables.post import Post, Skipped
from etl_callables.reader import read_posts
from etl_callables.run import Run, prefix
from etl_callables.sources import Page, Request, rss_feed
from etl_callables.store import open_store
from schemas.job import DateRange, Job
from schemas.window import Window
from tests.etl_callables.jobs import a_run, job
from tests.servers.feeds import MORE, SITE, Site, atom, json_feed, json_item, rss
from tests.servers.made import Made, made
from tests.servers.standin import Answer, Asked, StandIn

NOON = datetime(2026, 6, 30, 12, tzinfo=UTC)
KINDS = ("rss", "atom", "json")


def day(number: int) -> Window:
    """The day of July 2026."""
    start = datetime(2026, 7, 1, tzinfo=UTC) + timedelta(days=number - 1)
    return Window(start, start + timedelta(days=1))


def entry(number: int, moment: datetime) -> Made:
    return Made(number, moment, f"about covid {number}")


def job_of(bucket: Path, feeds: str | list[str], **changes: Any) -> Job:
    options = {"feeds": feeds}
    values: dict[str, Any] = {"source": "rss", "via": "feed", "options": options, **changes}
    return replace(job(bucket, **values), key="feed/{date}.parquet", format="parquet")


def take(asked: Job, window: Window, **run: Any) -> tuple[list[int], Manifest]:
    """Run a job for a window; the numbers of the entries in its object, and its manifest."""
    who = a_run(**{"id": f"run {window}", **run})
    result = load(asked, window, who, transform(asked, window, who, extract(asked, window, who)))
    rows = read_posts(result["object"].removeprefix("file://")).to_pylist()
    manifest = read_manifest(open_store(asked, who), prefix(asked, window, who))
    assert manifest is not None
    return [int(re.findall(r"\d+", row["id"])[-1]) for row in rows], manifest


# --- catching up -------------------------------------------------------------------------------------


def test_each_run_takes_what_is_new_up_to_the_end_of_its_window(tmp_path: Path) -> None:
    site = Site([entry(1, day(1).start), entry(2, day(2).start), entry(3, day(3).start)])
    with StandIn(site) as service:
        asked = job_of(tmp_path, f"{service.url}/rss")
        assert take(asked, day(1))[0] == [1]
        assert take(asked, day(2))[0] == [2]
        site.posts = [*site.posts[1:], entry(4, day(3).end - timedelta(seconds=1))]
        assert take(asked, day(3))[0] == [3, 4]


def test_a_run_after_days_without_one_catches_up(tmp_path: Path) -> None:
    site = Site([entry(number, day(number).start) for number in range(1, 10)])
    with StandIn(site) as service:
        asked = job_of(tmp_path, f"{service.url}/atom")
        assert take(asked, day(2))[0] == [1, 2]
        numbers, manifest = take(asked, day(8))
        assert numbers == [3, 4, 5, 6, 7, 8]
        assert (manifest.complete, manifest.counts.outside_window) == (True, 3)


def test_an_entry_dated_back_is_taken_when_it_appears(tmp_path: Path) -> None:
    site = Site([entry(1, day(1).start)])
    with StandIn(site) as service:
        asked = job_of(tmp_path, f"{service.url}/json")
        assert take(asked, day(1))[0] == [1]
        site.posts.append(entry(2, day(1).start - timedelta(days=3)))
        assert take(asked, day(2))[0] == [2]


def test_a_window_run_again_gives_the_same_without_asking(tmp_path: Path) -> None:
    """What a feed said then, it does not say again."""
    site = Site([entry(1, day(1).start), entry(2, day(2).start)])
    with StandIn(site) as service:
        asked = job_of(tmp_path, f"{service.url}/rss")
        first = take(asked, day(1))
        take(asked, day(2))
        site.posts = [entry(9, day(9).start)]
        count = len(service.asked)
        again = take(asked, day(1), id="another run")
        assert again[0] == first[0] == [1]
        assert again[1].object.sha256 == first[1].object.sha256
        assert take(asked, day(2), id="another run")[0] == [2]
        assert len(service.asked) == count


def test_a_feed_that_has_not_changed_costs_a_line(tmp_path: Path) -> None:
    site = Site([entry(1, day(1).start)])
    with StandIn(site) as service:
        asked = job_of(tmp_path, f"{service.url}/rss")
        assert take(asked, day(1))[0] == [1]
        numbers, manifest = take(asked, day(2))
        assert (numbers, manifest.complete, manifest.counts.fetched) == ([], True, 0)
        assert service.asked[1].headers["if-none-match"].startswith('"')
        assert service.asked[1].headers["if-modified-since"] == "Wed, 01 Jul 2026 00:00:00 GMT"
        site.posts.append(entry(2, day(3).start))
        assert take(asked, day(3))[0] == [2]


def test_what_was_left_for_the_next_run_is_not_hidden_by_a_feed_that_has_not_changed(tmp_path: Path) -> None:
    site = Site([entry(1, day(1).start), entry(2, day(2).start)])
    with StandIn(site) as service:
        asked = job_of(tmp_path, f"{service.url}/rss")
        assert take(asked, day(1))[0] == [1]
        assert take(asked, day(2))[0] == [2]
        assert "if-none-match" not in service.asked[1].headers


def test_over_the_limit_is_left_for_the_next_run(tmp_path: Path) -> None:
    site = Site(made(5, day(1), first=1))
    with StandIn(site) as service:
        asked = job_of(tmp_path, f"{service.url}/rss", limit=2)
        assert [take(asked, day(number))[0] for number in (1, 2, 3, 4)] == [[4, 5], [2, 3], [1], []]


def test_another_query_is_asked_of_a_feed_that_has_not_changed(tmp_path: Path) -> None:
    """What the first query left out is there for the second, in a later run and in the same one again."""
    site = Site([Made(1, day(1).start, "covid"), Made(2, day(1).start, "weather")])
    with StandIn(site) as service:
        first = job_of(tmp_path, f"{service.url}/rss", query="covid")
        second = replace(first, query="weather")
        assert take(first, day(1))[0] == [1]
        assert take(second, day(2))[0] == [2]
        assert take(second, day(1))[0] == []
        both = replace(first, query=None)
        assert take(both, day(1))[0] == [1]


def test_the_same_window_with_another_limit_asks_for_everything_again(tmp_path: Path) -> None:
    site = Site(made(5, day(1), first=1))
    with StandIn(site) as service:
        asked = job_of(tmp_path, f"{service.url}/rss")
        assert take(asked, day(1))[0] == [1, 2, 3, 4, 5]
        assert take(replace(asked, limit=2), day(1))[0] == [4, 5]
        assert take(asked, day(2))[0] == [1, 2, 3]
        assert take(replace(asked, limit=9), day(1))[0] == [4, 5]


def test_a_feed_that_moved_on_too_far_is_told(tmp_path: Path) -> None:
    site = Site([entry(1, day(1).start)])
    with StandIn(site) as service:
        url = f"{service.url}/rss"
        asked = job_of(tmp_path, url)
        take(asked, day(1))
        site.posts = [entry(7, day(3).start)]
        numbers, manifest = take(asked, day(3))
    assert numbers == [7]
    assert not manifest.complete
    assert (
        manifest.truncated == f"{url} holds nothing of what it held before: entries in between may be missing"
    )


def test_entries_that_a_query_leaves_out_are_held_too(tmp_path: Path) -> None:
    """A feed with some of them left misses nothing; one with none of them may, though none was taken."""
    site = Site([Made(1, day(1).start, "covid"), Made(2, day(1).start, "weather")])
    with StandIn(site) as service:
        asked = job_of(tmp_path, f"{service.url}/rss", query="covid")
        assert take(asked, day(1))[0] == [1]
        site.posts = [site.posts[1], Made(3, day(2).start, "covid")]
        numbers, manifest = take(asked, day(2))
        assert (numbers, manifest.complete) == ([3], True)
        site.posts = [Made(4, day(3).start, "weather")]
        assert not take(asked, day(3))[1].complete
        site.posts = [Made(5, day(4).start, "covid")]
        numbers, manifest = take(asked, day(4))
    assert (numbers, manifest.complete) == ([5], False)


def test_entries_that_share_an_identifier_come_once_each_however_many_the_feed_still_has(
    tmp_path: Path,
) -> None:
    """The last one left has the name that it had among others, and what comes after it is new.

    Only the first of all, which had the identifier for itself, comes again.
    """
    listed: list[Made] = []

    def answer(_: Asked) -> Answer:
        return Answer(re.sub(rb">\d+</guid>", b">shared0</guid>", rss(listed)), kind="text/xml")

    held = [[1], [1, 2], [2, 3], [3], [3], [4], [], [5], [5, 6]]
    taken = [[0], [1, 2], [3], [], [], [4], [], [5], [6]]
    with StandIn(answer) as service:
        asked = job_of(tmp_path, f"{service.url}/rss")
        for at, (numbers, new) in enumerate(zip(held, taken, strict=True), 1):
            listed[:] = [entry(number, day(1).start) for number in numbers]
            found, manifest = take(asked, day(at))
            assert found == new
            assert manifest.complete == (numbers != [4]), "only then nothing is left of what was there"


def test_since_bounds_what_the_first_run_takes(tmp_path: Path) -> None:
    site = Site([entry(1, day(1).start), entry(3, day(3).start)])
    with StandIn(site) as service:
        asked = job_of(tmp_path, f"{service.url}/rss", date_range=DateRange(since=day(2).start))
        assert take(asked, day(4))[0] == [3]


def test_a_persons_own_look_leaves_the_jobs_runs_alone(tmp_path: Path) -> None:
    site = Site([entry(1, day(1).start), entry(2, day(2).start)])
    with StandIn(site) as service:
        asked = job_of(tmp_path, f"{service.url}/rss")
        assert take(asked, day(2), variant="manual")[0] == [2]
        assert take(asked, day(2))[0] == [1, 2]


def test_runs_of_the_whole_range_take_all_that_the_feed_holds(tmp_path: Path) -> None:
    site = Site([entry(1, day(1).start), entry(2, day(2).start)])
    with StandIn(site) as service:
        asked = job_of(tmp_path, f"{service.url}/rss", date_range=DateRange(each_run="whole"))
        whole = Window(datetime(1970, 1, 1, tzinfo=UTC), day(3).end)
        assert [take(asked, whole, id=str(number))[0] for number in range(2)] == [[1, 2], [1, 2]]


class Killed(BaseException):
    pass


@pytest.mark.parametrize("page", [0, 1, 2])
def test_killed_between_feeds_nothing_is_lost_or_taken_twice(tmp_path: Path, page: int) -> None:
    site = Site([entry(1, day(1).start), entry(2, day(2).start)])
    with StandIn(site) as service:
        feeds = [f"{service.url}/{kind}" for kind in KINDS]
        asked = job_of(tmp_path, feeds)
        left = [page]

        def log_line(*_: object) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Killed

        log = a_run().log.getChild("killed")
        log.info = log_line  # type: ignore[method-assign]  # the first line after each page that is kept
        with pytest.raises(Killed):
            extract(asked, day(1), a_run(id="one", log=log))
        count = len(service.asked)
        assert count == page + 1
        numbers, manifest = take(asked, day(1), id="one")
        assert sorted(numbers) == [1, 1, 1]
        assert manifest.raw.pages == 3
        assert len(service.asked) == 3
        assert sorted(take(asked, day(2))[0]) == [2, 2, 2]


@settings(max_examples=25)
@given(st.data())
def test_in_whatever_order_windows_are_run_each_entry_is_in_one_object(data: st.DataObject) -> None:
    """Entries appear at any time with any date; windows run once each, some of them again."""
    import tempfile

    site = Site([], validators=data.draw(st.booleans(), "validators"))
    number = 0
    objects: dict[int, list[int]] = {}
    with tempfile.TemporaryDirectory() as folder, StandIn(site) as service:
        asked = job_of(Path(folder), f"{service.url}/rss")
        for window in data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=8), "windows"):
            for at in data.draw(st.lists(st.integers(1, 6), max_size=3), "appearing on"):
                number += 1
                site.posts.append(entry(number, day(at).start))
            objects[window] = take(asked, day(window))[0]
        found = sorted(one for numbers in objects.values() for one in numbers)
        assert len(found) == len(set(found))
        objects[9] = take(asked, day(9))[0]
        found = sorted(one for numbers in objects.values() for one in numbers)
        assert found == list(range(1, number + 1))


def test_a_memory_that_is_damaged_says_what_to_do(tmp_path: Path) -> None:
    asked = job_of(tmp_path, f"{SITE}/rss")
    store = open_store(asked, a_run())
    store.write(f"_trawl/{asked.id}/memory.json", b"{")
    with pytest.raises(Stop, match="remove it"):
        recall(store, asked)
    store.write(f"_trawl/{asked.id}/memory.json", b'{"version":2}')
    with pytest.raises(Stop, match="another version"):
        recall(store, asked)


# --- feeds that cannot be read ------------------------------------------------------------------------


class Sites:
    """Feeds of one site, some of which answer otherwise."""

    def __init__(self, **instead: Answer) -> None:
        self.instead = instead

    def __call__(self, asked: Asked) -> Answer:
        name = asked.path.strip("/")
        number = int(name.removeprefix("feed"))
        given = Answer(json_feed([entry(number, day(1).start)]), kind="application/feed+json")
        return self.instead.get(name, given)


GONE = Answer(b"gone", 404, "text/plain")
BUSY = Answer(b"slow down", 429, "text/plain", {"Retry-After": "3600"})


def test_what_is_secret_in_the_address_of_a_feed_is_only_in_the_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in messages nor with the posts, which more people read; the rest of the address is shown."""
    item = {"id": "own", "url": "/1", "date_published": "2026-07-01T00:00:00Z"}

    def answer(asked: Asked) -> Answer:
        if asked.path == "/gone":
            return Answer(json.dumps({"error": f"no {asked.raw_query}"}).encode(), 404)
        return Answer(json.dumps({"items": [item]}).encode())

    with StandIn(answer) as service, caplog.at_level("DEBUG", "trawl"):
        base = service.url.replace("//", "//me:sesame-word@")
        feeds = [f"{base}/{name}?page=2&token=sesame-token" for name in ("gone", "feed")]
        asked = job_of(tmp_path, feeds)
        who = a_run(id="a run")
        result = load(asked, day(1), who, transform(asked, day(1), who, extract(asked, day(1), who)))
        with pytest.raises(Stop) as caught:
            extract(job_of(tmp_path / "other", feeds[:1]), day(1), who)
    (row,) = read_posts(result["object"].removeprefix("file://")).to_pylist()
    manifest = read_manifest(open_store(asked, who), prefix(asked, day(1), who))
    told = f"The feed {service.url}/gone?page=2&token=… has nothing"
    assert manifest is not None
    assert told in str(manifest.truncated)
    assert told in str(caught.value)
    assert told in caplog.text
    for text in (str(manifest.truncated), str(caught.value), caplog.text, str(row)):
        assert "sesame" not in text
    assert (row["id"], row["url"]) == (f"{service.url}/feed?page=2&token=…#own", f"{service.url}/1")


@pytest.mark.parametrize("bad", ["feed1", "feed2", "feed3"])
def test_a_feed_that_refuses_takes_nothing_from_the_others(tmp_path: Path, bad: str) -> None:
    site = Sites(**{bad: GONE})
    with StandIn(site) as service:
        asked = job_of(tmp_path, [f"{service.url}/feed{number}" for number in (1, 2, 3)])
        numbers, manifest = take(asked, day(1))
        assert sorted(numbers) == [number for number in (1, 2, 3) if not bad.endswith(str(number))]
        assert not manifest.complete
        assert f"a feed could not be read: The feed {service.url}/{bad} has nothing" in (
            manifest.truncated or ""
        )
        site.instead.clear()
        numbers, manifest = take(asked, day(2))
    assert numbers == [int(bad[-1])]
    assert manifest.complete


def test_feeds_that_all_refuse_stop_the_run(tmp_path: Path) -> None:
    with StandIn(Sites(feed1=GONE, feed2=GONE)) as service:
        asked = job_of(tmp_path, [f"{service.url}/feed1", f"{service.url}/feed2"])
        with pytest.raises(Stop, match="feed1 has nothing"):
            take(asked, day(1))
        assert len(service.asked) == 2


def test_while_a_feed_is_waited_for_the_others_are_kept_and_not_asked_again(tmp_path: Path) -> None:
    site = Sites(feed1=BUSY, feed2=GONE)
    with StandIn(site) as service:
        asked = job_of(tmp_path, [f"{service.url}/feed{number}" for number in (1, 2, 3)])
        with pytest.raises(RetryLater, match="feed1"):
            take(asked, day(1))
        assert [one.path for one in service.asked] == ["/feed1", "/feed2", "/feed3"]
        del site.instead["feed1"]
        numbers, manifest = take(asked, day(1))
        assert [one.path for one in service.asked[3:]] == ["/feed1", "/feed2"]
    assert sorted(numbers) == [1, 3]
    assert "feed2" in (manifest.truncated or "")


def test_many_feeds_that_have_not_changed_are_nothing_strange(tmp_path: Path) -> None:
    sites = [Site([entry(number, day(1).start)]) for number in range(15)]
    with ExitStack() as stack:
        services = [stack.enter_context(StandIn(site)) for site in sites]
        asked = job_of(tmp_path, [f"{service.url}/rss" for service in services])
        assert len(take(asked, day(1))[0]) == 15
        sites[-1].posts.append(entry(99, day(2).start))
        numbers, manifest = take(asked, day(2))
    assert (numbers, manifest.complete) == ([99], True)


# --- asking ------------------------------------------------------------------------------------------


def ask(service: StandIn, *paths: str, query: str | None = None, **credentials: str) -> list[Page]:
    options = {"feeds": [f"{service.url}/{path}" for path in paths]}
    request = Request(query, day(1), None, options, credentials=credentials)
    return list(rss_feed.pages(request, None, Run(sleep=lambda _: None)))


def read(pages: Sequence[Page]) -> list[Post | Skipped]:
    return [item for page in pages for body in page.bodies for item in rss_feed.posts(body, day(1).end)]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>hello", "text/html"),
        (b"<html><!-- <rdf:RDF></rdf:RDF> -->hello", "text/html"),
        (b"\x89PNG", "image/png"),
        (b'{"posts": []}', "application/json"),
        (b"", "text/xml"),
        (b"[1]", "application/json"),
    ],
)
def test_what_is_no_feed_stops_and_names_it(body: bytes, kind: str) -> None:
    with (
        StandIn(lambda _: Answer(body, kind=kind)) as service,
        pytest.raises(Stop, match="instead of a feed"),
    ):
        ask(service, "rss")


@pytest.mark.parametrize("whole", [rss(made(3, day(1))), atom(made(3, day(1))), json_feed(made(3, day(1)))])
def test_a_feed_that_breaks_off_is_for_later(whole: bytes) -> None:
    with (
        StandIn(lambda _: Answer(whole[: len(whole) * 3 // 4], kind="text/xml")) as service,
        pytest.raises(RetryLater),
    ):
        ask(service, "rss")


def test_a_feed_that_moved_is_followed_and_a_login_does_not_go_elsewhere() -> None:
    with StandIn(Site(made(2, day(1)))) as there:
        moved = Answer(status=301, headers={"Location": f"{there.url}/rss"})
        with StandIn(lambda _: moved) as here:
            assert len(read(ask(here, "old", login="ada", password="secret"))) == 2
            assert here.asked[0].headers["authorization"] == "Basic YWRhOnNlY3JldA=="
        assert "authorization" not in there.asked[0].headers


def test_a_login_goes_to_the_host_of_its_connection_alone() -> None:
    with StandIn(Site(made(2, day(1)))) as own, StandIn(Site(made(2, day(1)))) as foreign:
        options = {"feeds": [f"{foreign.url}/rss", f"{own.url}/rss", f"{own.url}/atom"]}
        for host in (own.url, own.url.partition("//")[2]):
            credentials = {"login": "ada", "password": "secret", "host": host}
            request = Request(None, day(1), None, options, credentials=credentials, connection="mine")
            assert len(list(rss_feed.pages(request, None, Run()))) == 3
    assert {one.headers.get("authorization") for one in own.asked} == {"Basic YWRhOnNlY3JldA=="}
    assert {one.headers.get("authorization") for one in foreign.asked} == {None}


@pytest.mark.parametrize(
    ("host", "told"),
    [("", "write it into the connection's host"), ("blog.example", "none of the job's feeds")],
)
def test_a_login_of_nobody_knows_which_host_goes_nowhere(host: str, told: str) -> None:
    with StandIn(Site([])) as one, StandIn(Site([])) as other:
        options = {"feeds": [f"{one.url}/rss", f"{other.url}/rss"]}
        credentials = {"login": "ada", "password": "secret", "host": host}
        request = Request(None, day(1), None, options, credentials=credentials, connection="mine")
        with pytest.raises(Stop, match=told):
            list(rss_feed.pages(request, None, Run()))
    assert one.asked == other.asked == []


def test_a_login_does_not_cross_the_network_in_clear() -> None:
    login = {"login": "ada", "password": "secret"}
    request = Request(None, day(1), None, {"feeds": "http://site.example/rss"}, credentials=login)
    with pytest.raises(Stop, match="in clear"):
        list(rss_feed.pages(request, None, Run()))


def test_words_leave_out_entries_and_count_them() -> None:
    posts = [Made(1, NOON, "covid and more"), Made(2, NOON, "the weather")]
    with StandIn(Site(posts)) as service:
        items = read(ask(service, "rss", query="COVID"))
    assert [getattr(item, "id", item[0]) for item in items] == ["no-match", f"{service.url}/rss#1"]


def test_words_that_make_no_sense_are_refused_before_anything_is_asked() -> None:
    with StandIn(Site([])) as service, pytest.raises(Stop, match=r"quotation mark|empty quotes"):
        ask(service, "rss", query='"')
    assert service.asked == []


# --- entries -----------------------------------------------------------------------------------------

MADE = Made(77, NOON, "a <b> & covid")
POST = Post(
    platform="rss",
    id="",
    url=f"{SITE}/77",
    author="sample_ada",
    author_name=None,
    author_id=None,
    created_at=NOON,
    text="a <b> & covid\n\nmore & more",
    lang="en",
    likes=None,
    reposts=None,
    replies=None,
    quotes=None,
    bookmarks=None,
    views=None,
    source_label=None,
    conversation_id=None,
    in_reply_to=None,
    quoted=None,
    reposted=None,
    hashtags=("health",),
    mentions=None,
    urls=(f"{SITE}/77", "https://example.org/a"),
    media=(f"{SITE}/a.mp3",),
    scraped_at=day(1).end,
)
FEED = f"{SITE}/feed"


def body_of(feed: bytes, kind: str = "text/xml") -> bytes:
    return rss_feed._body(  # noqa: SLF001 - the shape of a page is this module's own
        FEED, rss_feed.Answer(200, {"content-type": kind}, feed, FEED), None
    )


def rows(feed: bytes, kind: str = "text/xml") -> list[Post | Skipped]:
    return list(rss_feed.posts(body_of(feed, kind), day(1).end))


def test_the_three_kinds_give_the_same_post() -> None:
    assert rows(rss([MADE])) == [POST._replace(id=f"{FEED}#77", replies=3)]
    assert rows(atom([MADE])) == [POST._replace(id="tag:site.example,2026:77")]
    assert rows(json_feed([MADE])) == [POST._replace(id=f"{FEED}#77")]


def test_other_encodings_are_read_as_they_are_declared() -> None:
    text = rss([Made(1, NOON, "Grüße aus München")]).decode()
    latin = text.replace('encoding="utf-8"', 'encoding="iso-8859-1"').encode("latin-1")
    utf16 = text.replace('encoding="utf-8"', 'encoding="utf-16"').encode("utf-16")
    for body in (latin, utf16):
        (item,) = rows(body)
        assert isinstance(item, Post)
        assert (item.text or "").startswith("Grüße aus München")
    declared = text.replace(' encoding="utf-8"', "").encode("latin-1")
    (item,) = rows(declared, "text/xml; charset=iso-8859-1")
    assert isinstance(item, Post)
    assert (item.text or "").startswith("Grüße aus München")


UTF_16 = [
    (form, kind)
    for form in ("utf-16", "utf-16-le", "utf-16-be", "utf-32")
    for kind in ("text/xml", "text/xml; charset=utf-16", "application/rss+xml; charset=utf-8", "")
]
UTF_8 = [
    ("utf-8", f"text/xml; charset={name}")
    for name in ("windows-1252", "iso-8859-1", "us-ascii", "utf-16", "koi8-r", "idna", "hex", "none-such")
]


@pytest.mark.parametrize(("form", "kind"), UTF_16 + UTF_8)
def test_a_servers_wrong_word_for_an_encoding_changes_no_letter(form: str, kind: str) -> None:
    for words in ("Привет", "Grüße"):  # in UTF-16 the first are all bytes of ASCII
        written = rss([Made(1, NOON, words)]).decode().replace("utf-8", form[:6].rstrip("-"))
        (item,) = rows(written.encode(form), kind)
        assert isinstance(item, Post)
        assert (item.text or "").startswith(words)


BAD = [b"\xff", "—".encode()[:2], b"\xe9"]


@pytest.mark.parametrize("bad", BAD, ids=["no byte of any letter", "half a letter", "another's letter"])
@pytest.mark.parametrize("kind", ["text/xml; charset=utf-8", "text/xml; charset=iso-8859-1", ""])
def test_one_bad_byte_spoils_no_letter_beside_it(bad: bytes, kind: str) -> None:
    feed = rss([Made(1, NOON, "Grüße aus München, BAD Привет")]).replace(b"BAD", bad)
    item = json.dumps(
        {"items": [{**json_item(MADE), "title": "Grüße aus München, BAD Привет"}]}, ensure_ascii=False
    )
    for body in (feed, feed.replace(b' encoding="utf-8"', b""), item.encode().replace(b"BAD", bad)):
        (post,) = rows(body, kind)
        assert isinstance(post, Post)
        assert (post.text or "").startswith("Grüße aus München, \N{REPLACEMENT CHARACTER} Привет")


def test_a_json_feed_with_a_bad_byte_is_whole() -> None:
    body = json_feed([Made(1, NOON, "BAD")]).replace(b"BAD", b"\xff")
    with StandIn(lambda _: Answer(body, kind="application/feed+json")) as service:
        assert len(read(ask(service, "json"))) == 1


@pytest.mark.parametrize("kind", ["text/xml; charset=utf-8", ""])
def test_windows_letters_under_the_name_of_utf_8_are_read_as_they_are(kind: str) -> None:
    """Those of `Ã©` are UTF-8 by chance."""
    for words in ("Grüße «aus» München €", "café", "Ã© naïve café, déjà là"):
        (item,) = rows(rss([Made(1, NOON, words)]).decode().encode("cp1252"), kind)
        assert isinstance(item, Post)
        assert (item.text or "").startswith(words)


def test_what_a_server_says_counts_where_the_feed_says_nothing() -> None:
    """Two Chinese characters that could be UTF-8 by their bytes."""
    written = rss([Made(1, NOON, "联通")]).decode().replace(' encoding="utf-8"', "").encode("gb2312")
    (item,) = rows(written, "text/xml; charset=GB2312")
    assert isinstance(item, Post)
    assert (item.text or "").startswith("联通")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("hi &#55357;&#56832; there", "hi 😀 there"),
        ("hi &#xD83D;&#XDE00;", "hi 😀"),
        ("hi &amp;#xD83D;&amp;#56832;", "hi 😀"),
        ("<![CDATA[hi &#55357;&#56832;]]>", "hi 😀"),
        ("a &#xD800; b", "a \N{REPLACEMENT CHARACTER} b"),
        (f"a &#{'1' * 5000}; b", "a \N{REPLACEMENT CHARACTER} b"),
        (f"a &amp;#{'1' * 5000}; b", "a \N{REPLACEMENT CHARACTER} b"),
        (f"a &#{'0' * 5000}66; &#x110000;", "a B \N{REPLACEMENT CHARACTER}"),
    ],
)
def test_numbers_of_characters_that_are_none_cost_no_entry(written: str, meant: str) -> None:
    feed = rss([Made(1, NOON, "ONE"), Made(2, NOON, "two")]).decode().replace("ONE", written)
    items = [item for item in rows(feed.encode()) if isinstance(item, Post)]
    found = {item.id: (item.text or "").partition("\n")[0] for item in items}
    assert found == {f"{FEED}#1": meant, f"{FEED}#2": "two"}


@pytest.mark.parametrize(
    "feed",
    [
        b"<rss version='2.0'><channel><item><guid>1</guid><item><link>x</item></link></item></channel></rss>",
        b'{"items": [}',
    ],
)
def test_a_feed_that_the_parser_trips_over_is_skipped(feed: bytes) -> None:
    assert [item.reason for item in rows(feed) if isinstance(item, Skipped)] == ["unknown-shape"]


@pytest.mark.parametrize(
    ("given", "everywhere"),
    [
        ("https://blog.example/?p=1", True),
        ("urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8", True),
        ("tag:blog.example,2026:1", True),
        ("oai:arXiv.org:2101.00001v1", True),
        ("yt:video:abc", True),
        ("post:1", False),
        ("Note: more", False),
        ("file:///1", False),
        ("urn:1", False),
    ],
)
def test_an_identifier_is_the_feeds_own_unless_it_is_one_of_the_world(given: str, everywhere: bool) -> None:
    (item,) = rows(json.dumps({"items": [{**json_item(MADE), "id": given}]}).encode())
    assert isinstance(item, Post)
    assert item.id == (given if everywhere else f"{FEED}#{given}")


@pytest.mark.parametrize("size", [5_000, 60_000])
def test_what_stands_around_a_feed_is_no_reason_to_refuse_it(size: int) -> None:
    comment = f"<!--{'x' * size}-->".encode()
    start, _, end = rss([MADE]).partition(b"\n")
    with StandIn(lambda _: Answer(start + comment + end + comment, kind="text/xml")) as service:
        assert len(read(ask(service, "rss"))) == 1


@pytest.mark.parametrize(
    "changed",
    [{"authors": 5}, {"authors": "x", "tags": 7, "attachments": 5}, {"tags": {}, "attachments": [5, {}]}],
)
def test_parts_of_another_kind_cost_no_entry(changed: dict[str, Any]) -> None:
    """Of the feed, and of the entry itself."""
    item = json_item(MADE)
    del item["authors"]
    for feed in ({**changed, "items": [item]}, {"items": [{**item, **changed}]}):
        (found,) = rows(json.dumps(feed).encode())
        assert isinstance(found, Post)
        assert (found.author, found.text) == (None, POST.text)


def test_a_base_that_is_no_address_costs_no_entry() -> None:
    for base in ("xml:base='http://['", 'xml:base = "http://["'):
        feed = rss([MADE]).decode().replace("<item>", f"<item {base}>").replace("<rss ", f"<rss {base} ")
        assert rows(feed.encode()) == [POST._replace(id=f"{FEED}#77", replies=3)]


def test_an_entry_without_identifier_is_known_by_its_link() -> None:
    bare = rss([MADE]).replace(b'<guid isPermaLink="false">77</guid>', b"")
    assert [item.id for item in rows(bare) if isinstance(item, Post)] == [f"{SITE}/77"]


@pytest.mark.parametrize("made", [rss, atom, json_feed])
def test_an_identifier_that_several_entries_share_gives_way_to_their_links(
    made: Callable[[Sequence[Made]], bytes],
) -> None:
    """Entries 1 and 2 share one; 2 is there twice, and once more with another title; 3 has its own."""
    entries = [
        Made(number, NOON, text) for number, text in ((1, "a"), (2, "b"), (2, "b"), (2, "B"), (3, "c"))
    ]
    feed = re.sub(r'(>|2026:|"id": ")[12](<|")', r"\g<1>shared\2", made(entries).decode())
    names = {item.id for item in rows(feed.encode()) if isinstance(item, Post)}
    assert len(names) == 3
    assert names > {f"{SITE}/1", f"{SITE}/2"}


def test_entries_that_share_an_identifier_and_have_no_link_are_told_by_title_and_time() -> None:
    """Of an identifier that is an address, feedparser makes a link too, which tells as little."""
    item = "<item><guid>{}</guid><title>{}</title><pubDate>Tue, 30 Jun 2026 {}:00:00 GMT</pubDate></item>"
    for shared in ("same", "https://site.example/"):
        told = [(shared, "a", 12), (shared, "b", 12), (shared, "a", 13), (shared, "a", 12)]
        body = "".join(item.format(*one) for one in told)
        found = rows(f"<rss version='2.0'><channel>{body}</channel></rss>".encode())
        names = [post.id for post in found if isinstance(post, Post)]
        assert len(names) == 4
        assert len({*names}) == 3
        assert names[0] == names[3]
        assert all(shared in name for name in names)


def test_an_entry_that_is_there_twice_keeps_its_own_identifier() -> None:
    assert {item.id for item in rows(rss([MADE, MADE])) if isinstance(item, Post)} == {f"{FEED}#77"}


@pytest.mark.parametrize(
    ("feed", "reason"),
    [
        (b"<rss version='2.0'><channel><item><title>x</title></item></channel></rss>", "unknown-shape"),
        (b"<rss version='2.0'><channel><item><guid>x</guid></item></channel></rss>", "no-time"),
        (json.dumps({"items": [{"id": "1", "content_text": "x"}]}).encode(), "no-time"),
        (json.dumps({"items": [{**json_item(MADE), "id": None, "url": None}]}).encode(), "unknown-shape"),
        (json.dumps({"items": [{**json_item(MADE), "id": True, "url": None}]}).encode(), "unknown-shape"),
        (json.dumps({"items": [{**json_item(MADE), "date_published": "soon"}]}).encode(), "no-time"),
        (json.dumps({"items": [7]}).encode(), "unknown-shape"),
    ],
)
def test_an_entry_without_what_a_post_needs_is_skipped(feed: bytes, reason: str) -> None:
    assert [item.reason for item in rows(feed) if isinstance(item, Skipped)] == [reason]


def test_a_time_that_cannot_be_read_gives_way_to_one_that_can() -> None:
    item = {**json_item(MADE), "date_published": "soon", "date_modified": "2026-06-30T12:00:00Z"}
    entry = "<pubDate>soon</pubDate><atom:updated>2026-06-30T12:00:00Z</atom:updated>"
    feed = (
        "<rss version='2.0' xmlns:atom='http://www.w3.org/2005/Atom'><channel><item><guid>a</guid>{}</item>"
        "</channel></rss>"
    )
    for body in (json.dumps({"items": [item]}), feed.format(entry)):
        (post,) = rows(body.encode())
        assert isinstance(post, Post)
        assert post.created_at == datetime(2026, 6, 30, 12, tzinfo=UTC)


def test_json_feeds_of_the_first_version_and_of_plain_text_are_read() -> None:
    item = {
        **json_item(MADE),
        "author": {"name": "Bo"},
        "content_text": "plain <text>",
        "image": f"{SITE}/i.png",
    }
    del item["authors"], item["content_html"]
    (post,) = rows(json.dumps({"items": [item]}).encode())
    assert post == POST._replace(
        id=f"{FEED}#77", author="Bo", lang=None, text="a <b> & covid\n\nplain <text>",
        urls=(f"{SITE}/77",), media=(f"{SITE}/i.png", f"{SITE}/a.mp3"),
    )  # fmt: skip


def test_nothing_on_this_machine_is_read_and_nothing_explodes() -> None:
    """Entities that name files, and entities of entities (a thousand million laughs)."""
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    kind = f'<!DOCTYPE rss [<!ENTITY file SYSTEM "file:///etc/passwd"><!ENTITY l0 "ha">{laughs}]>'
    feed = rss([Made(1, NOON, "ENTITY here")]).decode()
    for entity in ("&file;", "&l9;"):
        body = feed.replace("?>\n", f"?>\n{kind}\n", 1).replace("ENTITY", entity)
        for item in rows(body.encode()):
            assert "root:" not in str(item)
            assert len(str(item)) < 10_000


def test_markup_of_a_title_is_no_text() -> None:
    assert MORE in json.dumps(json_item(MADE)).replace('\\"', '"')
    (post,) = rows(rss([Made(1, NOON, "<i>so</i> &amp; so")]))
    assert isinstance(post, Post)
    assert (post.text or "").startswith("so & so")


def test_addresses_are_whole_or_none() -> None:
    """Resolved by what the feed says of itself, or by its own address; an identifier is none."""
    made = "<pubDate>Tue, 30 Jun 2026 12:00:00 GMT</pubDate>"
    (bare, relative) = rows(
        f"<rss version='2.0'><channel><item><guid>a</guid>{made}</item>"
        "<item><guid>b</guid><link>/2026/x</link>"
        f"<description>&lt;a href='y'&gt;&lt;img src='//cdn.example/i.png'&gt;&lt;img src='data:x'&gt;"
        f"</description>{made}</item></channel></rss>".encode()
    )
    assert isinstance(bare, Post)
    assert isinstance(relative, Post)
    assert (bare.id, bare.url, bare.urls) == (f"{FEED}#a", None, ())
    assert (relative.url, relative.urls) == (f"{SITE}/2026/x", (f"{SITE}/2026/x", f"{SITE}/y"))
    assert relative.media == ("https://cdn.example/i.png",)
    atom = "<feed xmlns='http://www.w3.org/2005/Atom' xml:base='https://b.example/x/'><entry>{}<updated>"
    end = "2026-06-30T12:00:00Z</updated></entry></feed>"
    for inside, url in (("<id>tag:x,1</id>", None), ("<id>i</id><link href='z'/>", "https://b.example/x/z")):
        (post,) = rows((atom.format(inside) + end).encode())
        assert isinstance(post, Post)
        assert post.url == url
    item = {**json_item(MADE), "url": "/1", "image": "i.png", "attachments": [{"url": "mailto:x"}]}
    (post,) = rows(json.dumps({"items": [item]}).encode())
    assert isinstance(post, Post)
    assert (post.url, post.media) == (f"{SITE}/1", (f"{SITE}/i.png",))


@pytest.mark.parametrize(
    ("zone", "hours"),
    [
        ("GMT", 12),
        ("EST", 17),
        ("CET", 11),
        ("CEST", 10),
        ("msk", 9),
        ("JST", 3),
        ("+0200", 10),
        ("Europe/Berlin", 10),
        ("GMT+2", 10),
        ("AM GMT", 0),
        ("XYZ", None),
    ],
)
def test_zones_are_known_by_their_names_or_their_times_are_none(zone: str, hours: int | None) -> None:
    date = f"<pubDate>Tue, 30 Jun 2026 12:00:00 {zone}</pubDate>"
    (item,) = rows(f"<rss version='2.0'><channel><item><guid>a</guid>{date}</item></channel></rss>".encode())
    found = item.created_at.hour if isinstance(item, Post) else None
    assert found == hours
    assert isinstance(item, Post) or item.reason == "no-time"
