"""What is not as a job expects is seen: kept beside its key, or told, as the job says."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from etl_callables import load, transform
from etl_callables.errors import Stop
from etl_callables.manifest import Manifest, read_manifest
from etl_callables.quality import EARLIER
from etl_callables.reader import read_posts
from etl_callables.restoration import restore
from etl_callables.run import Run, object_key, prefix
from etl_callables.store import open_store
from etl_callables.verification import verify
from schemas.job import Column, DateRange, Job, Quality
from schemas.schedule import Schedule
from schemas.window import Window
from tests.etl_callables.jobs import NEXT_DAY, WINDOW, a_run, extracted, job, tweet

DAY = timedelta(days=1)


def expecting(folder: Path, on_breach: str = "fail", **bounds: Any) -> Job:
    quality = Quality(on_breach=on_breach, **bounds) if bounds else None  # type: ignore[arg-type]
    return job(folder, quality=quality)


def days_ago(days: int) -> Window:
    return Window(WINDOW.start - days * DAY, WINDOW.end - days * DAY)


def go(job: Job, count: int = 0, window: Window = WINDOW, run: Run | None = None, **changes: Any) -> Manifest:
    """Run a window in which there are `count` posts, the newest 100 minutes before its end."""
    posts = [
        tweet(number, window.end - timedelta(minutes=100 + number), **changes) for number in range(count)
    ]
    return publish(job, posts, window, run)


def publish(job: Job, posts: Sequence[bytes], window: Window = WINDOW, run: Run | None = None) -> Manifest:
    run = run or a_run()
    newest = max((json.loads(post)["date"] for post in posts), default=None)
    found = extracted(job, run, [posts], window=window, last_post=None)
    assert newest is None or newest < window.end.isoformat()
    load(job, window, run, transform(job, window, run, found))
    manifest = read_manifest(open_store(job, run), prefix(job, window, run))
    assert manifest is not None
    return manifest


def breaches(job: Job, count: int = 0, **more: Any) -> tuple[str, ...]:
    manifest = go(replace(job, quality=replace(job.quality, on_breach="warn")), count, **more)  # type: ignore[type-var]
    assert manifest.quality is not None
    return manifest.quality.breaches


def test_a_run_without_bounds_is_not_judged(tmp_path: Path) -> None:
    assert go(expecting(tmp_path), 0).quality is None


def test_a_run_within_its_bounds_is_published_and_says_what_was_measured(tmp_path: Path) -> None:
    manifest = go(
        expecting(tmp_path, min_posts=3, max_posts=3, nulls={"text": 0.0}, languages={"en": 1.0}), 3
    )
    assert manifest.quality is not None
    assert manifest.quality.breaches == ()
    assert manifest.quality.measured is not None
    assert manifest.quality.measured.nulls == {"text": 0}
    assert manifest.quality.measured.languages == {"en": 3}


@pytest.mark.parametrize(
    ("bounds", "count", "expected"),
    [
        ({"min_posts": 3}, 3, ()),
        ({"min_posts": 3}, 2, ("2 posts, where at least 3 are expected (min_posts)",)),
        ({"max_posts": 0}, 1, ("1 post, where at most 0 are expected (max_posts)",)),
        ({"max_posts": 2}, 2, ()),
        ({"newest_within": timedelta(minutes=100)}, 1, ()),
        (
            {"newest_within": timedelta(minutes=99)},
            1,
            (
                (
                    "the newest post is of 2021-07-05 22:20 UTC, 1 h 40 min before the end of the window,"
                    " where at most 1 h 39 min are expected (newest_within)"
                ),
            ),
        ),
        ({"newest_within": DAY}, 0, ("there is no post that could be new enough (newest_within)",)),
        ({"nulls": {"text": 0.0}}, 0, ()),
    ],
)
def test_bounds_of_counts_and_times(
    tmp_path: Path, bounds: dict[str, Any], count: int, expected: tuple[str, ...]
) -> None:
    assert breaches(expecting(tmp_path, **bounds), count) == expected


def test_shares_of_empty_fields_and_of_languages(tmp_path: Path) -> None:
    """An empty text is empty; en-GB is English; what the source does not say is no language."""
    minutes = [WINDOW.start + timedelta(minutes=number) for number in range(4)]
    posts = [
        tweet(1, minutes[0], lang="en"),
        tweet(2, minutes[1], lang="en-GB", rawContent=""),
        tweet(3, minutes[2], lang=None),
        tweet(4, minutes[3], lang="de", sourceLabel=None),
    ]
    bounds = {"nulls": {"text": 0.25, "source_label": 0.2, "lang": 0.0}, "languages": {"en": 0.5, "de": 0.3}}
    # Fields that are not written are measured all the same.
    job = replace(expecting(tmp_path, "warn", **bounds), columns=(Column("text", "text"),))
    manifest = publish(job, posts)
    assert manifest.quality is not None
    assert manifest.quality.breaches == (
        "source_label is empty in 1 of 4 posts (25.0%), where at most 20.0% are expected (nulls)",
        "lang is empty in 1 of 4 posts (25.0%), where at most 0.0% are expected (nulls)",
        "de is the language of 1 of 4 posts (25.0%), where at least 30.0% are expected (languages)",
    )
    assert manifest.object.columns == ("text",)


def test_a_region_is_met_by_its_own_posts_and_a_language_by_all_its_regions(tmp_path: Path) -> None:
    codes = ["pt-BR", "pt_br", "pt-PT", "pt", "ptx", None]
    posts = [
        tweet(number, WINDOW.start + timedelta(minutes=number), lang=code)
        for number, code in enumerate(codes, 1)
    ]
    manifest = publish(expecting(tmp_path, "warn", languages={"pt-br": 0.4, "pt": 0.7}), posts)
    assert manifest.quality is not None
    assert manifest.quality.measured is not None
    assert manifest.quality.measured.languages == {"pt-br": 2, "pt": 4}
    assert manifest.quality.breaches == (
        "pt-br is the language of 2 of 6 posts (33.3%), where at least 40.0% are expected (languages)",
        "pt is the language of 4 of 6 posts (66.7%), where at least 70.0% are expected (languages)",
    )


def test_rejected_runs_in_a_row_are_not_what_is_usual_however_many(tmp_path: Path) -> None:
    """Those before them stay what the next is held against, the last ten."""
    for ago in range(15, 12, -1):
        go(expecting(tmp_path), 9, days_ago(ago))
    for ago in range(12, -1, -1):
        with pytest.raises(Stop, match="of the last 3 runs the middle one had 9"):
            go(expecting(tmp_path, at_least=0.5), 1, days_ago(ago))


def test_where_rejected_runs_leave_too_few_to_compare_with_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    go(expecting(tmp_path), 9, days_ago(5))
    for ago in (4, 3, 2):
        with pytest.raises(Stop, match="min_posts"):
            go(expecting(tmp_path, min_posts=3), 1, days_ago(ago))
    with caplog.at_level(logging.WARNING, "trawl.test"):
        go(expecting(tmp_path, at_least=0.5), 1)
    assert caplog.messages == [
        (
            "Only 1 of the 4 runs before this one were not rejected, which is too few to say how many posts"
            " are usual: `median` below `quality` was not checked."
        )
    ]


def test_a_run_is_held_against_the_middle_of_those_before(tmp_path: Path) -> None:
    job = expecting(tmp_path, at_least=0.5, at_most=2.0)
    for ago, count in ((1, 10), (2, 0), (3, 12), (5, 20)):  # four days ago nothing ran
        go(expecting(tmp_path), count, days_ago(ago))
    low = (
        "5 posts; of the last 4 runs the middle one had 11, and at least 0.5 times as many are expected"
        " (median.at_least)"
    )
    assert breaches(job, 5) == (low,)
    high = (
        "23 posts; of the last 4 runs the middle one had 11, and at most 2 times as many are expected"
        " (median.at_most)"
    )
    assert breaches(job, 23) == (high,)
    assert breaches(job, 6) == breaches(job, 22) == ()


def test_what_is_usual_is_said_of_no_fewer_than_three_runs_and_of_the_last_ten(tmp_path: Path) -> None:
    job = expecting(tmp_path, at_least=1.0)
    go(expecting(tmp_path), 9, days_ago(1))
    go(expecting(tmp_path), 9, days_ago(EARLIER))
    go(expecting(tmp_path), 9, days_ago(EARLIER + 1))
    assert breaches(job, 1) == ()
    go(expecting(tmp_path), 9, days_ago(2))
    assert len(breaches(job, 1)) == 1


def test_a_run_that_is_not_as_expected_fails_and_keeps_its_posts_beside_the_key(tmp_path: Path) -> None:
    job = expecting(tmp_path, min_posts=3)
    with pytest.raises(Stop) as caught:
        go(job, 2)
    place = tmp_path / prefix(job, WINDOW, a_run()) / "rejected" / "2021-07-05.csv"
    key = tmp_path / object_key(job, WINDOW, a_run())
    assert str(caught.value) == (
        "This run is not as expected: 2 posts, where at least 3 are expected (min_posts). Its posts are kept"
        f" at {place.as_uri()}, and nothing of this window is published yet. To take them as they are,"
        " correct `quality` in pipelines/team/posts.yaml and clear the load task, or run it again."
    )
    assert not key.exists()
    assert read_posts(place.as_uri()).num_rows == 2
    described = json.loads((place.parent / "manifest.json").read_text())
    assert described["object"]["url"] == place.as_uri()
    assert described["quality"]["breaches"]


def test_an_object_of_before_stays_as_it_was(tmp_path: Path) -> None:
    job = expecting(tmp_path, min_posts=3)
    first = go(job, 3)
    with pytest.raises(Stop) as caught:
        go(job, 1)
    store = open_store(job, a_run())
    assert f", and {first.object.url} is as it was. To take" in str(caught.value)
    assert read_manifest(store, prefix(job, WINDOW, a_run())) == first
    assert read_posts(first.object.url).num_rows == 3


def test_once_the_bound_is_corrected_clearing_load_publishes_the_same_posts(tmp_path: Path) -> None:
    job, run = expecting(tmp_path, min_posts=3), a_run()
    staged = transform(job, WINDOW, run, extracted(job, run, [[tweet(1)]]))
    for _ in range(2):
        with pytest.raises(Stop):
            load(job, WINDOW, run, staged)
    load(replace(job, quality=Quality(min_posts=1)), WINDOW, run, staged)
    assert [path for path in tmp_path.rglob("*") if "rejected" in path.name or "staged" in path.name] == []
    assert verify(open_store(job, run), NEXT_DAY, with_raw=True).findings == ()


def test_verification_tells_of_posts_that_wait_to_be_looked_at(tmp_path: Path) -> None:
    job, run = expecting(tmp_path, min_posts=3), a_run()
    with pytest.raises(Stop):
        go(job, 1)
    store = open_store(job, run)
    (finding,) = verify(store, NEXT_DAY).findings
    assert finding.kind == "rejected"
    assert finding.wrong
    (repair,) = restore(store, [finding], {job.id: job}, run)
    assert (repair.done, "correct the job's `quality`" in repair.note) == (False, True)


def test_a_warning_publishes_and_is_told_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "trawl.test"):
        manifest = go(expecting(tmp_path, "warn", min_posts=3), 1)
    assert read_posts(manifest.object.url).num_rows == 1
    assert caplog.messages == [
        "This run is not as expected: 1 post, where at least 3 are expected (min_posts)."
    ]


def test_silence_is_noticed_in_the_third_run_that_finds_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job = expecting(tmp_path)
    go(job, 1, days_ago(3))
    assert [go(job, 0, days_ago(ago)).quality for ago in (2, 1)] == [None, None]
    with caplog.at_level(logging.WARNING, "trawl.test"):
        manifest = go(job, 0)
    assert manifest.quality is not None
    assert manifest.quality.silent == 3
    (said,) = caplog.messages
    assert "nothing was found in 3 runs in a row, where earlier ones found posts (silence)" in said


def test_silence_fails_a_job_that_has_bounds(tmp_path: Path) -> None:
    """It expects something; without bounds it is only told."""
    for ago, count in ((3, 1), (2, 0), (1, 0)):
        go(expecting(tmp_path), count, days_ago(ago))
    with pytest.raises(Stop, match="silence"):
        go(expecting(tmp_path, max_posts=10), 0)


def test_each_silent_run_counts_one_more_rejected_or_not(tmp_path: Path) -> None:
    """Though rejected runs have no object, and those that found posts are too far back to be looked at."""
    go(expecting(tmp_path), 1, days_ago(20))
    for ago, count in zip(range(19, -1, -1), range(1, 21), strict=True):
        run = partial(go, expecting(tmp_path, max_posts=10), 0, days_ago(ago))
        if count < 3:
            run()
            continue
        with pytest.raises(Stop, match=f"nothing was found in {count} runs in a row") as said:
            run()
        assert "To take them as they are, write `on_breach: warn` below `quality` in" in str(said.value)


def test_a_rejected_run_that_found_posts_ends_the_silence(tmp_path: Path) -> None:
    """It found something, if not what was expected; nor is it among the runs that medians are of."""
    go(expecting(tmp_path), 1, days_ago(4))
    go(expecting(tmp_path), 0, days_ago(3))
    with pytest.raises(Stop, match="max_posts"):
        go(expecting(tmp_path, max_posts=1), 2, days_ago(2))
    go(expecting(tmp_path, max_posts=1), 0, days_ago(1))
    quality = go(expecting(tmp_path, max_posts=1), 0).quality
    assert quality is not None
    assert (quality.silent, quality.earlier) == (0, (0, 0, 1))


def test_a_job_that_never_found_anything_is_not_silent(tmp_path: Path) -> None:
    for ago in (3, 2, 1, 0):
        assert go(expecting(tmp_path), 0, days_ago(ago)).quality is None


def test_only_runs_of_the_date_range_are_looked_at(tmp_path: Path) -> None:
    for ago, count in ((3, 1), (2, 0), (1, 0)):
        go(expecting(tmp_path), count, days_ago(ago))
    job = replace(expecting(tmp_path), date_range=DateRange(since=days_ago(2).start))
    assert go(job, 0).quality is None


@pytest.mark.parametrize(
    "change", [{"schedule": Schedule(None)}, {"date_range": DateRange(each_run="whole")}]
)
def test_runs_that_follow_no_other_are_not_compared(tmp_path: Path, change: dict[str, Any]) -> None:
    for ago in (3, 2, 1):
        go(expecting(tmp_path), 9, days_ago(ago))
    assert breaches(replace(expecting(tmp_path, at_least=1.0), **change), 1) == ()


def test_a_run_by_hand_with_other_words_is_held_to_the_bounds_and_to_no_other_run(tmp_path: Path) -> None:
    for ago in (3, 2, 1):
        go(expecting(tmp_path), 9, days_ago(ago))
    job = expecting(tmp_path, at_least=1.0, max_posts=0)
    assert breaches(job, 1, run=a_run(variant="other")) == (
        "1 post, where at most 0 are expected (max_posts)",
    )
