"""A run outside Airflow writes what Airflow's would, can be stopped, and goes on without asking twice."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from etl_callables import raw
from etl_callables.errors import NothingToDo, Stop
from etl_callables.run import Kept, Run
from etl_callables.store_local import LocalStore
from etl_callables.verification import verify
from schemas.job import DateRange, Job
from schemas.reading import read_job
from schemas.schedule import Schedule
from schemas.window import Window
from tests.etl_callables.test_kill import ALL, EVERYTHING, PAGES, World, until
from tests.trawl.jobs import job, utc
from tests.trawl.test_commands import on_terminal
from trawl.cli import trawl
from trawl.progress import covered, line, share
from trawl.request import Asked
from trawl.running import Patience, request, run_once

ROOT = Path(__file__).resolve().parents[2]
NOW = utc(2021, 7, 10, 12)
DAY = Window(utc(2021, 7, 5), utc(2021, 7, 6))
TWITTER = """source: twitter
via: snscrape
query: covid
date_range: {since: 2021-07-05, until: 2021-07-12}
bucket: ./bucket
key: "{date}.jsonl"
"""


@pytest.mark.parametrize(
    ("start", "end", "window", "variant"),
    [
        (None, None, (utc(2021, 7, 9), utc(2021, 7, 10)), ""),
        ("2021-07-05", None, (utc(2021, 7, 5), utc(2021, 7, 6)), ""),
        ("2021-07-05", "2021-07-06", (utc(2021, 7, 5), utc(2021, 7, 6)), ""),
        (None, "2021-07-06", (utc(2021, 7, 5), utc(2021, 7, 6)), ""),
        ("2021-07-05", "2021-07-08", (utc(2021, 7, 5), utc(2021, 7, 8)), "manual"),
        ("2021-07-05T06:00", None, (utc(2021, 7, 5, 6), utc(2021, 7, 6)), "manual"),
        ("2021-07-10", "2021-07-10T11:00Z", (utc(2021, 7, 10), utc(2021, 7, 10, 11)), "manual"),
        ("2020-01-01", "2020-01-02", (utc(2020, 1, 1), utc(2020, 1, 2)), "manual"),
    ],
)
def test_a_window_of_the_schedule_is_the_jobs_own_and_any_other_lies_beside(
    start: str | None, end: str | None, window: tuple[datetime, datetime], variant: str
) -> None:
    asked = request(job(), start, end, NOW)
    assert (asked.window, asked.variant) == (Window(*window), variant)


def test_times_are_by_the_clocks_of_the_job() -> None:
    berlin = job(schedule=Schedule("0 0 * * *", "Europe/Berlin"), date_range=DateRange())
    asked = request(berlin, "2021-07-05", None, NOW)
    assert (asked.window, asked.variant) == (Window(utc(2021, 7, 4, 22), utc(2021, 7, 5, 22)), "")


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("yesterday", None, '--start: "yesterday" is no date or time; write 2021-07-05'),
        (None, "2021-13-01", "--end: there is no such moment"),
        ("2021-07-06", "2021-07-05", "--start 2021-07-06 is not before --end 2021-07-05"),
        ("2021-07-10", None, "ends at 2021-07-11 00:00 UTC only"),
    ],
)
def test_what_cannot_be_run_is_said(start: str | None, end: str | None, words: str) -> None:
    with pytest.raises(Stop) as told:
        request(job(), start, end, NOW)
    assert words in str(told.value)


def test_outside_the_date_range_there_is_nothing_to_do() -> None:
    with pytest.raises(NothingToDo):
        request(job(), None, None, utc(2025, 1, 1))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's example job in a folder of its own, with the working directory in it."""
    shutil.copytree(ROOT / "pipelines" / "examples", tmp_path / "pipelines" / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(trawl, ["run", *arguments], catch_exceptions=False)


def test_it_writes_the_object_and_says_where(project: Path) -> None:
    result = invoke("examples.covid_archive", "--start", "2021-07-05")
    there = project / "bucket/examples/covid_archive/2021-07-05/posts.csv"
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"48 posts in {there.as_uri()}\nmanifest: file://")
    assert there.read_text().count("\n") >= 48
    assert "page 1: " in result.stderr
    folder = project / "bucket"
    warning = (
        f"the bucket's folder {folder} is not there, and this run makes it: where you meant another, correct"
    )
    assert result.stderr.count(f"{warning} `bucket` in pipelines/examples/covid_archive.yaml") == 1
    before = there.read_bytes()
    again = invoke("examples.covid_archive", "--start", "2021-07-05")
    assert (again.exit_code, "folder" in again.stderr) == (0, False)
    assert there.read_bytes() == before


def test_an_archive_that_is_none_is_said_to_be_on_the_terminal(project: Path) -> None:
    """Where there is a bar too, which shows nothing but what a person should know."""
    file = project / "pipelines" / "examples" / "covid_archive.yaml"
    file.write_text(file.read_text().replace("covid_archive/posts.jsonl", "covid_archive/README.md"))
    for said in (
        invoke("examples.covid_archive", "--start", "2021-07-05").stderr,
        on_terminal(project, 100, "run", "examples.covid_archive", "--start", "2021-07-05"),
    ):
        assert "The archive may have changed, or be no such thing: no post was found, and " in said
        assert "could not be read" in said
        assert "/raw/" in said


def test_a_window_of_ones_own_leaves_the_jobs_objects_alone(project: Path) -> None:
    result = invoke("examples.covid_archive", "--start", "2021-07-05", "--end", "2021-07-08")
    assert result.exit_code == 0
    assert "~manual/" in result.stdout
    assert not (project / "bucket" / "examples").exists()


def test_a_job_whose_object_is_another_ones_is_not_run(project: Path) -> None:
    """As Airflow does not: it would write over it."""
    folder = project / "pipelines" / "examples"
    text = (folder / "covid_archive.yaml").read_text().replace("{job}", "examples/covid_archive")
    (folder / "zz.yaml").write_text(text)
    result = invoke("examples.zz", "--start", "2021-07-05")
    assert (result.exit_code, "[same-object]" in result.stdout) == (1, True)
    assert not (project / "bucket").exists()


def test_a_range_that_is_over_is_nothing_to_do(project: Path) -> None:
    result = invoke("examples.covid_archive")
    assert (result.exit_code, result.stdout) == (0, ""), project
    assert "nothing to do" in result.stderr
    assert result.stderr.endswith("give --start and --end\n")


@pytest.mark.parametrize("arguments", [["nope"], ["examples.covid_archive", "--start", "soon"]])
def test_a_job_or_a_time_that_is_none_ends_with_two(project: Path, arguments: list[str]) -> None:
    assert invoke(*arguments).exit_code == 2, project


def test_a_missing_connection_ends_with_one_and_says_which(project: Path) -> None:
    file = project / "pipelines" / "x.yaml"
    file.write_text(
        "source: hackernews\nquery: a\nbucket: s3://my-b\nkey: '{date}.csv'\nbucket_connection: nobody\n"
    )
    result = invoke("x")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "There is no connection 'nobody'" in result.stderr


def test_on_a_terminal_a_bar_is_drawn_and_taken_away(project: Path) -> None:
    wide = on_terminal(project, 100, "run", "examples.covid_archive", "--start", "2021-07-05")
    assert "posts, 1 page" in wide
    assert click.unstyle(wide.rpartition("\x1b[K")[2]).startswith("48 posts in file://")
    narrow = on_terminal(project, 24, "run", "examples.covid_archive", "--start", "2021-07-05")
    drawn = narrow.rpartition("\x1b[K")[0].split("\r\x1b[K")
    assert max(map(len, drawn)) < 24


MORNING = st.integers(0, 43_199).map(lambda second: DAY.start + timedelta(seconds=second))
EVENING = MORNING.map(lambda moment: moment + timedelta(hours=12))


@given(
    st.builds(Kept, st.integers(0, 10**5), st.integers(0, 10**7), MORNING | st.none(), EVENING),
    st.integers(1, 10**7) | st.none(),
    st.floats(0, 10**6),
    st.integers(1, 200),
)
def test_the_bar_fits_whatever_it_says(kept: Kept, limit: int | None, elapsed: float, width: int) -> None:
    assert len(line(kept, DAY, limit, elapsed, width)) <= width
    assert 0 <= share(kept, DAY, limit) <= 1


def test_the_bar_says_how_far_it_is_and_how_long_it_will_take() -> None:
    kept = Kept(3, 60, utc(2021, 7, 5, 18), utc(2021, 7, 6) - timedelta(seconds=1))
    assert line(kept, DAY, None, 30.0, 120) == (
        "█████░░░░░░░░░░░░░░░ 60 posts, 3 pages, 1 min 30 s left, 25% of the window, 2 posts/s"
        ", back to 2021-07-05 18:00"
    )
    assert line(kept, DAY, 120, 30.0, 60) == "██████████░░░░░░░░░░ 60 of 120 posts, 3 pages, 30 s left"
    assert line(kept, DAY, 120, 30.0, 40) == "60 of 120 posts, 3 pages, 30 s left"


@pytest.mark.parametrize("times", [(18, 24), (0, 6)])
def test_a_window_is_covered_from_either_end(times: tuple[int, int]) -> None:
    oldest, newest = (DAY.start + timedelta(hours=hour) for hour in times)
    assert covered(Kept(1, 2, oldest, newest), DAY) == 0.25


def test_what_was_fetched_but_not_published_is_not_asked_for_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked, run = _archive(tmp_path)
    lines: list[bool] = []
    run_once(asked, run, lines.append)
    assert [text.startswith("the bucket's folder") for text in caplog.messages] == [True]
    caplog.clear()
    store = LocalStore(tmp_path / "bucket")
    (manifest,) = [entry.key for entry in store.list("_trawl") if entry.key.endswith("/manifest.json")]
    published = store.read(manifest)
    store.delete([manifest])
    with caplog.at_level(logging.INFO):
        run_once(asked, run, lines.append)
    assert lines == [True, False], "the second run asked the source again"
    assert caplog.messages[0] == "the only page is here from an earlier try"
    done = [json.loads(text)["raw"]["done"] for text in (published, store.read(manifest))]
    assert done[0] == done[1]
    run_once(asked, run, lines.append)
    assert lines == [True, False] * 2, "what is published is asked for anew"


def test_a_run_that_is_slower_than_another_of_its_window_ends_well_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The other one begins and ends between two steps of this one."""
    asked, run = _archive(tmp_path)
    others: list[dict[str, object]] = []

    def between(fetching: bool) -> None:
        if not fetching:
            beside = replace(run, id="another", now=lambda: datetime.now(UTC) + timedelta(minutes=2))
            others.append(run_once(asked, beside, lambda _fetching: None))

    result = run_once(asked, run, between)
    assert result == {**others[0], "unchanged": True}
    store = LocalStore(tmp_path / "bucket")
    assert "Another run has published this window since this one began: 48 posts in file://" in caplog.text
    assert verify(store, datetime.now(UTC)).findings == ()


@pytest.mark.slow
def test_two_runs_of_a_window_at_once_both_end_well(project: Path) -> None:
    """In processes of their own, over and over: one object, which verifies, and no complaint."""
    command = [sys.executable, "-m", "trawl", "run", "examples.covid_archive", "--start", "2021-07-05"]
    for _ in range(5):
        shutil.rmtree(project / "bucket", ignore_errors=True)
        both = [
            subprocess.Popen(
                command,
                cwd=project,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        for one in both:
            out, said = one.communicate()
            assert (one.returncode, "Error" in said) == (0, False), said
            assert out.startswith("48 posts in file://")
        findings = verify(LocalStore(project / "bucket"), datetime.now(UTC)).findings
        assert [str(finding) for finding in findings if finding.wrong] == []


def test_pages_that_have_expired_are_asked_for_again(tmp_path: Path) -> None:
    asked, run = _archive(tmp_path)
    lines: list[bool] = []
    run_once(asked, run, lines.append)
    store = LocalStore(tmp_path / "bucket")
    keys = [entry.key for entry in store.list("_trawl")]
    store.delete(key for key in keys if key.endswith(("/manifest.json", ".zst")))
    assert run_once(asked, run, lines.append)["posts"] == 48
    assert lines == [True, False] * 2


def _archive(folder: Path) -> tuple[Asked, Run]:
    shutil.copytree(ROOT / "pipelines" / "examples", folder / "pipelines" / "examples")
    found = read_job(folder / "pipelines" / "examples" / "covid_archive.yaml", folder)
    assert isinstance(found, Job)
    return request(found, "2021-07-05", None, NOW), Run(log=logging.getLogger("trawl.test"))


def test_ctrl_c_is_patient_only_while_pages_are_fetched() -> None:
    said: list[str] = []
    patience = Patience(said.append)
    with pytest.raises(KeyboardInterrupt):
        patience.interrupt(2, None)
    patience.switch(True)
    patience.check()
    patience.interrupt(2, None)
    assert len(said) == 1
    with pytest.raises(KeyboardInterrupt):
        patience.check()
    with pytest.raises(KeyboardInterrupt):
        patience.sleep(3600)
    with pytest.raises(KeyboardInterrupt):
        patience.interrupt(2, None)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A search that answers as often as it is allowed to, and a project that searches there."""
    world = World(tmp_path)
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "covid.yaml").write_text(TWITTER)
    try:
        yield world
    finally:
        world.close()


def start(world: World) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "trawl", "run", "covid", "--start", "2021-07-05"],
        cwd=world.folder,
        env={**world.environment, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_until(stream: IO[str], words: str) -> None:
    for text in stream:
        if words in text:
            return
    raise AssertionError(f"never said {words!r}")


@pytest.mark.slow
@pytest.mark.parametrize("answered", [0, 2, PAGES])
def test_stopped_by_ctrl_c_and_run_again_no_page_is_asked_for_twice(world: World, answered: int) -> None:
    world.allow(answered)
    first = start(world)
    until(lambda: len(world.asked()) == answered + 1, first)
    first.send_signal(signal.SIGINT)
    assert first.stderr is not None
    read_until(first.stderr, "stopping once this page is kept")
    world.allow(EVERYTHING)
    _, said = first.communicate()
    assert (first.returncode, "run the same again, and it goes on" in said) == (130, True), said
    assert len(world.asked()) == answered + 1, "it went on after it was asked to stop"
    second = start(world)
    out, said = second.communicate()
    assert second.returncode == 0, said
    assert out.startswith(f"{len(ALL)} posts in file://")
    assert max(Counter(world.asked()).values()) == 1
    store = LocalStore(world.folder / "bucket")
    (folder,) = {entry.key.partition("/raw/")[0] for entry in store.list("_trawl") if "/raw/" in entry.key}
    assert all(attempt.done for attempt in raw.attempts(store, folder)[1:])


@pytest.mark.slow
def test_a_second_ctrl_c_stops_at_once_and_what_was_kept_is_kept(world: World) -> None:
    world.allow(2)
    first = start(world)
    until(lambda: len(world.asked()) == 3, first)
    first.send_signal(signal.SIGINT)
    assert first.stderr is not None
    read_until(first.stderr, "stopping once this page is kept")
    first.send_signal(signal.SIGINT)
    _, said = first.communicate()
    assert first.returncode == 130, said
    world.allow(EVERYTHING)
    second = start(world)
    out, said = second.communicate()
    assert second.returncode == 0, said
    assert out.startswith(f"{len(ALL)} posts in")
    assert sorted(Counter(world.asked()).values()) == [1] * PAGES + [2]
