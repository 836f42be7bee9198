"""Of windows that overlap, verification names the older run, whose posts readers find twice."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from etl_callables.loading import load
from etl_callables.run import Run, prefix
from etl_callables.store import open_store
from etl_callables.transformation import transform
from etl_callables.verification import Finding, verify
from schemas.job import Job
from schemas.window import Window
from tests.etl_callables.jobs import NEXT_DAY, WINDOW, extracted, job, tweets

DAY = timedelta(days=1)
WEEK = Window(WINDOW.start - 2 * DAY, WINDOW.start + 5 * DAY)
SHIFTED = Window(WINDOW.start + DAY / 2, WINDOW.end + DAY / 2)


def ran(ours: Job, window: Window, *, later: timedelta = timedelta(), posts: int = 3) -> None:
    """A run that began so much later than others."""
    run = Run(now=lambda: NEXT_DAY + later)
    pages = [tweets(range(43_200, 43_200 + posts))]
    load(ours, window, run, transform(ours, window, run, extracted(ours, run, pages, window=window)))


def found(ours: Job) -> list[Finding]:
    return list(verify(open_store(ours, Run()), NEXT_DAY, {ours.id: ours}).findings)


def test_a_day_inside_a_newer_week_is_superseded_and_that_is_nothing_wrong(tmp_path: Path) -> None:
    """What it says to delete is enough."""
    ours = job(tmp_path, key="{start}.csv")
    ran(ours, WINDOW)
    ran(ours, WEEK, later=DAY)
    (one,) = found(ours)
    key = f"{WINDOW.start:%Y%m%dT%H%M%SZ}.csv"
    assert (one.kind, one.wrong, one.keys, one.window) == ("superseded", False, (key,), str(WINDOW))
    folder = prefix(ours, WINDOW, Run())
    assert one.message == (
        f"is superseded by the newer run of {WEEK}, which covers its window {WINDOW}, so that readers find"
        f" posts twice: delete it and {folder}/, unless it has posts that the newer has not"
    )
    store = open_store(ours, Run())
    store.delete([key, *(entry.key for entry in store.list(folder))])
    assert found(ours) == []


@pytest.mark.parametrize(
    ("older", "newer"),
    [(WINDOW, SHIFTED), (SHIFTED, WINDOW), (WEEK, WINDOW)],
    ids=["late", "early", "inside"],
)
def test_of_windows_that_overlap_in_part_both_are_said(tmp_path: Path, older: Window, newer: Window) -> None:
    ours = job(tmp_path, key="{start}.csv")
    ran(ours, older)
    ran(ours, newer, later=DAY)
    (one,) = found(ours)
    assert (one.kind, one.message) == (
        "superseded",
        f"overlaps the newer run of {newer}: its own window is {older}, and readers find posts of both twice",
    )


@pytest.mark.parametrize("changes", [{"key": "all.csv"}, {"key": "{start}.csv", "posts": 0}])
def test_what_is_written_over_or_empty_is_nowhere_twice(tmp_path: Path, changes: dict[str, Any]) -> None:
    ours = job(tmp_path, key=changes["key"])
    ran(ours, WINDOW, posts=changes.get("posts", 3))
    ran(ours, WEEK, later=DAY)
    assert found(ours) == []


def test_an_object_that_is_gone_is_missing_and_no_more(tmp_path: Path) -> None:
    ours = job(tmp_path, key="{start}.csv")
    ran(ours, WINDOW)
    ran(ours, WEEK, later=DAY)
    open_store(ours, Run()).delete([f"{WINDOW.start:%Y%m%dT%H%M%SZ}.csv"])
    assert [one.kind for one in found(ours)] == ["missing"]
