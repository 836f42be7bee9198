"""Commands find the project from its subfolders, and take no other's for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.trawl.repositories import commit, new
from trawl.cli import trawl
from trawl.project import project

JOB = "source: twitter\nquery: covid\nbucket: s3://my-bucket\nkey: '{job}/{date}.csv'\n"


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of jobs two levels down in a project, with the working directory in it."""
    folder = new(tmp_path / "project") / "pipelines" / "team"
    folder.mkdir(parents=True)
    (folder / "covid.yaml").write_text(JOB)
    commit(tmp_path / "project")
    monkeypatch.chdir(folder)
    return folder


def call(*words: str) -> Result:
    return CliRunner().invoke(trawl, words, catch_exceptions=False)


def test_all_of_the_project_is_checked_from_a_folder_in_it(team: Path) -> None:
    (team.parent / "other.yaml").write_text(JOB + "limit: 0\n")
    result = call("check")
    assert result.stdout.startswith(
        '../other.yaml:5:8: "limit" must be at least 1, not 0 [out-of-range]\n   5 | '
    )
    assert result.stderr == "1 problem in 1 file; 2 job files read\n"


def test_a_job_has_the_same_name_from_anywhere_in_the_project(
    team: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = []
    for folder in (team.parents[1], team.parent, team):
        monkeypatch.chdir(folder)
        result = call("show", "team.covid")
        assert result.exit_code == 0, result.output
        pages.append(result.stdout)
    assert pages[0] == pages[1] == pages[2]


def test_a_bad_job_is_shown_with_its_line_from_below(team: Path) -> None:
    (team / "covid.yaml").write_text(JOB + "limit: 0\n")
    result = call("show", "team.covid")
    assert result.exit_code == 1
    assert result.stdout.startswith("covid.yaml:5:8: ")
    assert "   5 | limit: 0\n" in result.stdout


def test_a_plan_is_of_the_whole_project_from_below(team: Path) -> None:
    (team.parent / "other.yaml").write_text(JOB)
    result = call("plan", "--base", "HEAD")
    assert "1 added.\n1 job stays as before.\n\n+ other  added\n" in result.stdout


def test_a_new_job_is_put_into_the_project_from_below(team: Path) -> None:
    result = call(
        "new", "team.two", "--source", "twitter", "--query", "a", "--bucket", "s3://my-bucket", "--no-ask"
    )
    assert result.exit_code == 0, result.output
    assert (team / "two.yaml").is_file()
    assert not (team / "pipelines").exists()


def test_above_a_checkout_nothing_is_looked_for(team: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project in a project, or in a home with jobs of its own, is not mistaken for the outer one."""
    inner = new(team.parents[1] / "inner")
    (inner / "src").mkdir()
    monkeypatch.chdir(inner / "src")
    assert project() == Path()
    result = call("check")
    assert result.exit_code == 2
    assert "there is no folder pipelines here or above" in result.stderr


@pytest.mark.parametrize(
    "words",
    [["show", "a"], ["runs", "a"], ["verify", "a"], ["expire"], ["forget", "--author", "a"], ["doctor"]],
)
def test_where_there_is_no_project_every_command_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    result = call(*words)
    assert result.exit_code == 2
    assert "there is no folder pipelines here or above" in result.stderr


def test_where_the_project_is_here_it_is_named_shortly(team: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(team.parents[1])
    assert project() == Path()
    monkeypatch.chdir(team)
    assert project() == team.parents[1]


def test_outside_of_git_only_the_project_around_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of that name somewhere above may be anybody's."""
    for folder in ("pipelines/team", "notes"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "notes")
    assert project() == Path()
    monkeypatch.chdir(tmp_path / "pipelines" / "team")
    assert project() == tmp_path
