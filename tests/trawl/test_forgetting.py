"""`trawl forget` says where somebody is, and takes them out once somebody agrees."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from etl_callables import extract, load, transform
from etl_callables.reader import read_posts
from etl_callables.run import Run
from schemas.reading import read_jobs
from schemas.window import Window
from tests.etl_callables.test_forgetting import POSTS
from trawl.cli import trawl

JOB = 'source: archive\nbucket: {bucket}\nkey: "{{job}}/{{date}}.csv"\noptions: {{files: posts.jsonl}}\n'
DAY = Window(datetime(2021, 7, 5, tzinfo=UTC), datetime(2021, 7, 6, tzinfo=UTC))
WINDOW = "20210705T000000Z to 20210706T000000Z"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two jobs that ran once, over two posts of ada's and two of bob's."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "posts.jsonl").write_bytes(b"\n".join(POSTS))
    for name in ("one", "two"):
        (tmp_path / "pipelines" / f"{name}.yaml").write_text(JOB.format(bucket="./bucket"))
    for job in read_jobs(Path("pipelines")).jobs:
        load(job, DAY, Run(), transform(job, DAY, Run(), extract(job, DAY, Run())))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(trawl, ["forget", *arguments], catch_exceptions=False)


def ids(project: Path, name: str) -> list[str]:
    rows = read_posts((project / "bucket" / name / "2021-07-05.csv").as_uri()).to_pylist()
    return [row["id"] for row in rows]


def test_somebody_is_taken_out_of_every_job(project: Path) -> None:
    result = run("--author", "ada_l", "--yes")
    assert (result.exit_code, result.stdout) == (0, f"{WINDOW} of one: 2 posts\n{WINDOW} of two: 2 posts\n")
    assert result.stderr == "4 posts in 2 windows.\nForgotten in 2 windows; later runs leave it out.\n"
    assert ids(project, "one") == ids(project, "two") == ["102", "104"]


def test_of_a_job_alone(project: Path) -> None:
    assert run("--post", "101", "two", "--yes").exit_code == 0
    assert (ids(project, "one"), ids(project, "two")) == (["101", "102", "103", "104"], ["102", "103", "104"])


def test_where_nobody_can_be_asked_nothing_is_changed(project: Path) -> None:
    result = run("--author", "ada_l")
    assert (result.exit_code, "pass --yes" in result.stderr) == (2, True)
    assert ids(project, "one") == ["101", "102", "103", "104"]
    assert not list((project / "bucket").rglob("forgotten.json"))


def test_an_answer_of_xs_compliance_api_says_whom(project: Path) -> None:
    """Its batch jobs answer with a JSON object a line: https://docs.x.com/x-api/compliance/batch-compliance."""
    (project / "posts.jsonl").write_text(
        '{"id":"101","action":"delete","created_at":"2021-07-05T12:00:00.000Z","reason":"deleted"}\n\n'
        '{"id":"999","action":"delete","created_at":"2021-07-05T12:00:00.000Z","reason":"deleted"}\n'
    )
    (project / "people.txt").write_text("2\n")
    result = run("--posts", "posts.jsonl", "--authors", "people.txt", "--yes")
    assert result.exit_code == 0
    assert ids(project, "one") == ["103"]


@pytest.mark.parametrize(
    ("line", "said"),
    [('{"id": ', "ids.jsonl:1: this is no whole JSON"), ('{"name": 1}', "ids.jsonl:1: this has no id")],
)
def test_a_file_that_does_not_say_whom_changes_nothing(project: Path, line: str, said: str) -> None:
    (project / "ids.jsonl").write_text(line)
    result = run("--posts", "ids.jsonl", "--yes")
    assert (result.exit_code, said in result.stderr) == (1, True)
    assert ids(project, "one") == ["101", "102", "103", "104"]


def test_somebody_has_to_be_named(project: Path) -> None:
    assert (run("--yes").exit_code, project.exists()) == (2, True)


def test_a_bucket_that_cannot_be_reached_is_named_and_keeps_no_other(project: Path) -> None:
    text = JOB.format(bucket="s3://elsewhere") + "bucket_connection: nowhere\n"
    (project / "pipelines" / "broken.yaml").write_text(text)
    result = run("--author", "ada_l", "--yes")
    assert result.exit_code == 1
    assert "Error: pipelines/broken.yaml: " in result.stderr
    assert ids(project, "one") == ["102", "104"]


def test_records_of_a_job_that_is_gone_are_named(project: Path) -> None:
    """Its file says what its columns are and which key it has; without it nobody knows."""
    (project / "pipelines" / "two.yaml").unlink()
    result = run("--author", "ada_l", "--yes")
    assert result.exit_code == 1
    assert "has records of jobs that are not here (two), which were not looked through" in result.stderr
    assert ids(project, "one") == ["102", "104"]


def test_somebody_is_not_said_to_be_forgotten_where_a_file_has_problems(project: Path) -> None:
    (project / "pipelines" / "two.yaml").write_text("querry: x\n")
    result = run("--author", "ada_l", "--yes")
    assert result.exit_code == 1
    assert "Error: pipelines/two.yaml has problems, which `trawl check` shows" in result.stderr
    assert ids(project, "one") == ["102", "104"]


def test_somebody_who_is_nowhere_yet_is_kept_out_of_later_runs(project: Path) -> None:
    result = run("--author", "carol", "--yes")
    assert (result.exit_code, result.stdout) == (0, "")
    assert len(list((project / "bucket").rglob("forgotten.json"))) == 2
