"""A backfill says what it will create and cost before it asks anybody for it."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from etl_callables.errors import Stop
from etl_callables.manifest import write_manifest
from etl_callables.run import Run, prefix
from etl_callables.store_local import LocalStore
from schemas.job import DateRange, Job, MaxCost
from schemas.schedule import Schedule
from schemas.window import Window
from tests.trawl.jobs import job, utc
from tests.trawl.test_airflow_api import StandIn, dag, runs, served
from tests.trawl.test_commands import command, environment, on_terminal
from tests.trawl.test_runs import manifest
from trawl.airflow_api import TOKEN
from trawl.backfill import MOST, Backfill, backfill_of, by_hand, parts_of, sheet, span_of
from trawl.cli import trawl

__all__ = ["served"]

GOLDEN = Path(__file__).parent / "backfill"
NOW = utc(2021, 7, 10, 12)
DAY = timedelta(days=1)
BERLIN = Schedule("0 6 * * *", "Europe/Berlin", "daily at 06:00")
OF_X = {"source": "twitter", "via": "x-api", "options": {"search": "recent"}, "limit": 100}
YAML = """source: archive
options: {files: posts.jsonl}
date_range: {since: 2021-07-05, until: 2021-07-12}
bucket: ./bucket
key: "{date}.csv"
"""


@dataclass(frozen=True)
class Said:
    """What a person asks for, of which job, and what is in its bucket.

    That is whole days and days that ended early, and which of these were deleted for their age.
    """

    job: Job
    start: str | None = None
    end: str | None = None
    again: bool = False
    whole: tuple[int, ...] = ()
    early: tuple[int, ...] = ()
    old: tuple[int, ...] = ()
    now: datetime = NOW
    width: int | None = field(default=None, kw_only=True)


SAID = {
    "all": Said(job(date_range=DateRange(utc(2021, 7, 5), None))),
    "clipped": Said(job(), "2021-07-01", "2021-07-20", now=utc(2021, 8, 1)),
    "not_over": Said(job(), "2021-07-08", "2021-07-12"),
    "some_there": Said(job(), whole=(5, 6), early=(7,)),
    "some_too_old": Said(job(), whole=(5, 6, 9), early=(8,), old=(5, 6, 8)),
    "one_left": Said(job(), whole=(5, 6, 7, 8)),
    "done": Said(job(), whole=(5, 6, 7, 8, 9)),
    "again": Said(job(), "2021-07-05", "2021-07-06", again=True, whole=(5,)),
    "yet_to_come": Said(job(), now=utc(2021, 7, 1)),
    "unreachable": Said(job(bucket="s3://b", bucket_connection="nobody_has_this")),
    "paid": Said(job(**OF_X, max_cost=MaxCost(0.25, 1.0))),
    "paid_without_end": Said(job(**{**OF_X, "options": {"search": "all"}, "limit": None})),
    "beyond_reach": Said(job(**OF_X), now=utc(2021, 7, 14, 12)),
    "without_a_past": Said(job(source="rss", via="feed")),
    "noted": Said(job(source="reddit", via="api", limit=None)),
    "by_hand": Said(job(schedule=Schedule(None)), whole=(6,)),
    "berlin": Said(job(schedule=BERLIN), end="2021-07-07"),
    "narrow": Said(job(), width=40, whole=(5,)),
}


def backfill(said: Said, folder: Path) -> Backfill:
    """What is to do where the bucket is below `folder`."""
    here = replace_root(said.job, folder)
    store = LocalStore(folder / "bucket")
    for days, complete in ((said.whole, True), (said.early, False)):
        for number in days:
            expired = said.now if number in said.old else None
            reason = None if complete else "cap"
            one = manifest(utc(2021, 7, number), complete=complete, truncated=reason, expired=expired)
            window = Window(one.start, one.end)
            write_manifest(store, prefix(here, window, Run()), one)
    return backfill_of(here, span_of(here, said.start, said.end, said.now), said.now, Run(), again=said.again)


def replace_root(one: Job, folder: Path) -> Job:
    return replace(one, root=str(folder))


@pytest.mark.parametrize("name", SAID)
def test_a_backfill_is_announced_so(name: str, tmp_path: Path) -> None:
    said = SAID[name]
    text = click.unstyle(sheet(backfill(said, tmp_path), said.width)).replace(str(tmp_path), "/p") + "\n"
    golden = GOLDEN / f"{name}.txt"
    if "REGENERATE" in os.environ:
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_there_is_a_text_for_each_of_them() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(SAID)


def windows(one: Job, start: str | None = None, end: str | None = None, now: datetime = NOW) -> list[Window]:
    return [part.window for part in parts_of(one, span_of(one, start, end, now), now)]


def test_from_is_included_and_to_is_not() -> None:
    assert windows(job(), "2021-07-06", "2021-07-08") == [
        Window(utc(2021, 7, day), utc(2021, 7, day + 1)) for day in (6, 7)
    ]


def test_what_is_not_over_is_left_to_the_schedule() -> None:
    assert windows(job())[-1] == Window(utc(2021, 7, 9), utc(2021, 7, 10))


def test_days_are_by_the_clocks_of_the_job() -> None:
    (only,) = windows(job(schedule=BERLIN), "2021-07-06", "2021-07-07")
    assert only == Window(utc(2021, 7, 6, 4), utc(2021, 7, 7, 4))


def test_the_first_window_is_cut_at_since_and_known_by_its_whole_interval() -> None:
    one = job(schedule=BERLIN)
    first = parts_of(one, span_of(one, None, None, NOW), NOW)[0]
    assert first.window == Window(utc(2021, 7, 5), utc(2021, 7, 5, 4))
    assert first.interval == Window(utc(2021, 7, 4, 4), utc(2021, 7, 5, 4))


@given(st.integers(0, 9), st.integers(1, 9), st.sampled_from(["0 0 * * *", "0 6 * * *", "30 */8 * * *"]))
def test_parts_of_a_span_are_parts_of_the_whole_and_nothing_is_between(
    first: int, days: int, cron: str
) -> None:
    one = job(schedule=Schedule(cron, "Europe/Berlin"), date_range=DateRange(utc(2021, 7, 1), None))
    start = utc(2021, 7, 1) + first * DAY
    try:
        some = windows(one, f"{start:%Y-%m-%dT%H:%MZ}", f"{start + days * DAY:%Y-%m-%dT%H:%MZ}")
    except Stop:
        assert start >= NOW
        return
    every = windows(one)
    assert some == [window for window in every if start <= window.start < start + days * DAY]
    assert all(before.end == after.start for before, after in pairwise(every))
    assert (every[0].start, every[-1].end <= NOW) == (utc(2021, 7, 1), True)


@pytest.mark.parametrize(
    ("one", "start", "end", "words"),
    [
        (job(), "2021-07-08", "2021-07-08", "--from 2021-07-08 is not before --to 2021-07-08"),
        (job(), "yesterday", None, '--from: "yesterday" is no date or time; write 2021-07-05 or'),
        (job(), "2021-07-15", None, "its date range is 2021-07-05 00:00 to 2021-07-12 00:00"),
        (job(), None, "2021-07-02", "its date range is 2021-07-05 00:00 to 2021-07-12 00:00"),
        (job(), "2021-07-11", None, "2021-07-11 00:00 is yet to come"),
        (job(date_range=DateRange()), None, None, "say with --from where to begin"),
        (job(date_range=DateRange(each_run="whole")), None, None, "run it once: trawl run team.covid"),
        (
            job(schedule=Schedule("* * * * *"), date_range=DateRange(utc(2020, 1, 1), None)),
            None,
            None,
            f"ask for {MOST:,} at most, with --from and --to",
        ),
    ],
)
def test_what_makes_no_sense_is_said(one: Job, start: str | None, end: str | None, words: str) -> None:
    with pytest.raises(Stop) as error:
        windows(one, start, end)
    assert words in str(error.value)


def test_the_first_window_can_be_run_by_hand(tmp_path: Path) -> None:
    assert by_hand(backfill(Said(job(), "2021-07-06"), tmp_path)) == "trawl run team.covid --start 2021-07-06"
    berlin = backfill(Said(job(schedule=BERLIN), "2021-07-06"), tmp_path)
    assert by_hand(berlin) == "trawl run team.covid --start 2021-07-06T06:00"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one job, with the working directory in it."""
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "covid.yaml").write_text(YAML)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(trawl, ["backfill", *arguments], catch_exceptions=False)


def test_where_nobody_can_be_asked_it_announces_and_wants_yes(project: Path) -> None:
    result = run("covid")
    assert result.exit_code == 2, project
    assert "7 runs to create (UTC):" in result.stdout
    assert "say --yes to have this done" in result.stderr


def test_without_an_airflow_it_says_what_to_do(project: Path) -> None:
    result = run("covid", "--yes")
    assert result.exit_code == 1, project
    assert (
        "no Airflow runs for this folder, so nothing is done: start it (make up, or trawl up)"
        in result.stderr
    )
    assert "trawl run covid --start 2021-07-05" in result.stderr
    assert sorted(path.name for path in project.iterdir()) == ["pipelines"]


def test_nothing_to_do_is_said_and_fine(project: Path) -> None:
    days: Iterable[int] = range(5, 12)
    for number in days:
        one = manifest(utc(2021, 7, number), job="covid")
        write_manifest(LocalStore(project / "bucket"), f"_trawl/covid/{one.window}", one)
    result = run("covid")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.endswith("Nothing is left to do.\n")


def test_a_damaged_manifest_stops_it(project: Path) -> None:
    folder = project / "bucket/_trawl/covid/20210706T000000Z_20210707T000000Z"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{")
    result = run("covid", "--yes")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is damaged" in result.stderr


def test_warnings_are_yellow_on_a_terminal_that_may_show_colours(project: Path) -> None:
    arguments = ("backfill", "covid", "--from", "2021-07-01", "--yes")
    shown = on_terminal(project, 100, *arguments)
    assert "\x1b[33mWhat is before 2021-07-05 00:00" in shown
    assert on_terminal(project, 100, *arguments, NO_COLOR="1") == click.unstyle(shown)


STARTS = [utc(2021, 7, number) for number in range(5, 12)]


def an_airflow(served: StandIn, first: str, *later: str) -> None:
    """The stand-in knows the job, has runs of these states for its windows, and creates what it is asked to.

    States are letters, a day each: `-` none, `q` queued, `r` running, `s` success, `f` failed.
    """
    names = {"-": "none", "q": "queued", "r": "running", "s": "success", "f": "failed"}
    served.on("GET /api/v2/dags/covid", dag())
    looks = [runs(*(names[letter] for letter in states)) for states in (first, *later)]
    served.on("GET /api/v2/dags/covid/dagRuns", *looks)
    creatable = [start for start, letter in zip(STARTS, first, strict=True) if letter not in "qr"]
    served.on(
        "POST /api/v2/backfills/dry_run",
        (200, {"backfills": [{"logical_date": start.isoformat()} for start in creatable]}),
    )
    served.on("POST /api/v2/backfills", (200, {"id": 1}))


def ask(served: StandIn, *arguments: str) -> Result:
    environment = {TOKEN: "a-token"}
    words = ["backfill", "covid", "--airflow", served.url, *arguments]
    return CliRunner(env=environment).invoke(trawl, words, catch_exceptions=False)


def test_runs_that_are_under_way_are_left_to_end(project: Path, served: StandIn) -> None:
    an_airflow(served, "rq-----")
    result = ask(served, "--yes")
    assert (result.exit_code, result.stderr) == (0, ""), project
    assert result.stdout.splitlines()[-4:] == [
        "2 of them are under way in Airflow, and left to end.",
        "Airflow has 5 runs to do.",
        f"Watch: {served.url}/dags/covid",
        "Afterwards: trawl runs covid",
    ]
    (body,) = served.bodies("POST /api/v2/backfills")
    assert (body["from_date"], body["to_date"]) == ("2021-07-07T00:00:00+00:00", "2021-07-11T00:00:00+00:00")


def test_where_all_are_under_way_nothing_more_is_asked_for(project: Path, served: StandIn) -> None:
    an_airflow(served, "qqqrrrr", "sssssss")
    result = ask(served, "--yes", "--wait")
    assert result.exit_code == 0, project
    assert "7 of them are under way" in result.stdout
    assert "to do." not in result.stdout
    assert {asked.partition(" ")[0] for asked, _ in served.asked} == {"GET"}


def test_a_failed_run_is_named_and_ends_with_one(project: Path, served: StandIn) -> None:
    an_airflow(served, "-------", "sfsfsss")
    result = ask(served, "--yes", "--wait")
    assert result.exit_code == 1, project
    assert result.stderr.splitlines() == [
        "5 of 7 done, 2 failed, 0 running",
        f"failed: 2021-07-06, 2021-07-08; see {served.url}/dags/covid",
    ]


def test_not_every_failed_run_is_named(project: Path, served: StandIn) -> None:
    an_airflow(served, "-------", "fffffff")
    result = ask(served, "--yes", "--wait")
    assert (
        "failed: 2021-07-05, 2021-07-06, 2021-07-07, 2021-07-08, 2021-07-09 and 2 more;" in result.stderr
    ), project


def answered(project: Path, served: StandIn, answer: str) -> subprocess.CompletedProcess[str]:
    """What becomes of it where a person at a terminal says this."""
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    try:
        return subprocess.run(
            command("backfill", "covid", "--airflow", served.url),
            cwd=project,
            env=environment({TOKEN: "a-token"}),
            stdin=theirs,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize(("answer", "code", "created"), [("y", 0, 1), ("n", 1, 0), ("", 1, 0)])
def test_the_person_is_asked_and_no_is_the_answer_that_is_taken_for_silence(
    project: Path, served: StandIn, answer: str, code: int, created: int
) -> None:
    an_airflow(served, "-------")
    done = answered(project, served, answer)
    assert done.returncode == code, done.stderr
    assert "Go ahead? [y/N]: " in done.stdout
    assert len(served.bodies("POST /api/v2/backfills")) == created
    assert ("Nothing is done.\n" in done.stderr) == (not created)


def test_nobody_is_asked_where_nothing_is_left_to_ask_for(project: Path, served: StandIn) -> None:
    an_airflow(served, "qqqqqqq")
    done = answered(project, served, "n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Go ahead?" not in done.stdout


def test_a_wait_on_a_terminal_is_one_line(project: Path, served: StandIn) -> None:
    an_airflow(served, "-------", "rrr----", "sssssss")
    shown = on_terminal(
        project, 100, "backfill", "covid", "--airflow", served.url, "--yes", "--wait", **{TOKEN: "a-token"}
    )
    line = shown.removesuffix("\n").rpartition("\n")[2]
    assert line.split("\r\x1b[K")[1:] == [
        "0 of 7 done, 3 running",
        "7 of 7 done, 0 running",
    ]
