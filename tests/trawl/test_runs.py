"""What the runs of a job did is told from their manifests alone, and silence is shown.

`REGENERATE=1 pytest tests/trawl/test_runs.py` writes the texts in `runs/` anew; look at each that changes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from etl_callables.cost import Cost
from etl_callables.manifest import Counts, Durations, Manifest, Object, Quality, Raw, write_manifest
from etl_callables.overlapping import name_of, overlaps
from etl_callables.run import STATE
from etl_callables.store_local import LocalStore
from schemas.schedule import Schedule
from schemas.window import Window
from schemas.zone import zone
from tests.trawl.jobs import job, utc
from tests.trawl.test_commands import on_terminal
from trawl.cli import trawl
from trawl.history import BLOCKS, HOLE, Gap, Line, as_json, day, lines_of, sheet, sparkline, took

GOLDEN = Path(__file__).parent / "runs"
DAY = timedelta(days=1)
JOB = "source: hackernews\nquery: covid\nbucket: ./bucket\nkey: '{job}/{date}.csv'\n"


def manifest(start: datetime, posts: int = 10, length: timedelta = DAY, **changes: Any) -> Manifest:
    """What a run over a window left, after a minute and a half."""
    window = Window(start, start + length)
    values: dict[str, Any] = {
        "job": "team.covid",
        "job_file": "pipelines/team/covid.yaml",
        "job_digest": "0" * 64,
        "source": "twitter",
        "via": "x-api",
        "provider": "trawl test",
        "query": "covid",
        "options": {},
        "limit": 150,
        "window": str(window),
        "start": window.start,
        "end": window.end,
        "run": "scheduled",
        "variant": "",
        "attempt": "1",
        "counts": Counts(
            fetched=posts, kept=posts, duplicate=0, outside_window=0, over_limit=0, skipped={}, mended=0
        ),
        "first_post": None,
        "last_post": None,
        "truncated": None,
        "complete": True,
        "object": Object(
            url=f"s3://b/covid/{start:%Y-%m-%d}.csv",
            key=f"covid/{start:%Y-%m-%d}.csv",
            format="csv",
            compression=None,
            size=1,
            sha256="0" * 64,
            tag="1",
            columns=(),
        ),
        "raw": Raw(done="done.json", pages=1),
        "replaced": None,
        "started": window.end,
        "finished": window.end + timedelta(seconds=90),
        **changes,
    }
    return Manifest(**values)


def paid(usd: float) -> Cost:
    return Cost(usd=usd, reads={"post": 1}, prices="2026-01")


BUSY = [
    manifest(utc(2021, 7, 5), 150, cost=paid(0.75), expired=utc(2022, 7, 6, 3)),
    manifest(utc(2021, 7, 6), 75, cost=paid(0.375), truncated="source repeats pages\x1b[2J", complete=False),
    manifest(utc(2021, 7, 9), 0, cost=paid(0), finished=utc(2021, 7, 10, 2)),
    manifest(utc(2021, 7, 10), 1, cost=paid(0.005)),
    manifest(utc(2021, 7, 10), 40, 2 * DAY, variant="manual", run="manual__1", cost=paid(0.2)),
]


@pytest.mark.parametrize(("name", "width"), [("wide", None), ("wide", 100), ("narrow", 44)])
def test_the_runs_of_a_job_are_printed_so(name: str, width: int | None) -> None:
    text = click.unstyle(sheet(job(), lines_of(job(), BUSY), "s3://b", width)) + "\n"
    golden = GOLDEN / f"{name}.txt"
    if "REGENERATE" in os.environ:
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")
    assert width is None or max(map(len, text.splitlines())) <= width


def test_a_job_without_runs_says_where_was_looked() -> None:
    text = click.unstyle(sheet(job(), [], "s3://b"))
    assert text == "team.covid\nNo run has ended yet: there is no manifest of this job in s3://b."


def test_only_the_last_runs_are_shown_where_that_is_asked() -> None:
    lines = lines_of(job(), BUSY, last=2)
    assert [line.variant for line in lines if isinstance(line, Manifest)] == ["", "manual"]
    assert len(lines) == 2


def test_a_window_without_a_run_is_shown_as_missing() -> None:
    lines = lines_of(job(), [manifest(utc(2021, 7, 5)), manifest(utc(2021, 7, 8))])
    assert [getattr(line, "runs", None) for line in lines] == [None, 2, None]
    assert sparkline(lines) == f"█{HOLE}{HOLE}█"


@pytest.mark.parametrize("schedule", [Schedule(None), Schedule("0 0 * * 1", "UTC")])
def test_nothing_is_missing_that_the_schedule_does_not_have(schedule: Schedule) -> None:
    runs = [manifest(utc(2021, 7, 6)), manifest(utc(2021, 7, 8))]
    assert len(lines_of(job(schedule=schedule), runs)) == 2


def test_a_run_by_hand_covers_no_window_of_the_schedule() -> None:
    by_hand = manifest(utc(2021, 7, 6), variant="manual")
    lines = lines_of(job(), [manifest(utc(2021, 7, 5)), by_hand, manifest(utc(2021, 7, 7))])
    assert sparkline(lines) == f"█{HOLE}█"


def test_order_of_manifests_does_not_matter() -> None:
    assert lines_of(job(), reversed(BUSY)) == lines_of(job(), BUSY)


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=40))
def test_a_sparkline_is_as_high_as_there_were_posts(posts: Sequence[int]) -> None:
    lines: list[Line] = [manifest(utc(2021, 7, 5) + number * DAY, n) for number, n in enumerate(posts)]
    heights = [BLOCKS.index(block) for block in sparkline(lines)]
    assert len(heights) == len(posts)
    assert all((height == 0) == (count == 0) for height, count in zip(heights, posts, strict=True))
    assert not any(posts) or heights[posts.index(max(posts))] == len(BLOCKS) - 1
    pairs = sorted(zip(posts, heights, strict=True))
    assert [height for _, height in pairs] == sorted(heights)


def test_a_sparkline_shows_the_newest_where_not_all_fit() -> None:
    lines = lines_of(job(), [manifest(utc(2021, 1, 1) + number * DAY, number) for number in range(60)])
    drawn = click.unstyle(sheet(job(), lines, "s3://b", 40)).splitlines()[1]
    assert (len(drawn), drawn[-1]) == (40, "█")


@pytest.mark.parametrize(
    ("start", "end", "place", "words"),
    [
        (utc(2021, 7, 5), utc(2021, 7, 6), "UTC", "2021-07-05"),
        (utc(2021, 7, 4, 22), utc(2021, 7, 5, 22), "Europe/Berlin", "2021-07-05"),
        (utc(2021, 3, 27, 23), utc(2021, 3, 28, 22), "Europe/Berlin", "2021-03-28"),
        (utc(2021, 7, 5), utc(2021, 7, 12), "UTC", "2021-07-05 to 2021-07-12"),
        (utc(2021, 7, 5, 6), utc(2021, 7, 6, 6), "UTC", "2021-07-05 06:00 to 2021-07-06 06:00"),
        (utc(2021, 7, 5), utc(2021, 7, 5, 1), "UTC", "2021-07-05 00:00 to 2021-07-05 01:00"),
    ],
)
def test_a_window_is_said_as_short_as_can_be(start: datetime, end: datetime, place: str, words: str) -> None:
    assert day(Window(start, end), zone(place)) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0.0 s"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (12.4, "12 s"),
        (59.9, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.6, "1 h 00 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_durations_are_said_as_people_do(seconds: float, words: str) -> None:
    assert took(timedelta(seconds=seconds)) == words


def test_a_run_took_what_its_steps_took_however_long_it_waited_between_them() -> None:
    steps = Durations(extract=1.0, transform=0.5, load=0.25)
    lines = lines_of(job(), [manifest(utc(2021, 7, 5), 9, finished=utc(2021, 7, 9), durations=steps)])
    assert "      9     -  1.8 s" in sheet(job(), lines, "s3://b")
    assert json.loads(as_json(lines))[0]["seconds"] == 1.75


def test_a_run_that_could_read_nothing_is_to_be_looked_at() -> None:
    skipped = {"broken-json": 7, "unknown-shape": 1}
    counts = msgspec.structs.replace(manifest(utc(2021, 7, 5), 0).counts, fetched=8, skipped=skipped)
    text = sheet(job(), [manifest(utc(2021, 7, 5), 0, counts=counts)], "s3://b")
    assert "\x1b[33mnothing of 8 items could be read (7 broken-json, 1 unknown-shape)" in text


def test_tools_get_the_same() -> None:
    found = json.loads(as_json(lines_of(job(), BUSY)))
    assert [line.get("missing") for line in found] == [None, None, 2, None, None, None]
    assert found[0] == {
        "start": "2021-07-05T00:00:00+00:00",
        "end": "2021-07-06T00:00:00+00:00",
        "run": "scheduled",
        "variant": "",
        "posts": 150,
        "truncated": None,
        "rejected": False,
        "breaches": [],
        "cost": 0.75,
        "seconds": 90.0,
        "object": "s3://b/covid/2021-07-05.csv",
        "expired": "2022-07-06T03:00:00+00:00",
        "superseded": None,
    }
    assert found[1]["expired"] is None


def test_what_is_not_as_expected_stands_beside_its_run() -> None:
    quality = Quality(breaches=("2 posts, where …",), measured=None, earlier=(), silent=0)
    lines = [msgspec.structs.replace(manifest(utc(2021, 7, 5), 2), quality=quality)]
    assert "2021-07-05      2" in sheet(job(), lines, "s3://b")
    assert sheet(job(), lines, "s3://b").count("2 posts, where …") == 1
    assert json.loads(as_json(lines))[0]["breaches"] == ["2 posts, where …"]


def test_a_rejected_run_is_among_the_runs_and_not_among_the_posts() -> None:
    quality = Quality(breaches=("4 posts, where …",), measured=None, earlier=(), silent=0)
    good, bad = manifest(utc(2021, 7, 5), 9), manifest(utc(2021, 7, 6), 4)
    place = msgspec.structs.replace(bad.object, key="_trawl/a/w/rejected/a.csv")
    bad = msgspec.structs.replace(bad, quality=quality, object=place)
    text = click.unstyle(sheet(job(), lines_of(job(), [good, bad]), "s3://b"))
    assert "rejected; 4 posts, where …" in text
    assert "1 run, 9 posts, 1 rejected" in text
    assert [line["rejected"] for line in json.loads(as_json(lines_of(job(), [good, bad])))] == [False, True]


def test_an_object_that_expired_is_told_to_be_gone_by_the_clocks_of_the_job() -> None:
    truncated = manifest(utc(2021, 7, 5), 9, expired=utc(2022, 7, 5, 23), truncated="the limit")
    berlin = job(schedule=Schedule("0 0 * * *", "Europe/Berlin"))
    said = sheet(berlin, lines_of(berlin, [truncated]), "s3://b")
    assert "  expired on 2022-07-06; \x1b[33mtruncated: the limit" in said
    assert said.endswith("1 run, 9 posts, 1 truncated, 1 expired")


WEEK = 7 * DAY
LATE = utc(2021, 8, 1)
"""When runs of another schedule began, after those that were there."""
CHANGED = [
    *(manifest(utc(2021, 7, number), number) for number in range(1, 8)),
    manifest(utc(2021, 7, 5), 50, WEEK, started=LATE, variant=""),
]

NOTHING = msgspec.structs.replace(CHANGED[0].counts, kept=0)


def said(runs: Sequence[Manifest]) -> dict[str, str]:
    """What is told of each run that newer ones cover, by the day on which its window begins."""
    found, told = overlaps(runs), {}
    for one in runs:
        if overlap := found.get(name_of(one)):
            newer = overlap.newer(lambda window: f"{window.start:%m-%d}")
            told[f"{one.start:%m-%d}"] = f"{'all' if overlap.whole else 'some'}: {newer}"
    return told


def test_an_older_run_is_superseded_by_what_newer_ones_cover_of_its_window() -> None:
    """All of it or a part, by one or by several together."""
    assert said(CHANGED) == dict.fromkeys(["07-05", "07-06", "07-07"], "all: the newer run of 07-05")
    week, days = (
        manifest(utc(2021, 7, 5), 50, WEEK),
        [manifest(utc(2021, 7, day), 1, started=LATE) for day in range(5, 12)],
    )
    assert said([week, *days]) == {"07-05": "all: newer runs, from that of 07-05 to that of 07-11"}
    assert said([week, *days[1:3]]) == {"07-05": "some: newer runs, from that of 07-06 to that of 07-07"}
    assert said([week, days[0]]) == {"07-05": "some: the newer run of 07-05"}
    shifted = manifest(utc(2021, 7, 5, 22), 1, started=LATE)
    assert said([*CHANGED[4:6], shifted]) == {
        "07-05": "some: the newer run of 07-05",
        "07-06": "some: the newer run of 07-05",
    }
    growing = [manifest(utc(2021, 7, 1), 1, days * DAY) for days in range(1, 10)]
    assert [one.whole for one in overlaps(growing).values()] == [True] * 8


@pytest.mark.parametrize(
    "changes", [{"variant": "manual"}, {"job": "another"}, {"source": "weibo"}, {"counts": NOTHING}]
)
def test_what_readers_do_not_find_twice_is_not_superseded(changes: dict[str, Any]) -> None:
    """By runs by hand, of other jobs and sources, or without posts."""
    assert said([*CHANGED[:7], msgspec.structs.replace(CHANGED[7], **changes)]) == {}


def test_of_a_source_that_gives_each_post_to_one_run_none_is_superseded() -> None:
    assert said([msgspec.structs.replace(one, source="rss", via="feed") for one in CHANGED]) == {}


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 6)), max_size=12, unique=True))
def test_it_is_told_as_looking_at_each_hour_tells_it(spans: Sequence[tuple[int, int]]) -> None:
    """Against the plain way, which takes as long as there are pairs."""
    start = utc(2021, 7, 1)
    runs = [
        manifest(start + first * DAY, 1, length * DAY, started=LATE + number * DAY)
        for number, (first, length) in enumerate(spans)
    ]
    held = [set(range(first, first + length)) for first, length in spans]
    wanted = {
        name_of(run): held[n] <= set[int]().union(*held[n + 1 :])
        for n, run in enumerate(runs)
        if any(held[n] & other for other in held[n + 1 :])
    }
    assert {name: one.whole for name, one in overlaps(reversed(runs)).items()} == wanted


@pytest.mark.parametrize("width", [None, 60])
def test_overlapping_runs_are_marked_and_the_sum_says_that_posts_are_counted_twice(width: int | None) -> None:
    """Also where the newer run is not among those that are shown."""
    found = overlaps(CHANGED)
    daily = job(schedule=Schedule("0 0 * * *", "UTC"))
    lines = lines_of(daily, CHANGED)
    text = " ".join(click.unstyle(sheet(daily, lines, "s3://b", width, found)).split())
    assert text.count("superseded by the newer run of 2021-07-05 to 2021-07-12") == 3
    assert text.endswith(
        "8 runs, 78 posts 3 runs have windows that are a newer run's too: up to 18 posts may be counted twice"
    )
    kinds = [line["superseded"] for line in json.loads(as_json(lines, found))]
    assert kinds == [None, None, None, None, "wholly", None, "wholly", "wholly"]
    cut = lines_of(daily, CHANGED, last=1)
    assert sheet(daily, cut, "s3://b", None, found).endswith(
        "1 run has a window that is a newer run's too: up to 7 posts may be counted twice"
    )
    half = overlaps([CHANGED[4], manifest(utc(2021, 7, 5, 22), 1, started=LATE)])
    said = sheet(daily, [CHANGED[4]], "s3://b", None, half)
    assert "overlaps the newer run of 2021-07-05 22:00 to 2021-07-06 22:00" in said


def test_no_window_is_missing_that_a_longer_one_covers() -> None:
    """After a change from weeks to days: those of the week lie inside of it."""
    daily = job(schedule=Schedule("0 0 * * *", "UTC"))
    runs = [manifest(utc(2021, 7, 5), 50, WEEK), manifest(utc(2021, 7, 7)), manifest(utc(2021, 7, 13))]
    for last in (None, 2):
        gaps = [line for line in lines_of(daily, runs, last) if isinstance(line, Gap)]
        assert [(gap.window.start, gap.runs) for gap in gaps] == [(utc(2021, 7, 12), 1)]
    assert not [line for line in lines_of(daily, runs, 1) if isinstance(line, Gap)]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one job, with the working directory in it, and a run in its bucket."""
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "covid.yaml").write_text(JOB)
    one = manifest(utc(2021, 7, 5), 12, truncated="source repeats pages", complete=False, job="covid")
    write_manifest(LocalStore(tmp_path / "bucket"), f"{STATE}/covid/{one.window}", one)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_reads_the_bucket_of_the_job(project: Path) -> None:
    result = CliRunner().invoke(trawl, ["runs", "covid"], catch_exceptions=False)
    assert (result.exit_code, result.stderr) == (0, ""), project
    assert "2021-07-05" in result.stdout
    assert "truncated: source repeats pages" in result.stdout
    as_tools = CliRunner().invoke(trawl, ["runs", "covid", "--format", "json"], catch_exceptions=False)
    assert json.loads(as_tools.stdout)[0]["posts"] == 12


def test_the_command_looks_at_all_runs_for_those_that_are_superseded(project: Path) -> None:
    week = manifest(utc(2021, 7, 1), 50, WEEK, job="covid", started=LATE)
    write_manifest(LocalStore(project / "bucket"), f"{STATE}/covid/{week.window}", week)
    for form, words in (("text", "superseded by"), ("json", '"superseded": "wholly"')):
        arguments = ["runs", "covid", "--last", "1", "--format", form]
        assert words in CliRunner().invoke(trawl, arguments, catch_exceptions=False).stdout


def test_a_damaged_manifest_ends_with_one_and_a_sentence(project: Path) -> None:
    (found,) = (project / "bucket").rglob("manifest.json")
    found.write_text("{")
    result = CliRunner().invoke(trawl, ["runs", "covid"], catch_exceptions=False)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: The manifest file://")
    assert "is damaged" in result.stderr


def test_a_bucket_whose_connection_is_missing_ends_with_one(project: Path) -> None:
    text = JOB.replace("./bucket", "s3://my-bucket") + "bucket_connection: nobody_has_this\n"
    (project / "pipelines" / "covid.yaml").write_text(text)
    result = CliRunner().invoke(trawl, ["runs", "covid"], catch_exceptions=False)
    assert result.exit_code == 1
    assert "There is no connection 'nobody_has_this'" in result.stderr


def test_it_stands_on_narrow_terminals_and_without_colours(project: Path) -> None:
    wide, narrow, plain = (
        on_terminal(project, 100, "runs", "covid"),
        on_terminal(project, 30, "runs", "covid"),
        on_terminal(project, 100, "runs", "covid", NO_COLOR="1"),
    )
    assert "\x1b[33m" in wide
    assert plain == click.unstyle(wide)
    assert [line.split()[0] for line in plain.splitlines()[2:4]] == ["day", "2021-07-05"]
    assert [line.strip() for line in click.unstyle(narrow).splitlines()[2:4]] == [
        "2021-07-05",
        "12 posts, 1 min 30 s",
    ]
