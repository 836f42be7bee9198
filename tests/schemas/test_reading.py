"""A path in; a Job or every problem out, with defaults, between files, and without listing the tree."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schemas.job import Job, MaxCost, Origin
from schemas.reading import job_path, read_job, read_jobs, read_some

JOB = "source: twitter\nquery: covid\nbucket: s3://my-bucket\nkey: '{job}/{date}.csv'\n"


def write(pipelines: Path, name: str, text: str) -> Path:
    path = pipelines / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def healthy(path: Path, root: Path) -> Job:
    found = read_job(path, root)
    assert isinstance(found, Job), found
    return found


def test_the_tutorials_job_is_read_whole() -> None:
    root = Path(__file__).resolve().parents[2]
    job = healthy(root / "pipelines" / "covid_twitter.yaml", root)
    assert (job.id, job.file) == ("covid_twitter", "pipelines/covid_twitter.yaml")
    assert (job.description, job.owner) == ("First DAG with ETL process!", "AJAY")
    assert (job.source, job.via, job.query, job.limit) == ("twitter", "x-api", "covid", 150)
    assert (job.options["expand"], job.max_cost) == (["author"], MaxCost(2.39, 75))
    assert (job.bucket, job.key, job.format) == ("s3://twitter-s3-bucket", "covid_twitter_data.csv", "csv")
    assert job.date_range.since == datetime(2021, 7, 5, tzinfo=UTC)
    assert job.date_range.until == datetime(2022, 7, 6, tzinfo=UTC)
    assert job.date_range.each_run == "whole"
    assert job.schedule.cron == "0 0 * * *"
    headers = ["User", "Date Created", "Number of Likes", "Source of Tweet", "Tweet"]
    assert [column.header for column in job.columns] == headers
    assert (job.retries, job.retry_delay) == (1, timedelta(minutes=1))
    assert (job.email, job.email_on_failure, job.email_on_retry, job.depends_on_past) == (
        (),
        False,
        False,
        False,
    )


def test_dates_without_an_offset_are_in_the_jobs_zone(pipelines: Path) -> None:
    text = JOB + "timezone: Europe/Berlin\ndate_range: {since: 2021-07-05, until: '2021-07-06T00:00:00Z'}\n"
    job = healthy(write(pipelines, "a.yaml", text), pipelines.parent)
    assert job.date_range.since == datetime(2021, 7, 4, 22, tzinfo=UTC)
    assert job.date_range.until == datetime(2021, 7, 6, tzinfo=UTC)


def test_defaults_merge_and_the_nearest_wins_and_every_value_knows_its_origin(pipelines: Path) -> None:
    write(
        pipelines,
        "defaults.yaml",
        "owner: all\ntags: [one, two]\ndate_range:\n  since: 2021-07-05\nretries: 3\n",
    )
    write(pipelines, "team/defaults.yml", "owner: team\ndate_range: {until: 2021-08-01}\n")
    job = healthy(write(pipelines, "team/a.yaml", JOB + "tags: [mine]\n"), pipelines.parent)
    assert (job.owner, job.tags, job.retries) == ("team", ("mine",), 3)
    assert job.values["date_range.since"] == "2021-07-05"
    assert job.origins["owner"] == Origin("pipelines/team/defaults.yml", 1, 8)
    assert job.origins["date_range.since"] == Origin("pipelines/defaults.yaml", 4, 10)
    assert job.origins["tags"] == Origin("pipelines/team/a.yaml", 5, 7)
    assert str(job.origins["timezone"]) == "built-in default"
    assert set(job.origins) == set(job.values)


@pytest.mark.parametrize("text", ["", "\n", "# not yet\n", "---\n", "~\n", "\ufeff"])
def test_defaults_that_say_nothing_are_no_defaults(pipelines: Path, text: str) -> None:
    write(pipelines, "team/a.yaml", JOB)
    write(pipelines, "defaults.yaml", "owner: all\n")
    write(pipelines, "team/defaults.yaml", text)
    reading = read_jobs(pipelines)
    assert reading.problems == ()
    assert [job.owner for job in reading.jobs] == ["all"]


def test_defaults_reach_the_folders_below_and_no_others(pipelines: Path) -> None:
    write(pipelines, "team/defaults.yaml", "owner: team\n")
    assert healthy(write(pipelines, "team/deep/a.yaml", JOB), pipelines.parent).owner == "team"
    assert healthy(write(pipelines, "other/a.yaml", JOB), pipelines.parent).owner == ""


def test_the_digest_changes_with_the_file_and_with_its_defaults_only(pipelines: Path) -> None:
    path = write(pipelines, "a.yaml", JOB)
    digests = {healthy(path, pipelines.parent).digest}
    write(pipelines, "b.yaml", JOB + "owner: b\n")
    assert {healthy(path, pipelines.parent).digest} == digests
    write(pipelines, "defaults.yaml", "owner: a\n")
    digests.add(healthy(path, pipelines.parent).digest)
    write(pipelines, "a.yaml", JOB + "# a comment\n")
    digests.add(healthy(path, pipelines.parent).digest)
    assert len(digests) == 3


def test_bad_defaults_are_told_once_at_their_place_and_once_by_each_job(pipelines: Path) -> None:
    write(pipelines, "defaults.yaml", "ownr: me\n")
    for name in ("a", "b"):
        write(pipelines, f"{name}.yaml", JOB)
    kinds = [(problem.path, problem.kind) for problem in read_jobs(pipelines).problems]
    assert kinds == [
        ("pipelines/a.yaml", "bad-defaults"),
        ("pipelines/b.yaml", "bad-defaults"),
        ("pipelines/defaults.yaml", "unknown-key"),
    ]
    alone = read_job(pipelines / "a.yaml", pipelines.parent)
    assert isinstance(alone, tuple)
    assert [problem.kind for problem in alone] == ["bad-defaults", "unknown-key"]


def test_no_user_text_is_expanded(pipelines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "s3cret")
    text = "'$SECRET ${SECRET} {{ SECRET }} %(SECRET)s {SECRET}'"
    job = healthy(write(pipelines, "a.yaml", JOB + f"description: {text}\n"), pipelines.parent)
    assert job.description == text.strip("'")


@pytest.mark.parametrize(
    ("name", "job_id"), [("a.yaml", "a"), ("t/u/a-b_c.yml", "t.u.a-b_c"), ("T/1.yaml", "T.1")]
)
def test_a_jobs_id_is_its_path_and_the_path_is_found_from_it(pipelines: Path, name: str, job_id: str) -> None:
    path = write(pipelines, name, JOB)
    assert healthy(path, pipelines.parent).id == job_id
    assert job_path(job_id, pipelines) == path


@pytest.mark.parametrize(
    "job_id", ["", ".", "..", "a..b", "../a", "a/b", "defaults", "t.defaults", "nope", "a\0", "a.yaml", "/a"]
)
def test_what_is_no_job_has_no_path(pipelines: Path, job_id: str) -> None:
    write(pipelines, "a.yaml", JOB)
    write(pipelines, "t/defaults.yaml", "owner: me\n")
    write(pipelines.parent, "a.yaml", JOB)
    assert job_path(job_id, pipelines) is None


def test_the_path_of_a_job_is_found_in_a_folder_that_cannot_be_listed_quickly(pipelines: Path) -> None:
    for number in range(2000):
        (pipelines / f"job{number}.yaml").touch()
    write(pipelines, "wanted.yaml", JOB)
    start = time.perf_counter()
    path = job_path("wanted", pipelines)
    assert path is not None
    assert isinstance(read_job(path, pipelines.parent), Job)
    assert time.perf_counter() - start < 0.1  # measured: 1 ms; room for a busy machine


def test_hidden_files_backups_and_other_suffixes_are_no_jobs(pipelines: Path) -> None:
    for name in (".a.yaml", ".git/a.yaml", "a.yaml~", "a.yaml.swp", "notes.md", "posts.jsonl", "a.json"):
        write(pipelines, name, "not: [a, job\n")
    assert read_jobs(pipelines).files == 0


def test_a_link_to_a_job_is_one_and_one_to_anything_else_is_said_to_be_none(
    pipelines: Path, tmp_path: Path
) -> None:
    """A link out of the folder would show what is there to whoever reads the problems of a change."""
    elsewhere = write(tmp_path / "elsewhere", "a.yaml", JOB)
    write(pipelines, ".data/real.yaml", JOB)
    (pipelines / "linked.yaml").symlink_to(".data/real.yaml")
    (pipelines / "outside.yaml").symlink_to(elsewhere)
    (pipelines / "folder").symlink_to(elsewhere.parent)
    (pipelines / "loop").symlink_to(pipelines)
    reading = read_jobs(pipelines)
    assert [job.id for job in reading.jobs] == ["linked"]
    kinds = [problem.kind for problem in reading.problems]
    assert kinds == ["linked-folder", "linked-folder", "linked-file"]


def test_what_cannot_be_opened_is_a_problem_not_an_error(pipelines: Path) -> None:
    (pipelines / "gone.yaml").symlink_to("nowhere.yaml")
    (pipelines / "defaults.yaml").symlink_to("nowhere.yaml")
    (pipelines / "itself.yaml").symlink_to("itself.yaml")
    write(pipelines, "a.yaml", JOB)
    found = {(problem.path, problem.kind) for problem in read_jobs(pipelines).problems}
    assert found == {
        ("pipelines/gone.yaml", "unreadable"),
        ("pipelines/itself.yaml", "unreadable"),
        ("pipelines/a.yaml", "bad-defaults"),
        ("pipelines/defaults.yaml", "unreadable"),
    }
    missing = read_job(pipelines / "nope.yaml", pipelines.parent)
    assert isinstance(missing, tuple)
    assert missing[0].kind == "unreadable"
    assert read_jobs(pipelines / "nowhere").problems[0].kind == "unreadable"


def test_a_pipe_among_the_jobs_holds_nobody_up(pipelines: Path) -> None:
    os.mkfifo(pipelines / "pipe.yaml")
    (problem,) = read_jobs(pipelines).problems
    assert (problem.path, problem.kind) == ("pipelines/pipe.yaml", "unreadable")
    assert "a pipe" in problem.message


def test_of_two_jobs_that_write_one_object_the_first_stays_healthy(pipelines: Path) -> None:
    text = JOB.replace("'{job}/{date}.csv'", "covid/{date}.csv")
    write(pipelines, "b.yaml", text)
    write(pipelines, "a.yaml", text)
    reading = read_jobs(pipelines)
    assert [job.id for job in reading.jobs] == ["a"]
    assert [(problem.path, problem.line, problem.kind) for problem in reading.problems] == [
        ("pipelines/b.yaml", 4, "same-object")
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("bucket: ./bucket\nkey: x/{date}.csv", "bucket: ./bucket/x\nkey: '{date}.csv'"),
        ("bucket: s3://b1b/\nkey: '{date}.csv'", "bucket: s3://b1b\nkey: '{year}-{month}-{day}.csv'"),
        ("bucket: s3://b1b\nkey: 'b/{date}.csv'", "bucket: s3://b1b\nkey: '{job}/{date}.csv'"),
    ],
)
def test_one_place_in_two_spellings_is_one_place(pipelines: Path, one: str, other: str) -> None:
    write(pipelines, "a.yaml", f"source: twitter\nquery: covid\n{one}\n")
    write(pipelines, "b.yaml", f"source: twitter\nquery: covid\n{other}\n")
    assert [problem.kind for problem in read_jobs(pipelines).problems] == ["same-object"]


def test_some_files_are_read_as_all_would_be(pipelines: Path) -> None:
    paths = [write(pipelines, f"{name}.yaml", JOB) for name in "cab"]
    assert read_some(paths, pipelines.parent) == read_jobs(pipelines)
    assert read_some([*paths, paths[0]], pipelines.parent).files == 3


def test_reading_imports_nothing_heavy(pipelines: Path) -> None:
    write(pipelines, "a.yaml", JOB)
    write(pipelines, "bad.yaml", "sorce: [\n")
    code = (
        "import sys; from pathlib import Path; from schemas.reading import read_jobs;"
        f"read_jobs(Path({str(pipelines)!r}));"
        "heavy = {'airflow', 'pandas', 'pyarrow', 'jsonschema', 'rich', 'croniter', 'msgspec'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
