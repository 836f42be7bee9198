"""Extract: what it asks, keeps, counts and says, from a search on loopback and from files."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from etl_callables import load, raw, transform
from etl_callables.errors import RetryLater, StaleCursor, Stop
from etl_callables.extraction import EMPTY, REPEATED, credentials, extract
from etl_callables.post import Post, Skipped
from etl_callables.run import Run, prefix
from etl_callables.sources import Page, source_for
from etl_callables.sources.x_prices import PRICES
from etl_callables.store import open_store
from schemas.job import Job
from schemas.window import Window
from tests.etl_callables.jobs import NOON, WINDOW, a_run, tweet
from tests.etl_callables.jobs import job as archive_job
from tests.servers.tweets import entry, entry_2026
from tests.servers.x_search import Answer, Search, search_page

Start = Callable[[Mapping[str | None, Sequence[Answer]]], Search]

RUN = a_run()


def searching(bucket: Path, **changes: Any) -> Job:
    return archive_job(bucket, source="twitter", via="snscrape", query="covid", **changes)


def finish(job: Job, window: Window = WINDOW, run: Run = RUN) -> raw.Done:
    """Run extract; how it ended. What it returns agrees with what it wrote."""
    result = extract(job, window, run)
    done = raw.read_done(open_store(job, run), result["raw"])
    assert result == {"raw": result["raw"], "pages": len(done.pages), "posts": done.posts}
    counted = done.posts + done.duplicates + done.outside_window + done.over_limit
    assert done.items == counted + sum(done.skipped.values())
    assert done.complete == (done.truncated is None)
    return done


def tweets(*numbers: int) -> list[dict[str, Any]]:
    """A later number is an earlier tweet, as in a search."""
    return [entry_2026(number, NOON - timedelta(minutes=number)) for number in numbers]


def three_pages() -> dict[str | None, list[Answer]]:
    return {
        None: [search_page(tweets(*range(20)), "A")],
        "A": [search_page(tweets(*range(20, 40)), "B")],
        "B": [search_page(tweets(*range(40, 60)), "C")],
        "C": [search_page([], "C")],
    }


def archive(folder: Path, lines: Sequence[bytes]) -> Path:
    (folder / "posts.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    return folder


def test_every_post_of_every_page_is_kept_without_a_limit(x: Start, tmp_path: Path) -> None:
    server = x(three_pages())
    done = finish(searching(tmp_path))
    assert (done.posts, len(done.pages), done.requests, done.complete) == (60, 4, 4, True)
    assert server.asked == [None, "A", "B", "C"]


@pytest.mark.parametrize(
    ("limit", "pages", "over"),
    [
        (1, 1, 19),
        (19, 1, 1),
        (20, 1, 0),
        (21, 2, 19),
        (39, 2, 1),
        (40, 2, 0),
        (41, 3, 19),
        (60, 3, 0),
        (61, 4, 0),
    ],
)
def test_a_limit_is_exact_and_no_page_more_is_asked_for_than_it_takes(
    x: Start, tmp_path: Path, limit: int, pages: int, over: int
) -> None:
    server = x(three_pages())
    done = finish(searching(tmp_path, limit=limit))
    assert (done.posts, done.over_limit) == (min(limit, 60), over)
    assert (len(done.pages), len(server.asked)) == (pages, pages)


def test_a_page_reached_by_the_limit_is_still_kept_whole(x: Start, tmp_path: Path) -> None:
    x(three_pages())
    job = searching(tmp_path, limit=5)
    done = finish(job)
    (page,) = raw.read_pages(open_store(job, RUN), done.pages)
    posts = [post for body in page.bodies for post in source_for("twitter", "snscrape").posts(body, NOON)]
    assert len(posts) == 20


def test_a_limit_counts_a_post_that_comes_twice_once(x: Start, tmp_path: Path) -> None:
    x(
        {
            None: [search_page(tweets(1, 2, 2, 3), "A")],
            "A": [search_page(tweets(3, 4, 5), "B")],
            "B": [search_page([], None)],
        }
    )
    done = finish(searching(tmp_path, limit=5))
    assert (done.posts, done.duplicates, len(done.pages)) == (5, 2, 2)


def test_tweets_outside_the_window_are_counted_and_do_not_use_up_the_limit(x: Start, tmp_path: Path) -> None:
    at = (WINDOW.start - timedelta(seconds=1), WINDOW.start, WINDOW.end - timedelta(seconds=1), WINDOW.end)
    x({None: [search_page([entry(number, moment) for number, moment in enumerate(at)], None)]})
    done = finish(searching(tmp_path, limit=2))
    assert (done.posts, done.outside_window, done.over_limit) == (2, 2, 0)
    assert (done.first_post, done.last_post) == (at[1], at[2])


def test_an_item_of_an_unknown_shape_is_counted_by_reason_and_the_rest_is_kept(
    x: Start, tmp_path: Path
) -> None:
    strange = {"entryId": "tweet-7", "content": {"entryType": "Hologram"}}
    x({None: [search_page([*tweets(1), strange, *tweets(2)], None)]})
    done = finish(searching(tmp_path))
    assert (done.posts, done.skipped) == (2, {"unknown-entry": 1})


def test_a_cursor_that_was_asked_for_before_ends_the_run_and_says_so(x: Start, tmp_path: Path) -> None:
    server = x(
        {
            None: [search_page(tweets(1), "A")],
            "A": [search_page(tweets(2), "B")],
            "B": [search_page(tweets(3), "A")],
        }
    )
    done = finish(searching(tmp_path))
    assert (done.posts, done.truncated, done.complete) == (3, REPEATED, False)
    assert server.asked == [None, "A", "B"]


def test_a_cursor_that_is_its_own_successor_ends_the_run(x: Start, tmp_path: Path) -> None:
    server = x({None: [search_page(tweets(1), "A")], "A": [search_page(tweets(2), "A")]})
    assert finish(searching(tmp_path)).truncated == REPEATED
    assert server.asked == [None, "A"]


def test_the_same_tweets_under_ever_new_cursors_end_the_run(x: Start, tmp_path: Path) -> None:
    pages: dict[str | None, list[Answer]] = {
        (str(number) if number else None): [search_page(tweets(1, 2), str(number + 1))]
        for number in range(50)
    }
    server = x(pages)
    done = finish(searching(tmp_path, limit=10))
    assert (done.posts, done.truncated) == (2, REPEATED)
    assert len(server.asked) == 3


def test_one_repeated_page_is_passed_over(x: Start, tmp_path: Path) -> None:
    x(
        {
            None: [search_page(tweets(1, 2), "A")],
            "A": [search_page(tweets(1, 2), "B")],
            "B": [search_page(tweets(3), "C")],
            "C": [search_page(tweets(3), "D")],
            "D": [search_page([], None)],
        }
    )
    done = finish(searching(tmp_path, limit=10))
    assert (done.posts, done.duplicates, done.truncated) == (3, 3, None)


def test_nothing_found_is_a_run_without_posts_and_no_error(x: Start, tmp_path: Path) -> None:
    x({None: [search_page([], "A")]})
    done = finish(searching(tmp_path))
    assert (done.posts, len(done.pages), done.complete) == (0, 1, True)
    assert (done.first_post, done.last_post) == (None, None)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(status=429, headers={"Retry-After": "60"}), RetryLater),
        (Answer(b"{}" * 200, fault="half"), RetryLater),
        (Answer(b"{}" * 200, fault="reset"), RetryLater),
        (Answer(b"nonsense"), RetryLater),
        (Answer(status=403), Stop),
    ],
    ids=["429", "half", "reset", "nonsense", "403"],
)
def test_after_any_failure_the_run_goes_on_at_the_page_that_failed(
    x: Start, tmp_path: Path, answer: Answer, error: type[Exception]
) -> None:
    pages = three_pages()
    server = x({**pages, "B": [answer, *pages["B"]]})
    job = searching(tmp_path)
    with pytest.raises(error):
        extract(job, WINDOW, RUN)
    done = finish(job)
    assert (done.posts, done.requests, done.duplicates) == (60, 2, 0)
    assert server.asked == [None, "A", "B", "B", "C"]


@pytest.mark.parametrize(("damaged", "again"), [(0, [None, "A"]), (1, ["A"])])
def test_a_page_that_a_disk_damaged_is_asked_for_again_and_so_is_what_follows_it(
    x: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture, damaged: int, again: list[str | None]
) -> None:
    """It is no dead end: a task that is cleared would find the same page again."""
    pages = three_pages()
    server = x({**pages, "B": [Answer(status=500), *pages["B"]]})
    job = searching(tmp_path)
    with pytest.raises(RetryLater):
        extract(job, WINDOW, RUN)
    page = sorted(tmp_path.rglob("*.jsonl.zst"))[damaged]
    page.write_bytes(page.read_bytes()[:-9])
    asked = len(server.asked)
    done = finish(job)
    assert (done.posts, done.duplicates) == (60, 0)
    assert server.asked[asked:] == [*again, "B", "C"]
    read = list(raw.read_pages(open_store(job, RUN), done.pages))
    assert [page.envelope.page for page in read] == [0, 1, 2, 3]
    told = [text for text in caplog.messages if "damaged" in text]
    assert len(told) == damaged  # without its first page, the try is as if it had not been
    assert all(text.endswith("it is asked for again, and so is what follows it.") for text in told)


def test_a_run_killed_after_its_last_page_asks_for_nothing(x: Start, tmp_path: Path) -> None:
    server = x(three_pages())
    job = searching(tmp_path, limit=40)
    (tmp_path / extract(job, WINDOW, RUN)["raw"]).unlink()
    done = finish(job)
    assert (done.posts, done.requests) == (40, 0)
    assert server.asked == [None, "A"]


def test_a_finished_run_that_is_run_again_asks_the_source_again(x: Start, tmp_path: Path) -> None:
    server = x(three_pages())
    job = searching(tmp_path, limit=20)
    assert finish(job).posts == finish(job).posts
    assert server.asked == [None, None]


def test_another_query_does_not_take_over_what_an_earlier_one_left(x: Start, tmp_path: Path) -> None:
    pages = three_pages()
    server = x({**pages, "A": [Answer(status=500), *pages["A"]]})
    with pytest.raises(RetryLater):
        extract(searching(tmp_path), WINDOW, RUN)
    finish(searching(tmp_path, limit=60))
    assert server.asked.count(None) == 2


def test_a_line_for_each_page_and_a_summary_are_written_for_a_person(
    x: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    x(three_pages())
    with caplog.at_level(logging.INFO):
        finish(searching(tmp_path, limit=50))
        finish(searching(tmp_path))
    assert [record.getMessage() for record in caplog.records if record.name == "trawl.test"] == [
        "page 1: 20 items, 20 of 50 posts, back to 2021-07-05 11:41 UTC",
        "page 2: 20 items, 40 of 50 posts, back to 2021-07-05 11:21 UTC",
        "page 3: 20 items, 50 of 50 posts, back to 2021-07-05 11:11 UTC",
        "extracted 50 posts from 3 pages, 10 over the limit",
        "page 1: 20 items, 20 posts so far, back to 2021-07-05 11:41 UTC",
        "page 2: 20 items, 40 posts so far, back to 2021-07-05 11:21 UTC",
        "page 3: 20 items, 60 posts so far, back to 2021-07-05 11:01 UTC",
        "page 4: 0 items, 60 posts so far, back to 2021-07-05 11:01 UTC",
        "extracted 60 posts (duplicates are taken out later) from 4 pages",
    ]


def test_pages_of_an_earlier_try_are_told_once_and_not_as_fetched(
    x: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever watches is told how far it is all the same."""
    pages = three_pages()
    x({**pages, "B": [Answer(status=500), *pages["B"]]})
    told: list[int] = []
    run = a_run(watch=lambda kept: told.append(kept.pages))
    job = searching(tmp_path, limit=50)
    with pytest.raises(RetryLater):
        extract(job, WINDOW, run)
    told.clear()
    with caplog.at_level(logging.INFO):
        finish(job, run=run)
    assert told == [1, 2, 3]
    here = "2 pages are here from an earlier try, 40 of 50 posts, back to 2021-07-05 11:21 UTC"
    assert [record.getMessage() for record in caplog.records if record.name == "trawl.test"] == [
        f"{here}; going on from there",
        "page 3: 20 items, 50 of 50 posts, back to 2021-07-05 11:11 UTC",
        "extracted 50 posts from 3 pages, 10 over the limit",
    ]


def test_a_single_page_of_an_earlier_try_may_be_all_that_is_needed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = archive(tmp_path, [tweet(number) for number in range(3)])
    job = archive_job(tmp_path / "bucket", folder=str(folder), options={"files": "*.jsonl"})
    store = open_store(job, RUN)
    finish(job)
    assert [text.startswith("the bucket's folder") for text in caplog.messages] == [True]
    caplog.clear()
    store.delete(entry.key for entry in store.list("_trawl") if entry.key.endswith("/done.json"))
    with caplog.at_level(logging.INFO):
        finish(job)
    assert caplog.messages[0] == (
        "1 page is here from an earlier try, 3 posts so far, back to 2021-07-05 12:00 UTC; no more are needed"
    )
    assert not any(message.startswith("page ") for message in caplog.messages)


def test_a_connection_that_does_not_exist_stops_the_run_and_is_named(tmp_path: Path) -> None:
    job = archive_job(tmp_path, source_connection="x_login", options={"files": "posts.jsonl"})
    with pytest.raises(Stop, match=r"no connection x_login, which pipelines/team/posts\.yaml names"):
        extract(job, WINDOW, RUN)


def test_white_space_around_credentials_is_left_out(tmp_path: Path) -> None:
    """It comes from copying."""
    given = {
        "login": " me",
        "password": "sesame\r\n",
        "port": None,
        "extra": {"username": "u\xa0", "timeout": 5},
    }
    run = a_run(connection=lambda _: given)
    job = archive_job(tmp_path, source_connection="some_api")
    assert credentials(job, run) == {
        "login": "me",
        "password": "sesame",
        "port": None,
        "extra": {"username": "u", "timeout": 5},
    }
    given["extra"] = None
    assert credentials(job, run)["extra"] is None


@pytest.mark.parametrize(
    ("limit", "pages"), [(1, 1), (999, 1), (1000, 1), (1001, 2), (2000, 2), (2001, 3), (5000, 3)]
)
def test_a_limit_on_an_archive_is_exact_around_its_pages(tmp_path: Path, limit: int, pages: int) -> None:
    lines = [tweet(number) for number in range(1, 2501)]
    job = archive_job(
        tmp_path, folder=str(archive(tmp_path, lines)), limit=limit, options={"files": "*.jsonl"}
    )
    done = finish(job)
    assert (done.posts, len(done.pages)) == (min(limit, 2500), pages)


def test_pages_of_an_archive_that_are_alike_are_data_and_no_circle(tmp_path: Path) -> None:
    lines = [tweet(number) for number in range(1, 1001)] * 4 + [tweet(5000)]
    job = archive_job(
        tmp_path, folder=str(archive(tmp_path, lines)), limit=10_000, options={"files": "*.jsonl"}
    )
    done = finish(job)
    assert (done.posts, done.duplicates, done.truncated) == (1001, 3000, None)


def test_without_a_limit_duplicates_are_left_for_transform_to_find(tmp_path: Path) -> None:
    lines = [tweet(1), tweet(1), tweet(2)]
    job = archive_job(tmp_path, folder=str(archive(tmp_path, lines)), options={"files": "*.jsonl"})
    done = finish(job)
    assert (done.posts, done.duplicates) == (3, 0)


def test_an_archive_goes_on_in_the_middle_of_a_file(tmp_path: Path) -> None:
    lines = [tweet(number) for number in range(1, 3501)]
    job = archive_job(tmp_path, folder=str(archive(tmp_path, lines)), options={"files": "*.jsonl"})
    result = extract(job, WINDOW, RUN)
    store = open_store(job, RUN)
    whole = raw.read_done(store, result["raw"])
    store.delete([result["raw"], *whole.pages[2:]])
    done = finish(job)
    assert done.requests == 2
    assert [page.bodies for page in raw.read_pages(store, done.pages)] == [
        tuple(lines[start : start + 1000]) for start in range(0, 3500, 1000)
    ]


@pytest.mark.parametrize(
    ("change", "pages"),
    [("another name", 2), ("another file before it", 3), ("written again", 2), ("none", 1)],
)
def test_an_archive_that_changed_under_an_interrupted_run_is_read_again_and_not_mixed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, change: str, pages: int
) -> None:
    folder = archive(tmp_path, [tweet(number) for number in range(1, 2001)])
    job = archive_job(tmp_path, folder=str(folder), options={"files": "*.jsonl"}, limit=None)
    result = extract(job, WINDOW, RUN)
    store = open_store(job, RUN)
    store.delete([result["raw"], raw.read_done(store, result["raw"]).pages[-1]])
    posts = tmp_path / "posts.jsonl"
    lines = posts.read_bytes().splitlines(keepends=True)
    match change:
        case "another name":
            posts.rename(tmp_path / "renamed.jsonl")
        case "another file before it":
            (tmp_path / "early.jsonl").write_bytes(lines[0])
        case "written again":  # with what was first at its end, where the last try has not been
            posts.write_bytes(b"".join([lines[-1], *lines[:-1]]))
    with caplog.at_level("WARNING"):
        done = finish(job)
    anew = "changed since an interrupted try was reading" in caplog.text
    assert (anew, done.requests) == (change != "none", pages)
    found = [body for page in raw.read_pages(store, done.pages) for body in page.bodies]
    assert set(found) == {line.strip() for line in lines}
    assert done.complete


def test_pages_of_a_killed_try_go_with_the_others_where_a_job_keeps_none(tmp_path: Path) -> None:
    folder = archive(tmp_path, [tweet(number) for number in range(1, 2001)])
    job = archive_job(tmp_path, folder=str(folder), options={"files": "*.jsonl"}, limit=None, keep_raw=False)
    store = open_store(job, RUN)
    first = extract(job, WINDOW, RUN)
    store.delete([first["raw"], raw.read_done(store, first["raw"]).pages[-1]])
    second = extract(job, WINDOW, RUN)
    assert raw.attempt_of(raw.read_done(store, second["raw"]).pages[0]) == raw.attempt_of(first["raw"])
    load(job, WINDOW, RUN, transform(job, WINDOW, RUN, second))
    assert [entry.key for entry in store.list(f"{prefix(job, WINDOW, RUN)}/raw")] == [second["raw"]]


def test_everything_is_below_the_folder_of_the_window(tmp_path: Path) -> None:
    job = archive_job(tmp_path, folder=str(archive(tmp_path, [tweet(1)])), options={"files": "*.jsonl"})
    result = extract(job, WINDOW, RUN)
    assert result["raw"].startswith(prefix(job, WINDOW, RUN) + "/raw/")
    envelope = raw.read_page(
        open_store(job, RUN), raw.read_done(open_store(job, RUN), result["raw"]).pages[0]
    ).envelope
    assert (envelope.source, envelope.via, envelope.page, envelope.cursor, envelope.next) == (
        "archive",
        "files",
        0,
        None,
        None,
    )
    assert json.loads((tmp_path / result["raw"]).read_bytes())["provider"].startswith("trawl ")


class Moved:
    """A service that refuses, later, each place but the first; if `shut`, that too."""

    PLATFORM = "nowhere"
    REPEATS = True

    def __init__(self, *, shut: bool, usd: float = 0.0) -> None:
        self.shut, self.cost, self.refuses = shut, PRICES.cost({"post": 2}) if usd else None, False
        self.asked: list[str | None] = []

    def version(self) -> str:
        return "moved 1"

    def pages(self, _: object, cursor: str | None, __: object) -> Iterator[Page]:
        for place in range(int(cursor or 1), 4):
            self.asked.append(cursor)
            if self.refuses and (self.shut or cursor):
                raise Stop("It says no (HTTP 400): correct the job's `query`.")
            yield Page((b"%d" % place,), str(place + 1) if place < 3 else None, cost=self.cost)

    def posts(self, body: bytes, *_: object) -> Iterator[Post | Skipped]:
        return source_for("archive", "files").posts(tweet(int(body)), NOON)


@pytest.mark.parametrize(("shut", "usd"), [(False, 0), (True, 0), (False, 1)])
def test_a_place_that_is_refused_after_a_kill_is_no_dead_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, shut: bool, usd: float
) -> None:
    """The pages are asked for again, unless they were paid for; who is refused everything is told so."""
    job, source = archive_job(tmp_path, limit=None), Moved(shut=shut, usd=usd)
    first = extract(job, WINDOW, RUN, source=source)
    store = open_store(job, RUN)
    store.delete([first["raw"], raw.read_done(store, first["raw"]).pages[-1]])
    source.refuses = True
    source.asked.clear()
    if shut or usd:
        with pytest.raises(Stop, match="says no") as caught:
            extract(job, WINDOW, RUN, source=source)
        assert not isinstance(caught.value, StaleCursor)
        assert source.asked == (["3", None] if shut else ["3"])
        return
    with caplog.at_level("WARNING"):
        assert extract(job, WINDOW, RUN, source=source)["posts"] == 3
    assert "or the place where an earlier try ended is no more. All of it is read again" in caplog.text


class Sparse:
    """A service with pages without end, of which only every `every`-th has a post (0: none has)."""

    PLATFORM = "nowhere"
    REPEATS = True

    def __init__(self, every: int) -> None:
        self.every = every

    def version(self) -> str:
        return "sparse 1"

    def pages(self, *_: object) -> Iterator[Page]:
        for number in count(1):
            has = self.every and number % self.every == 0
            yield Page((b"%d" % number,) if has else (), str(number))

    def posts(self, body: bytes, *_: object) -> Iterator[Post | Skipped]:
        return source_for("archive", "files").posts(tweet(int(body)), NOON)


@pytest.mark.parametrize(
    ("every", "pages", "posts", "why"), [(0, 10, 0, EMPTY), (11, 10, 0, EMPTY), (9, 45, 5, None)]
)
def test_a_service_that_gives_only_empty_pages_is_left_alone_after_ten_of_them(
    tmp_path: Path, every: int, pages: int, posts: int, why: str | None
) -> None:
    job = archive_job(tmp_path, limit=5)
    result = extract(job, WINDOW, RUN, source=Sparse(every))
    done = raw.read_done(open_store(job, RUN), result["raw"])
    assert (len(done.pages), done.posts, done.truncated) == (pages, posts, why)


class Removed:
    """A service with page after page of what was removed: other things on each, or always the same."""

    PLATFORM = "nowhere"
    REPEATS = True

    def __init__(self, *, circles: bool) -> None:
        self.circles = circles

    def version(self) -> str:
        return "removed 1"

    def pages(self, *_: object) -> Iterator[Page]:
        for number in range(50):
            yield Page((b"%d" % number,), str(number) if number < 49 else None)

    def posts(self, body: bytes, *_: object) -> Iterator[Post | Skipped]:
        for place in range(3):
            yield Skipped("unavailable", f"{place}" if self.circles else f"{body!r} {place}")


@pytest.mark.parametrize(("circles", "pages", "why"), [(True, 3, REPEATED), (False, 50, None)])
def test_pages_of_what_nobody_can_read_end_where_they_repeat(
    tmp_path: Path, *, circles: bool, pages: int, why: str | None
) -> None:
    job = searching(tmp_path)
    result = extract(job, WINDOW, RUN, source=Removed(circles=circles))
    done = raw.read_done(open_store(job, RUN), result["raw"])
    assert (len(done.pages), done.truncated, done.skipped) == (pages, why, {"unavailable": 3 * pages})
