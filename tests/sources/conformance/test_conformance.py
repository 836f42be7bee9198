"""What every source promises, each source held to each promise against its service on loopback."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from etl_callables.errors import RetryLater, Stop
from etl_callables.extraction import REPEATED, extract
from etl_callables.http import one_line
from etl_callables.post import Post, Skipped
from etl_callables.sources import Page, source_for
from schemas.job import MaxCost
from schemas.window import Window
from tests.servers.authority import Authority
from tests.servers.made import around, made
from tests.servers.standin import Answer
from tests.sources.conformance.case import Case
from tests.sources.conformance.cases import CASES
from tests.sources.conformance.trial import Killed, Stage

DAY = Window(datetime(2026, 6, 30, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))

pytestmark = pytest.mark.parametrize("case", CASES, ids=str)


@pytest.fixture
def stage(case: Case, tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(case, tmp_path, authority, monkeypatch, DAY)


def promise(number: int, check: str) -> Callable[[Any], Any]:
    return pytest.mark.promise(str(number), check)


class Circling:
    """A source whose service gives one page for ever, all of which its authors took back."""

    def __init__(self, source: Any, bodies: tuple[bytes, ...]) -> None:
        self.PLATFORM, self.REPEATS, self.version = source.PLATFORM, source.REPEATS, source.version
        self._source, self._bodies, self.asked = source, bodies, 0

    def pages(self, *_: object) -> Iterator[Page]:
        for self.asked in count(1):
            yield Page(self._bodies, f"P{self.asked}")

    def posts(self, body: bytes, now: datetime) -> Iterator[Post | Skipped]:
        for item in self._source.posts(body, now):
            yield Skipped("unavailable", item.id) if isinstance(item, Post) else item


# --- 1: exact ---------------------------------------------------------------------------------------


@promise(1, "limit exact")
@pytest.mark.parametrize("limit", [1, 25, 30, 100])
def test_a_run_keeps_exactly_the_limit(stage: Stage, limit: int) -> None:
    posts = made(35, DAY)
    with stage.trial(posts, limit=limit) as trial:
        manifest, rows = trial.whole()
    assert len(rows) == manifest.counts.kept == min(limit, 35)
    assert trial.numbers(rows) == sorted(post.number for post in posts)[-limit:]


@promise(1, "inside the window")
def test_every_post_lies_in_the_window(stage: Stage, case: Case) -> None:
    """Of a source without a past, in the time up to the window's end."""
    posts = around(DAY)
    with stage.trial(posts) as trial:
        _, rows = trial.whole()
    assert trial.numbers(rows) == ([10, 11, 12] if case.incremental else [11, 12])
    assert rows[-1]["created_at"] == DAY.end - timedelta(seconds=1)
    assert case.incremental or rows[0]["created_at"] == DAY.start


@promise(1, "newest and oldest known")
def test_the_manifest_knows_the_newest_and_the_oldest(stage: Stage) -> None:
    posts = made(23, DAY)
    with stage.trial(posts) as trial:
        manifest, rows = trial.whole()
    assert (manifest.first_post, manifest.last_post) == (posts[-1].created, posts[0].created)
    assert (manifest.complete, manifest.truncated, len(rows)) == (True, None, 23)


@promise(1, "unique when pages overlap")
@pytest.mark.parametrize("limit", [None, 20])
def test_posts_that_the_service_repeats_are_kept_once(stage: Stage, case: Case, limit: int | None) -> None:
    if not case.overlaps:
        pytest.skip("pages cannot overlap")
    posts = made(35, DAY)
    with stage.trial(posts, overlap=3, limit=limit) as trial:
        manifest, rows = trial.whole()
    assert trial.numbers(rows) == sorted(post.number for post in posts)[-(limit or 35) :]
    assert manifest.counts.duplicate >= 0


@promise(1, "ends when cursors loop")
def test_a_loop_of_cursors_ends_and_is_told(stage: Stage, case: Case) -> None:
    if not case.loops:
        pytest.skip("there are no cursors that could loop")
    posts = made(35, DAY)
    with stage.trial(posts, loop=True) as trial:
        manifest, rows = trial.whole()
    assert trial.numbers(rows) == sorted(post.number for post in posts)
    assert (manifest.truncated, manifest.complete) == (REPEATED, False)


@promise(1, "goes on after an empty page")
@pytest.mark.parametrize("limit", [None, 33])
def test_a_page_without_posts_is_no_end(stage: Stage, case: Case, limit: int | None) -> None:
    if not case.hollows:
        pytest.skip("an empty page says by itself that it is the last")
    posts = made(35, DAY)
    with stage.trial(posts, hollow=True, limit=limit) as trial:
        manifest, rows = trial.whole()
    assert trial.numbers(rows) == sorted(post.number for post in posts)[-(limit or 35) :]
    assert (manifest.truncated, manifest.complete) == (None, True)


@promise(1, "ends when cursors loop")
def test_a_page_that_comes_under_ever_new_cursors_ends_though_nothing_of_it_can_be_read(
    stage: Stage, case: Case
) -> None:
    if not case.loops:
        pytest.skip("there are no cursors that could loop")
    with stage.trial(made(12, DAY)) as trial:
        bodies = tuple(trial.bodies(trial.extract()))
        circling = Circling(trial.source, bodies)
        result = extract(replace(trial.job, id="conformance.circling"), DAY, trial.run, source=circling)
    assert circling.asked <= 4
    assert (result["pages"], result["posts"]) == (3, 0)


# --- 2: deep ----------------------------------------------------------------------------------------


@promise(2, "deeper than one question")
@pytest.mark.parametrize("hollow", [False, True])
def test_a_window_deeper_than_the_service_is_covered_or_called_truncated(
    stage: Stage, case: Case, hollow: bool
) -> None:
    """However the service ends: with its last posts, or with a page that has none."""
    if case.depth is None:
        pytest.skip("the service gives all there is")
    if hollow and not case.hollows:
        pytest.skip("an empty page says by itself that it is the last")
    posts = made(case.depth * 4 + 3, DAY)
    with stage.trial(posts, deep=True, hollow=hollow) as trial:
        manifest, rows = trial.whole()
    numbers = sorted(post.number for post in posts)
    if case.covered:
        assert trial.numbers(rows) == numbers
        assert manifest.complete
    else:
        assert trial.numbers(rows) == numbers[-len(rows) :]
        assert not manifest.complete
        assert manifest.truncated


@promise(2, "per: day, evenly")
def test_a_limit_is_spread_over_the_days(stage: Stage, case: Case) -> None:
    """Ten of many posts of five days, of which one has a single one."""
    start = DAY.end - timedelta(days=5)
    days = [Window(start + timedelta(days=n), start + timedelta(days=n + 1)) for n in range(5)]
    posts = [post for n, day in enumerate(days) for post in made(1 if n == 2 else 12, day, 1000 + 100 * n)]
    posts.sort(key=lambda post: post.number, reverse=True)
    stage.window = Window(start, DAY.end)
    with stage.trial(posts, limit=10, per="day") as trial:
        manifest, rows = trial.whole()
    if case.incremental:
        assert len(rows) <= 10
        return
    assert trial.numbers(rows) == [1010, 1011, 1110, 1111, 1200, 1310, 1311, 1410, 1411]
    assert manifest.complete


@promise(2, "per: day, evenly")
def test_silent_days_are_no_circle(stage: Stage, case: Case) -> None:
    """Days that find the same older posts again and again, none of which is theirs."""
    if case.incremental:
        pytest.skip("it takes what is there, whatever its day")
    start = DAY.end - timedelta(days=6)
    first, last = (Window(start + timedelta(days=n), start + timedelta(days=n + 1)) for n in (0, 5))
    posts = [*made(2, last, 2000), *made(25, first)]
    stage.window = Window(start, DAY.end)
    with stage.trial(posts, limit=150, per="day") as trial:
        manifest, rows = trial.whole()
    assert trial.numbers(rows) == [*range(1000, 1025), 2000, 2001]
    assert (manifest.truncated, manifest.complete) == (None, True)


# --- 3: faults --------------------------------------------------------------------------------------

PASSING = {
    "5xx": Answer(b'{"error":"oops"}', 503),
    "reset": Answer(b'{"half a body": "and no more"}', fault="reset"),
    "half a body": Answer(b'{"half a body": "and no more"}', fault="half"),
    "timeout": Answer(b'{"half a body": "and no more"}', fault="stall"),
    "malformed JSON": Answer(b'{"posts": [1, 2'),
}
STOPPING = {
    "401": Answer(b'{"error":"who are you"}', 401),
    "403": Answer(b'{"error":"not for you"}', 403),
    "404": Answer(b'{"error":"no such thing"}', 404),
    "a blocked page": Answer(b"<!DOCTYPE html><title>Just a moment</title>", 403, "text/html"),
    "wrong content type": Answer(b"<html>hello</html>", 200, "text/html"),
}
RESETS = {
    "Retry-After": {"Retry-After": "3600"},
    "x-rate-limit-reset": {"x-rate-limit-reset": str(int(DAY.end.timestamp()) + 7200)},
    "ratelimit-reset": {"ratelimit-reset": str(int(DAY.end.timestamp()) + 7200)},
}


def served_by_a_service(case: Case, fault: str) -> None:
    if case.source == "archive" or fault in case.beside:
        pytest.skip("the service cannot do that")


@pytest.mark.parametrize(
    "fault", [pytest.param(name, marks=promise(3, f"{name}: later, at its cursor")) for name in PASSING]
)
def test_a_fault_in_mid_run_costs_no_page(stage: Stage, case: Case, fault: str) -> None:
    """Whether it is waited out or handed to whoever schedules, all is there in the end, asked for once."""
    served_by_a_service(case, fault)
    posts = made(35, DAY)
    with stage.trial(posts) as trial:
        service = trial.served.service
        assert service
        trial.extract()
        clean = len(service.asked)
        # A limit makes another question of it, so that nothing is adopted; sources that fetch side by
        # side ask one after another then.
        trial.limit = 35
        before = len(service.asked)
        service.instead[before + 2] = PASSING[fault]
        for _ in range(3):
            try:
                done = trial.extract()
                break
            except RetryLater:
                continue
        else:
            pytest.fail("it never ended")
        asked = len(service.asked) - before
    assert done.posts == 35
    assert done.complete
    assert asked <= clean + 3 + case.ahead


@pytest.mark.parametrize(
    "fault", [pytest.param(name, marks=promise(3, f"{name}: later, at its cursor")) for name in PASSING]
)
def test_a_fault_that_stays_is_for_later_and_loses_nothing(stage: Stage, case: Case, fault: str) -> None:
    served_by_a_service(case, fault)
    posts = made(35, DAY)
    with stage.trial(posts, limit=35) as trial:
        service = trial.served.service
        assert service
        service.instead.update(dict.fromkeys(range(2, 200), PASSING[fault]))
        with pytest.raises(RetryLater):
            trial.extract()
        service.instead.clear()
        done = trial.extract()
    assert (done.posts, done.complete) == (35, True)


@pytest.mark.parametrize(
    "fault", [pytest.param(name, marks=promise(3, f"{name}: stop")) for name in STOPPING]
)
@pytest.mark.parametrize("question", [0, 2])
def test_a_refusal_stops_and_says_what_to_correct(
    stage: Stage, case: Case, fault: str, question: int
) -> None:
    """Where pages have places of their own, all of which refuse, each was asked once."""
    served_by_a_service(case, fault)
    with stage.trial(made(35, DAY), limit=35) as trial:
        service = trial.served.service
        assert service
        at = question + (case.prelude if fault == "404" else 0)
        last = 35 // case.page if case.apart else at
        service.instead.update(dict.fromkeys(range(0 if case.apart else at, last + 1), STOPPING[fault]))
        with pytest.raises(Stop) as caught:
            trial.extract()
        assert len(service.asked) <= last + 1 + case.ahead
    said = str(caught.value)
    assert said.endswith(".")
    if fault in {"401", "403"}:
        assert case.refusal in said
    if fault == "404":
        assert case.not_found in said


@pytest.mark.parametrize(
    "header", [pytest.param(name, marks=promise(3, f"429 with {name}: deferred")) for name in RESETS]
)
def test_a_long_wait_is_handed_over_and_goes_on_at_its_cursor(stage: Stage, case: Case, header: str) -> None:
    served_by_a_service(case, "429")
    if case.via == "snscrape" and header == "ratelimit-reset":
        pytest.skip("X writes x-rate-limit-reset")
    posts = made(35, DAY)
    with stage.trial(posts, limit=35) as trial:
        service = trial.served.service
        assert service
        service.instead[2] = Answer(b'{"error":"slow down"}', 429, headers=RESETS[header])
        with pytest.raises(RetryLater) as caught:
            trial.extract()
        assert trial.slept == []
        expected = trial.now + timedelta(hours=1)
        assert caught.value.after == expected
        asked = len(service.asked)
        trial.now = expected
        done = trial.extract()
        again = len(service.asked) - asked
    assert (done.posts, done.complete) == (35, True)
    assert again + asked <= 35 // case.page + 4 + case.ahead


@promise(3, "an item of unknown shape: skipped, kept raw")
def test_an_item_of_an_unknown_shape_is_skipped_counted_and_kept(stage: Stage) -> None:
    posts = made(35, DAY)
    with stage.trial(posts, odd=True) as trial:
        manifest, rows = trial.whole()
        done = trial.extract()
        items = trial.items(done)
    assert len(rows) == 34
    assert sum(manifest.counts.skipped.values()) == 1
    assert sum(isinstance(item, Skipped) for item in items) == 1
    assert (manifest.complete, manifest.counts.fetched) == (True, 35 + manifest.counts.duplicate)


# --- 4: killed --------------------------------------------------------------------------------------


@promise(4, "killed at any page: no gap, no page twice")
@pytest.mark.parametrize("pages", [0, 1, 2, 3])
@pytest.mark.parametrize("limit", [None, 35])
def test_killed_after_any_page_it_goes_on_there(
    stage: Stage, case: Case, pages: int, limit: int | None
) -> None:
    posts = made(35, DAY)
    with stage.trial(posts, limit=limit) as trial:
        try:
            trial.extract(killed_after=pages)
        except Killed:
            pass
        else:
            pytest.skip("all of it is on fewer pages")
        manifest, rows = trial.whole()
        if case.source != "archive":
            most = 35 // case.page + 2 + 1 + (case.ahead if limit is None else 0)
            assert trial.asked() <= most
    assert trial.numbers(rows) == sorted(post.number for post in posts)
    assert manifest.complete


# --- 6: money ---------------------------------------------------------------------------------------


@promise(6, "what is charged is in the manifest")
def test_what_a_run_cost_is_what_the_service_charged(stage: Stage) -> None:
    with stage.trial(made(35, DAY), limit=35) as trial:
        manifest, _ = trial.whole()
        if trial.served.bill is None:
            assert manifest.cost is None or manifest.cost.usd == 0  # a quota is no money
            pytest.skip("it charges nothing")
        assert manifest.cost is not None
        assert manifest.cost.usd == trial.served.bill() > 0


@promise(6, "stops before max_cost")
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_a_run_ends_before_it_costs_more_than_it_may(stage: Stage, part: float) -> None:
    posts = made(35, DAY)
    with stage.trial(posts) as trial:
        if trial.served.bill is None:
            pytest.skip("it charges nothing")
        trial.extract()
        whole = trial.served.bill()
        trial.max_cost = MaxCost(run=round(part * whole, 3))
        try:
            manifest, rows = trial.whole()
        except Stop as problem:
            assert "max_cost" in str(problem)  # noqa: PT017 - one way of two
            assert trial.served.bill() == whole
            return
        assert trial.served.bill() - whole <= part * whole + 1e-9
    assert trial.numbers(rows) == sorted(post.number for post in posts)[-len(rows) :]
    assert manifest.truncated is not None
    assert "max_cost" in manifest.truncated


# --- 5: incremental ----------------------------------------------------------------------------------


@promise(5, "catches up exactly once")
def test_later_runs_take_what_is_new_exactly_once(stage: Stage, case: Case) -> None:
    """Three days, the second of which has no run, then each of them again."""
    if not case.incremental:
        pytest.skip("each window can be asked for at any time")
    days = [Window(DAY.start - timedelta(days=n), DAY.end - timedelta(days=n)) for n in (2, 1, 0)]
    posts = [post for n, day in enumerate(days) for post in made(12, day, 1000 + 100 * n)][::-1]
    posts.sort(key=lambda post: post.created, reverse=True)
    taken = {}
    with stage.trial(posts) as trial:
        for number in (0, 2, 0, 2):
            trial.window = days[number]
            _, rows = trial.whole()
            taken[number] = trial.numbers(rows)
    assert taken == {0: list(range(1000, 1012)), 2: [*range(1100, 1112), *range(1200, 1212)]}


# --- 7: pure ----------------------------------------------------------------------------------------


@promise(7, "item to row is pure")
def test_the_same_body_gives_the_same_posts(stage: Stage, case: Case) -> None:
    with stage.trial(made(12, DAY)) as trial:
        done = trial.extract()
        bodies = trial.bodies(done)
        source = trial.source
    when = DAY.end
    first = [item for body in bodies for item in source.posts(body, when)]
    again = [item for body in bodies for item in source.posts(body, when)]
    posts = [item for item in first if isinstance(item, Post)]
    assert first == again
    assert {post.platform for post in posts} == {case.platform}
    assert {post.scraped_at for post in posts} == {when}
    assert all(post.created_at.tzinfo == UTC for post in posts)
    assert all(isinstance(post.id, str) and post.url for post in posts)


@promise(7, "what is not given is null")
def test_fields_that_the_service_does_not_give_are_null(stage: Stage, case: Case) -> None:
    with stage.trial(made(12, DAY)) as trial:
        posts = [item for item in trial.items(trial.extract()) if isinstance(item, Post)]
    filled = {name for post in posts for name, value in post._asdict().items() if value is not None}
    assert set(Post._fields) - filled == case.absent


PAGES = Path(__file__).parents[1] / "pages"
"""A folder for each provider: pages in its service's shape, each with the rows that it gives."""


@promise(7, "recorded pages give their rows")
def test_each_recorded_page_gives_the_rows_beside_it(case: Case) -> None:
    """`REGENERATE=1 pytest tests/sources/conformance` writes them anew; look at every one that changes."""
    folder = next((found for name in (str(case), case.source) if (found := PAGES / name).is_dir()), PAGES)
    pages = sorted(folder.glob("*.json"))
    assert pages, f"{case} wants recorded pages in tests/sources/pages/{str(case).replace(' ', '-')}"
    for page in pages:
        found = source_for(case.source, case.via).posts(one_line(page.read_bytes()), DAY.end)
        rows = [
            {
                name: value
                for name, value in item._asdict().items()
                if value is not None and name != "scraped_at"
            }
            for item in found
        ]
        text = "".join(json.dumps(row, ensure_ascii=False, default=str, indent=1) + "\n" for row in rows)
        expected = page.with_suffix(".rows")
        if "REGENERATE" in os.environ:
            expected.write_text(text, encoding="utf-8")
        assert text == expected.read_text(encoding="utf-8"), page


@promise(7, "counting and reading agree")
def test_what_is_counted_is_what_is_read(stage: Stage, case: Case) -> None:
    """Of a source that reads less of an item to count it."""
    brief = getattr(stage.case.module or source_for(case.source, case.via), "brief", None)
    if brief is None:
        pytest.skip("it reads all of an item either way")
    with stage.trial(made(12, DAY), odd=True) as trial:
        bodies = trial.bodies(trial.extract())
        for body in [*bodies, b"{}", b"[7]", b"\xff"]:
            read, counted = (list(way(body, DAY.end)) for way in (trial.source.posts, brief))
            assert [type(item) for item in read] == [type(item) for item in counted]
            for whole, part in zip(read, counted, strict=True):
                if isinstance(whole, Post):
                    assert whole[:2] == part[:2]
                    assert whole[6] == part[6]
                    assert whole[9:15] == part[9:15]
                else:
                    assert whole[0] == part[0]


@promise(7, "nothing is too broken to be read")
@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b"7", b'"x"', b"\xff", b"[" * 100_000, b'{"a":']
)
def test_bodies_that_are_no_page_are_skipped(case: Case, stage: Stage, body: bytes) -> None:
    with stage.trial(made(1, DAY)) as trial:
        items = list(trial.source.posts(body, DAY.end))
    assert all(isinstance(item, Skipped) for item in items), case
