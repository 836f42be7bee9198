"""A check says which files of an archive are not here, and calls it no problem."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from trawl.cli import trawl

JOB = "source: archive\noptions: {{files: {}}}\nbucket: s3://my-bucket\nkey: '{{job}}/{{date}}.csv'\n"


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of jobs in a project, with the working directory at its top."""
    folder = tmp_path / "pipelines" / "team"
    (folder / "old").mkdir(parents=True)
    (folder / "old" / "posts [1].jsonl").write_text("")
    monkeypatch.chdir(tmp_path)
    return folder


def check(folder: Path, files: str, *words: str) -> Result:
    (folder / "a.yaml").write_text(JOB.format(files))
    return CliRunner().invoke(trawl, ["check", *words], catch_exceptions=False)


@pytest.mark.parametrize(
    "files", ["posts.jsonl", "old/*.csv", "'**/*.csv'", "old", "[old/*.jsonl, posts.jsonl]"]
)
def test_a_file_that_is_not_here_is_said_and_no_problem(team: Path, files: str) -> None:
    """The data may be on the server alone, so that a commit is not stopped."""
    result = check(team, files)
    assert result.exit_code == 0
    assert result.stdout == ""
    note, summary = result.stderr.splitlines()
    assert note.startswith("pipelines/team/a.yaml:2:18: note: there is no file ")
    assert summary == "1 job file, no problems"


@pytest.mark.parametrize(
    "files",
    [
        *("'old/posts [1].jsonl'", "old/*.jsonl", "'**/*.jsonl'", "'old/posts ?1?.jsonl'", "../team/old/*"),
        *("s3://theirs/a.csv", "file:///nowhere/a.csv", "/nowhere/a.csv", "../../../a.csv"),
    ],
)
def test_what_is_here_or_elsewhere_is_not_spoken_of(team: Path, files: str) -> None:
    """Outside the project nobody looks: a stranger's job could name anything."""
    assert check(team, files).stderr == "1 job file, no problems\n"


def test_tools_are_told_of_problems_alone(team: Path) -> None:
    assert "note" not in check(team, "posts.jsonl", "--format", "json").output
