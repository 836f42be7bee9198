"""What is older than jobs let it be is listed before it is deleted, by hand and every day by Airflow."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from etl_callables import extract, load, transform
from etl_callables.run import Run
from schemas.reading import read_jobs
from schemas.window import Window
from tests.etl_callables.jobs import tweets
from trawl.cli import trawl
from trawl.upkeep import delete_listed, listed

JOB = """source: archive
bucket: {bucket}
key: "{{job}}/{{date}}.csv"
options: {{files: posts.jsonl}}
"""
DAY = Window(datetime(2021, 7, 5, tzinfo=UTC), datetime(2021, 7, 6, tzinfo=UTC))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three jobs that ran once, two years ago; one keeps everything, one its objects, one neither."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "posts.jsonl").write_bytes(b"\n".join(tweets([1, 2, 3])))
    for name, more in (("forever", ""), ("pages", "keep_raw: 30 days\n"), ("years", "keep: 1 year\n")):
        (tmp_path / "pipelines" / f"{name}.yaml").write_text(JOB.format(bucket="./bucket") + more)
    long_ago = datetime.now(UTC) - timedelta(days=730)
    for job in read_jobs(Path("pipelines")).jobs:
        run = Run(id="scheduled", now=lambda: long_ago)
        load(job, DAY, run, transform(job, DAY, run, extract(job, DAY, run)))
    return tmp_path


def run(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(trawl, ["expire", *arguments], input=answer, catch_exceptions=False)


def files(project: Path) -> dict[str, int]:
    """How many files of posts each job has."""
    found = [path.as_posix() for path in (project / "bucket").rglob("*") if path.suffix in {".csv", ".zst"}]
    return {name: sum(name in path for path in found) for name in ("forever", "pages", "years")}


def test_everything_that_is_due_is_listed_and_deleted_once_somebody_agrees(project: Path) -> None:
    result = run("--yes")
    assert result.exit_code == 0
    lines = [
        line.partition(": ")[2].rpartition(", ")[0].rpartition(", ")[0] for line in result.stdout.splitlines()
    ]
    assert lines == ["1 raw page", "object", "1 raw page"]
    assert [line.split(" of ")[0] for line in result.stderr.splitlines()] == ["3 files", "3 files deleted."]
    assert files(project) == {"forever": 2, "pages": 1, "years": 0}
    again = run()
    assert (again.exit_code, again.stdout, again.stderr) == (
        0,
        "",
        "Nothing is older than its job lets it be.\n",
    )


def test_where_nobody_can_be_asked_nothing_is_deleted(project: Path) -> None:
    result = run()
    assert (result.exit_code, "pass --yes" in result.stderr) == (2, True)
    assert files(project) == {"forever": 2, "pages": 2, "years": 2}


def test_a_job_alone_can_be_cleared(project: Path) -> None:
    assert run("years", "--yes").exit_code == 0
    assert files(project) == {"forever": 2, "pages": 2, "years": 0}
    unknown = run("yeers")
    assert (unknown.exit_code, 'did you mean "years"' in unknown.stderr) == (2, True)


def test_a_bucket_that_cannot_be_reached_keeps_no_other_from_being_cleared(project: Path) -> None:
    path = project / "pipelines" / "a_broken.yaml"
    path.write_text(JOB.format(bucket="s3://elsewhere") + "bucket_connection: nowhere\nkeep: 1 day\n")
    result = run("--yes")
    assert result.exit_code == 1
    assert "Error: pipelines/a_broken.yaml: " in result.stderr
    assert "Traceback" not in result.stderr
    assert files(project) == {"forever": 2, "pages": 1, "years": 0}


def test_all_jobs_are_not_said_to_be_cleared_where_a_file_has_problems(project: Path) -> None:
    (project / "pipelines" / "pages.yaml").write_text("querry: x\n")
    result = run("--yes")
    assert result.exit_code == 1
    said = (
        "Error: pipelines/pages.yaml has problems, which `trawl check` shows, and what it reaches is left out"
    )
    assert result.stderr.splitlines()[-1] == said
    assert files(project) == {"forever": 2, "pages": 2, "years": 0}
    assert run("years", "--yes").exit_code == 0


def test_airflow_deletes_what_it_listed_and_nothing_that_came_since(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "trawl")
    wanted = listed(project / "pipelines", Run())
    assert set(wanted) == {"pages", "years"}
    assert sum(" bytes, written " in line for line in caplog.messages) == 3
    # Between the two tasks somebody shortens the time of a third job: that is for the next day.
    path = project / "pipelines" / "forever.yaml"
    path.write_text(path.read_text() + "keep: 1 day\n")
    del wanted["pages"]
    assert delete_listed(project / "pipelines", wanted, Run()) == []
    assert files(project) == {"forever": 2, "pages": 2, "years": 0}
