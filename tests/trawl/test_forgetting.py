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
    assert (result.exit_code, result.stdout) == (
        0,
        "2021-07-05 of one: 2 posts\n2021-07-05 of two: 2 posts\n",
    )
    assert result.stderr == "4 posts in 2 windows.\nForgotten in 2 windows; later runs leave it out.\n"
    assert ids(project, "one") == ids(project, "two") == ["102", "104"]


def test_white_space_around_a_name_is_none_of_it(project: Path) -> None:
    """As where it was copied from somewhere."""
    assert run("--author", " ada_l\n", "--post", "\t102 ", "--yes").exit_code == 0
    assert ids(project, "one") == ids(project, "two") == ["104"]


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
    assert "4 posts in 2 windows; 1 job was not looked through.\n" in result.stderr
    assert (
        "Forgotten in 2 windows, but not everywhere: 1 job was not looked through."
        " Mend that and say this again.\n"
    ) in result.stderr
    assert ids(project, "one") == ["102", "104"]


def test_records_of_a_job_that_is_gone_are_named(project: Path) -> None:
    """Its file says what its columns are and which key it has; without it nobody knows."""
    (project / "pipelines" / "two.yaml").unlink()
    result = run("--author", "ada_l", "--yes")
    assert result.exit_code == 1
    assert "has records of jobs that are not here (two), which were not looked through" in result.stderr
    assert "but not everywhere: 1 job was not looked through." in result.stderr
    assert ids(project, "one") == ["102", "104"]


def test_somebody_is_not_said_to_be_forgotten_where_a_file_has_problems(project: Path) -> None:
    (project / "pipelines" / "two.yaml").write_text("querry: x\n")
    result = run("--author", "ada_l", "--yes")
    assert result.exit_code == 1
    assert "Error: pipelines/two.yaml has problems, which `trawl check` shows" in result.stderr
    assert "but not everywhere: 1 job was not looked through." in result.stderr
    assert "not here" not in result.stderr
    assert ids(project, "one") == ["102", "104"]


@pytest.mark.parametrize(
    ("said", "option"),
    [
        (("--author", ""), "author"),
        (("--author", " "), "author"),
        (("--author", "@"), "author"),
        (("--post", ""), "post"),
        (("--author", "ada_l", "--post", " "), "post"),
    ],
)
def test_an_empty_name_is_refused(project: Path, said: tuple[str, ...], option: str) -> None:
    result = run(*said, "--yes")
    assert (result.exit_code, f"--{option} is empty" in result.stderr) == (2, True)
    assert not list((project / "bucket").rglob("forgotten.json"))


def test_a_line_of_a_file_that_is_no_utf_8_is_named(project: Path) -> None:
    (project / "people.txt").write_bytes("somebody\r\nJosé\r\n".encode("latin-1"))
    result = run("--authors", "people.txt", "--yes")
    assert (result.exit_code, "people.txt:2: this is no UTF-8 text" in result.stderr) == (1, True)
    assert not list((project / "bucket").rglob("forgotten.json"))


def test_a_file_as_windows_writes_it_is_read(project: Path) -> None:
    """With a mark before the first name, and two signs at the end of each line."""
    (project / "people.txt").write_bytes("\ufeffada_l\r\n".encode())
    assert run("--authors", "people.txt", "--yes").exit_code == 0
    assert ids(project, "one") == ["102", "104"]


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("name", ["https://twitter.com/Ada_L", "Ada Lovelace"])
def test_who_is_not_found_is_told_by_what_people_are_known(name: str) -> None:
    result = run("--author", name, "--yes")
    assert result.exit_code == 0
    assert (
        "0 posts in 0 windows.\nAuthors are known by their handle or id, as in the columns author and"
        " author_id; posts by their id.\n"
    ) in result.stderr
    assert "columns" not in run("--author", "ada_l", "--yes").stderr


def test_a_bucket_to_which_a_job_has_written_nothing_is_told(project: Path) -> None:
    """It may have been another one before."""
    (project / "pipelines" / "two.yaml").write_text(JOB.format(bucket="./other"))
    for _ in range(2):
        result = run("--author", "ada_l", "two", "--yes")
        assert f"two has written nothing to {(project / 'other').as_uri()}.\n" in result.stderr
    assert "has written nothing" not in run("--author", "ada_l", "one", "--yes").stderr


def test_days_are_those_of_the_jobs_zone(project: Path) -> None:
    (project / "pipelines" / "one.yaml").write_text(JOB.format(bucket="./bucket") + "timezone: Asia/Tokyo\n")
    assert run("--author", "ada_l", "one", "--yes").stdout == (
        "2021-07-05 09:00 to 2021-07-06 09:00 of one: 2 posts\n"
    )


def test_a_window_that_is_not_rid_of_somebody_is_not_said_to_be(project: Path) -> None:
    text = JOB.format(bucket="./bucket") + "keep_raw: false\ncolumns: [text]\n"
    (project / "pipelines" / "three.yaml").write_text(text)
    (job,) = (job for job in read_jobs(Path("pipelines")).jobs if job.id == "three")
    load(job, DAY, Run(), transform(job, DAY, Run(), extract(job, DAY, Run())))
    result = run("--author", "ada_l", "--yes")
    assert result.exit_code == 1
    assert "Forgotten in 2 windows, but not everywhere: 1 window may have it still." in result.stderr
    assert "Error: pipelines/three.yaml: " in result.stderr


def test_what_an_earlier_key_gave_goes_too(project: Path) -> None:
    one = project / "pipelines" / "one.yaml"
    one.write_text(one.read_text().replace("{date}.csv", "all/{date}.csv"))
    old = project / "bucket" / "one" / "2021-07-05.csv"
    result = run("--author", "ada_l", "one", "--yes")
    assert (result.exit_code, result.stdout) == (
        0,
        f"2021-07-05 of one: 2 posts\n  {old.as_uri()}, which an earlier key gave, is deleted whole\n",
    )
    assert not old.exists()
    rows = read_posts((project / "bucket" / "one" / "all" / "2021-07-05.csv").as_uri()).to_pylist()
    assert [row["id"] for row in rows] == ["102", "104"]


def test_somebody_who_is_nowhere_yet_is_kept_out_of_later_runs(project: Path) -> None:
    result = run("--author", "carol", "--yes")
    assert (result.exit_code, result.stdout) == (0, "")
    assert len(list((project / "bucket").rglob("forgotten.json"))) == 2


def test_where_nobody_can_tell_whose_posts_are_that_is_said_before_anybody_agrees(project: Path) -> None:
    """A count would be made up; the other job's is not."""
    (project / "pipelines" / "two.yaml").write_text(
        JOB.format(bucket="./bucket") + "columns: [text, likes]\nkeep_raw: false\n"
    )
    (job,) = (job for job in read_jobs(Path("pipelines")).jobs if job.id == "two")
    load(job, DAY, Run(), transform(job, DAY, Run(), extract(job, DAY, Run())))
    result = run("--author", "ada_l")
    assert result.stdout == (
        "2021-07-05 of one: 2 posts\n"
        "2021-07-05 of two: its raw pages are gone and no column tells whose its posts are,"
        " so that none can be taken out\n"
    )
    assert result.stderr.startswith("2 posts in 2 windows; what 1 window of them may have cannot be told.\n")


def test_who_may_be_told_by_the_other_column_is_named_with_what_to_do(project: Path) -> None:
    """Though the job has other columns by now, which do tell."""
    path = project / "pipelines" / "three.yaml"
    text = JOB.format(bucket="./bucket") + "keep_raw: false\ncolumns: {Who: author_id, Text: text}\n"
    path.write_text(text)
    (job,) = (job for job in read_jobs(Path("pipelines")).jobs if job.id == "three")
    load(job, DAY, Run(), transform(job, DAY, Run(), extract(job, DAY, Run())))
    path.write_text(text.replace("Who: author_id", "Who: author"))
    url = (project / "bucket" / "three" / "2021-07-05.csv").as_uri()
    why = "its authors are told by their id alone, and ada_l reads as a handle"
    result = run("--author", "ada_l", "three", "--yes")
    assert (result.exit_code, result.stdout) == (
        1,
        f"2021-07-05 of three: its raw pages are gone and {why}, so that none can be taken out\n",
    )
    assert f"Error: pipelines/three.yaml: {url} (its manifest: " in result.stderr
    assert f"may have their posts still: {why}" in result.stderr
    result = run("--author", "2", "--author", "ada_l", "three", "--yes")
    assert (result.exit_code, result.stdout) == (
        1,
        f"2021-07-05 of three: 2 posts, and there may be more: its raw pages are gone and {why}\n",
    )
    result = run("--author", "47110008154711", "three", "--yes")
    assert (result.exit_code, result.stdout) == (0, "2021-07-05 of three: 2 posts\n")
    assert read_posts(url).num_rows == 0
