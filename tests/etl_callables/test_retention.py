"""What is older than its job lets it be goes, and nothing else; its manifest stays and says so."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl_callables import load, raw, transform
from etl_callables.errors import Stop
from etl_callables.manifest import Manifest, list_manifests, manifest_key, read_manifest
from etl_callables.restoration import restore
from etl_callables.retention import Due, due, expire
from etl_callables.run import Run, prefix
from etl_callables.store import Entry, Store, open_store
from etl_callables.verification import verify
from schemas.job import DateRange, Job, Quality
from schemas.window import Window
from tests.etl_callables.jobs import WINDOW, a_run, extracted, job, tweets

DAY = timedelta(days=1)
NOW = datetime(2021, 9, 1, tzinfo=UTC)


def written(job: Job, days_ago: int, window: Window = WINDOW, run: Run | None = None) -> Manifest:
    """A run that ended so many days before NOW."""
    run = replace(run or a_run(), now=lambda: NOW - days_ago * DAY)
    load(job, window, run, transform(job, window, run, extracted(job, run, [tweets([1, 2])], window=window)))
    found = read_manifest(open_store(job, run), prefix(job, window, run))
    assert found is not None
    return found


def kinds(job: Job, now: datetime = NOW) -> list[tuple[str, int]]:
    return [(one.kind, len(one.keys)) for one in due(open_store(job, a_run()), job, now)]


def cleared(job: Job, now: datetime = NOW) -> int:
    store = open_store(job, a_run())
    return expire(store, due(store, job, now), now)


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("days", [0, 29, 30, 3000])
def test_without_an_age_everything_is_kept_for_good(tmp_path: Path, days: int) -> None:
    kept = job(tmp_path)
    written(kept, days)
    assert kinds(kept) == []
    assert cleared(kept) == 0


def test_an_object_and_its_pages_go_on_the_day_they_are_as_old_as_said(tmp_path: Path) -> None:
    aged = job(tmp_path, keep=30 * DAY)
    manifest = written(aged, 30)
    assert kinds(aged, NOW - timedelta(seconds=1)) == []
    assert kinds(aged) == [("object", 1), ("raw pages", 1)]
    assert cleared(aged) == 2
    assert left(tmp_path) == {"manifest.json", "done.json"}
    (found,) = list_manifests(open_store(aged, a_run()), aged.id)
    assert (found.expired, found.raw.expired) == (NOW, NOW)
    assert (found.counts, found.object) == (manifest.counts, manifest.object)
    assert kinds(aged) == []


def test_raw_pages_may_go_before_their_object(tmp_path: Path) -> None:
    aged = job(tmp_path, keep_raw=7 * DAY)
    manifest = written(aged, 7)
    assert kinds(aged) == [("raw pages", 1)]
    cleared(aged)
    (found,) = list_manifests(open_store(aged, a_run()), aged.id)
    assert (found.expired, found.raw.expired) == (None, NOW)
    assert (tmp_path / manifest.object.key).exists()
    assert kinds(aged) == []


def test_only_what_is_old_goes(tmp_path: Path) -> None:
    aged = job(tmp_path, keep=30 * DAY)
    windows = [Window(WINDOW.start + day * DAY, WINDOW.end + day * DAY) for day in range(3)]
    for window, days in zip(windows, (31, 30, 29), strict=True):
        written(aged, days, window)
    written(replace(aged, id="team.others", key="others/{date}.csv"), 99)
    assert cleared(aged) == 4
    objects = {name for name in left(tmp_path) if name.endswith(".csv")}
    assert objects == {"2021-07-07.csv", "2021-07-05.csv"}  # the last is the other job's


def test_a_run_by_hand_ages_like_any_other(tmp_path: Path) -> None:
    aged = job(tmp_path, keep=30 * DAY)
    written(aged, 31, run=a_run(variant="other"))
    assert cleared(aged) == 2
    assert left(tmp_path) == {"manifest.json", "done.json"}


def test_a_window_that_was_run_again_is_as_young_as_that_run(tmp_path: Path) -> None:
    aged = job(tmp_path, keep=30 * DAY)
    written(aged, 31)
    store = open_store(aged, a_run())
    listed = due(store, aged, NOW)
    written(aged, 0)
    assert expire(store, listed, NOW) == 0
    assert kinds(aged) == []


def test_what_an_earlier_key_gave_goes_when_it_is_as_old_as_said(tmp_path: Path) -> None:
    """By its own age, not by that of the run which wrote the window under another key."""
    aged = job(tmp_path, keep=30 * DAY)
    old = written(aged, 31)
    new = written(replace(aged, key="elsewhere/{date}.csv"), 1)
    store = open_store(aged, a_run())
    (listed,) = due(store, aged, NOW)
    assert str(listed) == (
        f"{old.object.url}: object of an earlier key, {old.object.size:,} bytes, written 2021-08-01"
    )
    assert expire(store, [listed], NOW) == 1
    assert not (tmp_path / old.object.key).exists()
    assert (tmp_path / new.object.key).exists()
    assert kinds(aged) == []
    assert verify(store, NOW).wrong == 0


def test_what_another_job_has_under_an_earlier_key_is_that_ones(tmp_path: Path) -> None:
    aged = job(tmp_path, keep=30 * DAY)
    written(aged, 31)
    written(replace(aged, id="team.others"), 30)
    written(replace(aged, key="elsewhere/{date}.csv"), 29)
    assert kinds(aged) == []


def test_what_was_put_under_an_earlier_key_since_it_was_listed_stays(tmp_path: Path) -> None:
    aged = job(tmp_path, keep=30 * DAY)
    old = written(aged, 31)
    written(replace(aged, key="elsewhere/{date}.csv"), 1)
    store = open_store(aged, a_run())
    listed = due(store, aged, NOW)
    store.write(old.object.key, b"somebody's own")
    assert (len(listed), expire(store, listed, NOW)) == (1, 0)
    assert store.read(old.object.key) == b"somebody's own"


def test_an_object_that_a_later_run_wrote_again_is_that_runs(tmp_path: Path) -> None:
    """Of a job that takes its whole range each time: older manifests name the same object."""
    aged = job(tmp_path, keep=30 * DAY, key="all.csv", date_range=DateRange(each_run="whole"))
    written(aged, 40)
    written(aged, 1, Window(WINDOW.start, WINDOW.end + DAY))
    assert kinds(aged) == [("raw pages", 1)]
    cleared(aged)
    assert (tmp_path / "all.csv").exists()
    assert verify(open_store(aged, a_run()), NOW, with_raw=True).findings == ()


def test_what_was_rejected_ages_with_its_window(tmp_path: Path) -> None:
    aged = job(tmp_path, keep=30 * DAY)
    written(aged, 31)
    with pytest.raises(Stop):
        written(replace(aged, quality=Quality(min_posts=99)), 31)
    # What the rejected run asked for lies there too, in pages of its own.
    assert kinds(aged) == [("object", 1), ("raw pages", 3), ("rejected posts", 2)]
    cleared(aged)
    assert {name for name in left(tmp_path) if name.endswith((".csv", ".zst"))} <= {"2021-07-05.csv"}


def test_what_is_made_again_from_its_pages_is_as_old_as_they_are(tmp_path: Path) -> None:
    aged = job(tmp_path, keep=30 * DAY, keep_raw=20 * DAY)
    manifest = written(aged, 19)
    (tmp_path / manifest.object.key).unlink()
    store, run = open_store(aged, a_run()), replace(a_run(), now=lambda: NOW)
    (missing,) = verify(store, NOW).findings
    restore(store, [missing], {aged.id: aged}, run)
    assert verify(store, NOW, with_raw=True).findings == ()
    assert kinds(aged, NOW + DAY) == [("raw pages", 1)]
    assert kinds(aged, NOW + 11 * DAY) == [("object", 1), ("raw pages", 1)]


@pytest.mark.parametrize(
    ("changes", "days", "goes"),
    [
        ({"keep_raw": False}, 2, [("unfinished run", 2)]),
        ({"keep_raw": False}, 0.9, []),
        ({"keep_raw": 7 * DAY}, 8, [("unfinished run", 2)]),
        ({"keep_raw": 7 * DAY}, 6, []),
        ({"keep": 7 * DAY}, 8, [("unfinished run", 2)]),
        ({"keep": 7 * DAY}, 6, []),
        ({}, 3000, []),
    ],
)
def test_pages_of_a_run_that_never_came_to_its_end_go_as_others_do(
    tmp_path: Path, changes: dict[str, Any], days: float, goes: list[tuple[str, int]]
) -> None:
    """A day after it began at the soonest: until then it may go on."""
    aged = job(tmp_path, **changes)
    extracted(aged, replace(a_run(), now=lambda: NOW - days * DAY), [tweets([1, 2])])
    assert kinds(aged) == goes
    assert cleared(aged) == sum(count for _, count in goes)
    assert bool(left(tmp_path)) != bool(goes)


def test_a_window_that_was_only_ever_rejected_is_cleared_too(tmp_path: Path) -> None:
    """Its pages, what was staged, and what was put aside for somebody to look at."""
    strict = job(tmp_path, keep=7 * DAY, keep_raw=False, quality=Quality(min_posts=99))
    run = replace(a_run(), now=lambda: NOW - 3 * DAY)
    with pytest.raises(Stop):
        load(strict, WINDOW, run, transform(strict, WINDOW, run, extracted(strict, run, [tweets([1, 2])])))
    assert kinds(strict) == [("unfinished run", 2)]
    cleared(strict)
    assert {name for name in left(tmp_path) if name.endswith(".zst")} == set()
    assert kinds(strict, NOW + 3 * DAY) == []
    later = NOW + 5 * DAY
    assert [kind for kind, _ in kinds(strict, later)] == ["unfinished run", "rejected posts"]
    cleared(strict, later)
    assert left(tmp_path) == set()


def test_what_a_run_has_published_since_it_was_listed_stays(tmp_path: Path) -> None:
    aged = job(tmp_path, keep=7 * DAY)
    run = replace(a_run(), now=lambda: NOW - 8 * DAY)
    found = extracted(aged, run, [tweets([1, 2])])
    store = open_store(aged, run)
    listed = due(store, aged, NOW)
    assert [one.kind for one in listed] == ["unfinished run"]
    load(aged, WINDOW, run, transform(aged, WINDOW, run, found))
    assert expire(store, listed, NOW) == 0
    assert raw.read_done(store, found["raw"]).pages


def test_an_expired_window_is_as_it_should_be(tmp_path: Path) -> None:
    aged = job(tmp_path, keep=30 * DAY)
    written(aged, 31)
    cleared(aged)
    assert verify(open_store(aged, a_run()), NOW, with_raw=True).findings == ()


def test_a_window_that_expired_can_be_run_again(tmp_path: Path) -> None:
    aged = job(tmp_path, keep=30 * DAY)
    written(aged, 31)
    cleared(aged)
    again = written(aged, 0)
    assert (again.expired, again.raw.expired) == (None, None)
    assert verify(open_store(aged, a_run()), NOW, with_raw=True).findings == ()


class Dying:
    """A store whose process dies at its n-th change."""

    def __init__(self, store: Store, changes: int) -> None:
        self._store, self._left = store, changes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def _change(self) -> None:
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1

    def write(self, key: str, data: bytes) -> None:
        self._change()
        self._store.write(key, data)

    def delete(self, keys: Any) -> None:
        for key in keys:
            self._change()
            self._store.delete([key])


@pytest.mark.parametrize("changes", range(6))
def test_killed_anywhere_the_next_time_finishes_it_and_nothing_is_called_lost(
    tmp_path: Path, changes: int
) -> None:
    aged = job(tmp_path, keep=30 * DAY)
    written(aged, 31)
    store = open_store(aged, a_run())
    try:
        expire(Dying(store, changes), due(store, aged, NOW), NOW)  # type: ignore[arg-type]
    except KeyboardInterrupt:
        pass
    else:
        assert changes > 3
    assert not {"missing", "no-raw"} & {finding.kind for finding in verify(store, NOW).findings}
    cleared(aged, NOW + DAY)
    assert left(tmp_path) == {"manifest.json", "done.json"}
    assert verify(store, NOW + DAY, with_raw=True).findings == ()


def test_verification_finds_what_expired_and_is_still_there_and_removes_it(tmp_path: Path) -> None:
    aged = job(tmp_path, keep=30 * DAY)
    manifest = written(aged, 31)
    store = open_store(aged, a_run())
    with pytest.raises(KeyboardInterrupt):
        expire(Dying(store, 1), due(store, aged, NOW), NOW)  # type: ignore[arg-type]
    findings = verify(store, NOW).findings
    assert {finding.kind for finding in findings} == {"orphaned"}
    assert all(repair.done for repair in restore(store, findings, {aged.id: aged}, a_run()))
    assert not (tmp_path / manifest.object.key).exists()


def test_a_thing_that_is_due_says_what_it_is(tmp_path: Path) -> None:
    one = Due("team.posts", "raw pages", "f", "s3://b/raw/", ("a", "b"), 1234, NOW)
    assert str(one) == "s3://b/raw/: 2 raw pages, 1,234 bytes, written 2021-09-01"
    assert str(replace(one, keys=("a",))).startswith("s3://b/raw/: 1 raw page, ")
    unended = replace(one, kind="unfinished run")
    assert str(unended).startswith("s3://b/raw/: 2 files of a run that never came to its end, 1,234 bytes")
    aged = job(tmp_path, keep=30 * DAY)
    manifest = written(aged, 31)
    first = due(open_store(aged, a_run()), aged, NOW)[0]
    size = manifest.object.size
    assert str(first) == f"{manifest.object.url}: object, {size} bytes, written 2021-08-01"


def test_pages_of_a_run_that_goes_on_are_not_counted_as_old(tmp_path: Path) -> None:
    """Somebody runs an expired window again while it is cleared: what that run has fetched stays."""
    aged = job(tmp_path, keep=30 * DAY)
    written(aged, 31)
    run = replace(a_run(), now=lambda: NOW)
    found = extracted(aged, run, [tweets([1, 2, 3])])
    cleared(aged)
    store = open_store(aged, run)
    assert [Entry(key, store.size(key) or 0) for key in raw.read_done(store, found["raw"]).pages]
    loaded = load(aged, WINDOW, run, transform(aged, WINDOW, run, found))
    assert loaded["posts"] == 3
    assert read_manifest(store, manifest_key(prefix(aged, WINDOW, run)).rpartition("/")[0]) is not None
