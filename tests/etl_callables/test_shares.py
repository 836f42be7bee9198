"""`per: day`: a limit spread evenly over the days of a run, and asked for a day at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_callables import raw
from etl_callables.extraction import extract
from etl_callables.loading import load
from etl_callables.post import Post, Skipped
from etl_callables.reader import read_posts
from etl_callables.run import Run
from etl_callables.shares import days_of, shares
from etl_callables.sources import Page, Request, archive
from etl_callables.store import open_store
from etl_callables.transformation import transform
from schemas.job import Job
from schemas.schedule import Schedule
from schemas.window import Window
from tests.etl_callables.jobs import a_run, job, tweet

WEEK = Window(datetime(2021, 7, 5, tzinfo=UTC), datetime(2021, 7, 12, tzinfo=UTC))


def daily(limit: int, timezone: str = "UTC", bucket: object = "memory://nowhere") -> Job:
    return job(bucket, limit=limit, per="day", schedule=Schedule("0 0 * * *", timezone))


@given(
    st.integers(1, 400),
    st.integers(0, 2000),
    st.integers(1, 2000),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia"]),
)
def test_the_shares_cover_the_window_add_up_to_the_limit_and_are_even(
    limit: int, first: int, hours: int, timezone: str
) -> None:
    start = datetime(2021, 3, 1, tzinfo=UTC) + timedelta(hours=first)
    window = Window(start, start + timedelta(hours=hours))
    found = shares(daily(limit, timezone), window)
    assert found[0].window.end == window.end
    assert found[-1].window.start == window.start
    assert all(later.window.start == earlier.window.end for later, earlier in pairwise(found))
    assert sum(share.limit for share in found) == limit
    assert max(share.limit for share in found) - min(share.limit for share in found) <= 1


def test_days_are_those_of_the_jobs_zone_summer_time_included() -> None:
    window = Window(datetime(2021, 3, 27, 12, tzinfo=UTC), datetime(2021, 3, 29, 12, tzinfo=UTC))
    hours = [round((day.end - day.start).total_seconds() / 3600) for day in days_of(window, "Europe/Berlin")]
    assert hours == [11, 23, 14]
    assert len(list(days_of(window, "UTC"))) == 3


def test_fewer_posts_than_days_fall_on_days_evenly_apart() -> None:
    month = Window(datetime(2021, 6, 1, tzinfo=UTC), datetime(2021, 7, 1, tzinfo=UTC))
    chosen = [place for place, share in enumerate(shares(daily(10), month)) if share.limit]
    assert {later - earlier for earlier, later in pairwise(chosen)} == {3}


def test_without_per_day_there_are_no_shares() -> None:
    assert shares(job("memory://nowhere", limit=5), WEEK) == ()
    assert shares(job("memory://nowhere", per="day"), WEEK) == ()


# --- through extract and transform --------------------------------------------------------------------


class Days:
    """A source of tweets, an hour apart, that gives pages of five and notes what it is asked for."""

    PLATFORM, REPEATS = "twitter", False

    def __init__(self, parallel: int = 1, *, seeks: bool = True, thin: frozenset[int] = frozenset()) -> None:
        self.PARALLEL, self.SEEKS = parallel, seeks
        self.asked: list[tuple[str, str | None]] = []
        self.limits: set[int | None] = set()
        self._thin = thin

    def version(self) -> str:
        return "days 1"

    def pages(self, request: Request, cursor: str | None, _: Run) -> Iterator[Page]:
        self.limits.add(request.limit)
        hours = int((request.window.end - request.window.start) / timedelta(hours=1))
        moments = [request.window.end - timedelta(hours=hour + 1) for hour in range(hours)]
        moments = [moment for moment in moments if moment.day not in self._thin or moment.hour == 12]
        at = int(cursor or 0)
        while True:
            self.asked.append((f"{request.window.start:%d}", str(at) if at else None))
            bodies = [tweet(int(moment.timestamp()), moment) for moment in moments[at : at + 5]]
            at += 5
            if at >= len(moments):
                yield Page(tuple(bodies), None)
                return
            yield Page(tuple(bodies), str(at))

    def posts(self, body: bytes, fetched_at: datetime) -> Iterator[Post | Skipped]:
        return archive.posts(body, fetched_at)


def kept(asked: Job, source: Days) -> tuple[list[datetime], raw.Done]:
    """The times of the rows that a run writes, and how its extract ended."""
    run = a_run()
    extracted = extract(asked, WEEK, run, source=source)
    loaded = load(asked, WEEK, run, transform(asked, WEEK, run, extracted))
    rows = read_posts(loaded["object"].removeprefix("file://")).to_pylist()
    return [row["created_at"] for row in rows], raw.read_done(open_store(asked, run), extracted["raw"])


def parquet(bucket: Path, limit: int) -> Job:
    return replace(daily(limit, bucket=bucket), key="posts/{date}.parquet", format="parquet")


@pytest.mark.parametrize("parallel", [1, 4])
@pytest.mark.parametrize("seeks", [True, False])
@pytest.mark.parametrize("limit", [1, 7, 10, 50, 160, 168, 1000])
def test_each_day_gives_its_newest_posts(tmp_path: Path, parallel: int, limit: int, seeks: bool) -> None:
    asked = parquet(tmp_path, limit)
    times, done = kept(asked, Days(parallel, seeks=seeks))
    expected = [
        share.window.end - timedelta(hours=hour + 1)
        for share in shares(asked, WEEK)
        for hour in range(min(share.limit, 24))
    ]
    assert times == sorted(expected)
    assert (done.complete, done.posts) == (True, len(expected))


def test_a_thin_day_leaves_its_share_unused_and_the_others_theirs(tmp_path: Path) -> None:
    times, done = kept(parquet(tmp_path, 21), Days(thin=frozenset({6, 9})))
    assert Counter(moment.day for moment in times) == {5: 3, 6: 1, 7: 3, 8: 3, 9: 1, 10: 3, 11: 3}
    assert done.complete


def test_a_full_day_is_left_for_the_next_at_once(tmp_path: Path) -> None:
    source = Days()
    kept(parquet(tmp_path, 42), source)
    assert source.asked == [(f"{day:02d}", at) for day in range(11, 4, -1) for at in (None, "5")]
    assert source.limits == {6}


def test_a_source_that_cannot_begin_in_the_past_is_read_once(tmp_path: Path) -> None:
    source = Days(seeks=False)
    kept(parquet(tmp_path, 7), source)
    assert len(source.asked) == 29  # the newest post of the oldest day is on the last of them
    assert {day for day, _ in source.asked} == {"05"}


class Killed(BaseException):
    pass


@pytest.mark.parametrize("parallel", [1, 3])
@pytest.mark.parametrize("after", range(14))
def test_killed_on_any_day_it_goes_on_there(tmp_path: Path, after: int, parallel: int) -> None:
    asked = parquet(tmp_path, 42)

    class Mortal(Days):
        def posts(self, body: bytes, fetched_at: datetime) -> Iterator[Post | Skipped]:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return super().posts(body, fetched_at)

    left = after * 5 + 1
    mortal = Mortal(parallel)
    with pytest.raises(Killed):
        extract(asked, WEEK, a_run(), source=mortal)
    source = Days(parallel)
    times, done = kept(asked, source)
    assert Counter(moment.day for moment in times) == dict.fromkeys(range(5, 12), 6)
    assert done.complete
    whole = [(f"{day:02d}", at) for day in range(11, 4, -1) for at in (None, "5")]
    assert whole[-1] not in source.asked or source.asked.count(whole[-1]) == 1
    if parallel == 1:
        assert mortal.asked + source.asked == whole


def test_many_empty_days_are_no_end(tmp_path: Path) -> None:
    month = Window(datetime(2021, 6, 1, tzinfo=UTC), datetime(2021, 7, 1, tzinfo=UTC))

    class Quiet(Days):
        def pages(self, request: Request, *_: object) -> Iterator[Page]:
            moment = request.window.start
            yield Page((tweet(1, moment),) if moment.day == 1 else (), None)

    asked = daily(60, bucket=tmp_path)
    done = raw.read_done(open_store(asked, a_run()), extract(asked, month, a_run(), source=Quiet())["raw"])
    assert (done.posts, done.truncated, len(done.pages)) == (1, None, 30)
