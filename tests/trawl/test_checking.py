"""A check shows the culprit, tells tools the same, and shows nobody what is not theirs to see."""

from __future__ import annotations

import json
import re
import shutil
import unicodedata
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from schemas.job import Job
from schemas.reading import read_job, read_jobs
from tests.schemas.conftest import cases
from trawl.checking import check_paths, printed, report
from trawl.cli import trawl
from trawl.excerpt import excerpt, lines_of, token_at

JOB = "source: twitter\nquery: covid\nbucket: s3://my-bucket\nkey: '{job}/{date}.csv'\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with an empty pipelines folder, with the working directory in it."""
    (tmp_path / "pipelines").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    return tmp_path


def write(project: Path, text: str, name: str = "a") -> None:
    path = project / "pipelines" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def check(*arguments: str) -> Result:
    return CliRunner().invoke(trawl, ["check", *arguments], catch_exceptions=False)


@pytest.mark.parametrize(
    ("line", "column", "token"),
    [
        ("querry: covid", 1, "querry"),
        ("query: covid and more # why", 8, "covid and more"),
        ("query: 'it''s' # why", 8, "'it''s'"),
        ('query: "a \\" b" # why', 8, '"a \\" b"'),
        ("bucket: s3://my-bucket", 9, "s3://my-bucket"),
        ("date_range: {since: 2021-07-05, until: soon}", 21, "2021-07-05"),
        ("date_range: {since: 2021-07-05, until: soon}", 40, "soon"),
        ("date_range: {since: 2021-07-05, until: soon}", 13, "{since: 2021-07-05, until: soon}"),
        ("tags: [a, 'b]', c] # why", 7, "[a, 'b]', c]"),
        ("tags: [a, 'b]', c]", 11, "'b]'"),
        ("tags: [a, b", 7, "[a, b"),
        ("query: covid: now", 13, ":"),
        ("query: &a b", 8, "&"),
        ("größe: 1", 1, "größe"),
        ("query: covid", 13, ""),
        ("", 1, ""),
    ],
)
def test_the_culprit_is_a_whole_key_or_value(line: str, column: int, token: str) -> None:
    assert token_at(line, column) == token


def drawn(line: str, column: int, width: int = 100) -> tuple[str, str]:
    """The line as shown, and what of it stands above the marks."""
    shown, marks = excerpt(line, 1, column, width)
    assert len(shown) <= width or not shown.isascii()
    return shown, marks


@pytest.mark.parametrize("before", ["", "key: ", "日本語: ", "e\u0301: ", "\t", "👍 "])
def test_the_mark_is_under_the_culprit_in_columns_of_a_terminal(before: str) -> None:
    shown, marks = drawn(f"{before}@who", len(before) + 1)
    columns = sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in shown[: shown.index("@")]
    )
    assert marks.index("^") == columns
    assert marks.count("^") == 4


@given(
    line=st.text(st.characters(exclude_categories=["Cs", "Zl", "Zp", "Cc"]), min_size=1, max_size=300),
    data=st.data(),
    width=st.integers(30, 120),
)
def test_no_line_is_too_wide_to_be_drawn(line: str, data: st.DataObject, width: int) -> None:
    column = data.draw(st.integers(1, len(line) + 1))
    for shown in excerpt(line, 1, column, width):
        assert shown.isprintable() or not shown
        assert sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in shown) <= width + len(
            [c for c in shown if unicodedata.combining(c) or unicodedata.category(c) in ("Mn", "Me")]
        )


def test_a_long_line_is_shown_around_the_culprit() -> None:
    shown, marks = drawn("x" * 500 + " @who " + "y" * 500, 502, 60)
    assert "@who" in shown
    assert marks[shown.index("@who")] == "^"
    assert shown.count("…") == 2


@pytest.mark.parametrize("case", cases("err"), ids=[case.name for case in cases("err")])
def test_every_bad_file_is_shown_with_its_line(project: Path, case: Path) -> None:
    """Whatever is wrong, the culprit is drawn or the problem is about the whole file."""
    if case.is_dir():
        shutil.copytree(case, project / "pipelines", dirs_exist_ok=True)
    else:
        shutil.copy(case, project / "pipelines")
    reading = check_paths([project / "pipelines"])
    text = click.unstyle(printed(reading.problems, 120))
    assert text.count("\n     | ") <= len(reading.problems)
    for line in text.splitlines():
        assert line.isprintable()
    for problem in reading.problems:
        if (problem.line, problem.column) != (1, 1) and "not shown" not in text:
            assert f"{problem.line:>4} | " in text


def test_what_defaults_have_is_told_once_whatever_many_jobs_they_reach(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GitHub shows ten of a step; tools that read all get all."""
    for number in range(30):
        write(project, JOB, f"job_{number}")
    write(project, "limit: 0\n", "defaults")
    write(project, JOB + "limit: -1\n", "team/wrong")
    place = "pipelines/defaults.yaml:1:8: "
    for target in ("pipelines", "."):
        found = check(target)
        assert [line for line in found.stdout.splitlines() if " | " not in line] == [
            f'{place}"limit" must be at least 1, not 0 [out-of-range]',
            'pipelines/team/wrong.yaml:5:8: "limit" must be at least 1, not -1 [out-of-range]',
        ]
        assert found.stderr == (
            "2 problems in 2 files; 31 job files read, in part: the defaults are to be mended first\n"
        )
    assert len(check("--format", "github").stdout.splitlines()) == 2
    assert len(json.loads(check("--format", "json").stdout)["problems"]) == 33
    monkeypatch.chdir(project / "pipelines")
    assert check(".").stdout.startswith("defaults.yaml:1:8: ")
    assert check(".").stdout.count("[bad-defaults]") == 0
    # Asked for a folder above which the culprit is, each job says why it is not judged.
    assert check("team").stdout.splitlines()[0].endswith("mend them first [bad-defaults]")


def test_the_corpus_is_not_empty() -> None:
    assert len(cases("err")) > 100


def test_what_is_about_a_whole_file_marks_nothing_in_it(project: Path) -> None:
    write(project, "source: twitter\nquery: covid\nkey: a/{date}.csv\n")
    assert check().stdout.splitlines()[1:] == []


def test_a_line_with_a_credential_is_not_shown_in_any_form(project: Path) -> None:
    token = "ghp_" + "a1B2" * 9
    write(project, JOB + f"source_connection: 'token {token}'\n'{token}': 1\n")
    for form in ("text", "json", "github", "sarif"):
        out = check("--format", form).output
        assert "a1B2" not in out, form
        assert "not shown" in out


TOKEN = "ghp_" + "a1B2" * 9


def test_a_credential_is_a_problem_at_its_place_with_what_to_do_instead(project: Path) -> None:
    write(project, f"{JOB}owner: {TOKEN}\n# password: hunter2hunter2\n")
    done = check()
    first, second = done.stdout.splitlines()
    assert done.exit_code == 1
    assert first.startswith(
        "pipelines/a.yaml:5:8: this line is not shown: it looks like it holds a GitHub token"
    )
    assert second.startswith("pipelines/a.yaml:6:13: ")
    assert "source_connection or bucket_connection" in first
    assert "replace one that was committed before" in first
    assert first.endswith("[credential]")


@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
def test_a_credential_is_counted_in_every_form_and_shown_in_none(project: Path, form: str) -> None:
    write(project, f"{JOB}description: {TOKEN} its-other-half\nretires: 3\n")
    out = check("--format", form).output
    assert "GitHub token" in out
    assert "credential" in out
    assert "a1B2" not in out
    assert "other-half" not in out


def test_a_credential_in_defaults_or_in_a_file_with_other_problems_is_one_too(project: Path) -> None:
    write(project, f"retries: 2  # {TOKEN}\n", "team/defaults")
    write(project, JOB, "team/a")
    write(project, f"{JOB}querry: {TOKEN}\n", "b")
    lines = [line for line in check().stdout.splitlines() if "[credential]" in line]
    assert [line.partition(" ")[0] for line in lines] == [
        "pipelines/b.yaml:5:9:",
        "pipelines/team/defaults.yaml:1:15:",
    ]
    assert "team/defaults.yaml:1:15" in check("pipelines/team/a.yaml").stdout
    (project / "pipelines" / "team" / "a.yaml").unlink()
    assert "team/defaults.yaml:1:15" in check().stdout  # before there is a job that it reaches
    assert "team/defaults.yaml:1:15" in check("pipelines/team/defaults.yaml").stdout
    assert "b.yaml" not in check("pipelines/team").stdout


def test_a_line_says_that_it_holds_no_credential(project: Path) -> None:
    write(project, f"{JOB}owner: {TOKEN}  # pragma: allowlist secret\nretires: 3\n")
    done = check("--fix")
    assert done.stdout == ""
    assert done.exit_code == 0
    write(project, f"{JOB}owner: '{TOKEN} # pragma: allowlist secret'\n")
    assert check().exit_code == 1  # a comment says so, no value


def test_what_looks_like_a_credential_stops_no_job(project: Path) -> None:
    write(project, f"{JOB}owner: {TOKEN}\n")
    assert isinstance(read_job(project / "pipelines" / "a.yaml", project), Job)
    assert [job.id for job in read_jobs(project / "pipelines").jobs] == ["a"]
    assert json.loads(check("--format", "json").stdout)["jobs"] == ["a"]


def test_no_message_holds_a_part_of_a_credential_that_is_on_another_line(project: Path) -> None:
    write(project, f"{JOB}schedule: >-\n  {'every ' * 9}{TOKEN}\n")
    done = check()
    assert "a1B2" not in done.output
    assert "ghp_" not in done.output
    assert done.stdout.count("[") == 2


def test_what_was_mended_beside_a_credential_is_not_repeated(project: Path) -> None:
    write(project, JOB.replace("{job}", f"/{TOKEN}") + f"retires: 3  # {TOKEN}\n")
    done = check("--fix")
    assert done.stderr.count("mended pipelines/a.yaml:") == 2
    assert "a1B2" not in done.output


def test_a_job_is_checked_by_its_name(project: Path) -> None:
    write(project, JOB, "team/a")
    write(project, JOB + "querry: x\n", "team/b")
    assert check("team.a").exit_code == 0
    assert "pipelines/team/b.yaml:5:1" in check("team.b", "team.a").stdout
    done = check("team.bb")
    assert (done.exit_code, 'did you mean "team.b"?' in done.stderr) == (2, True)
    for name in ("team/c", "c.yaml", "x" * 400):
        done = check(name)
        assert (done.exit_code, "there is no " in done.stderr) == (2, True)


def test_a_link_out_of_the_jobs_shows_nothing_of_where_it_leads(project: Path) -> None:
    (project / "secret.yaml").write_text("sesame: open\n")
    (project / "pipelines" / "a.yaml").symlink_to("../secret.yaml")
    out = check().output
    assert "linked-file" in out
    assert "sesame" not in out


def test_nothing_in_a_file_steers_the_terminal(project: Path) -> None:
    write(project, JOB + 'a\u202eb: 1\n"\\e[31m": 2\nqu\u200bery: x\n')
    assert all(line.isprintable() for line in check().stdout.splitlines())


def test_github_gets_a_command_a_problem(project: Path) -> None:
    write(project, JOB.replace("query", "querry") + "limit: 0\n")
    first, second = check("--format", "github").stdout.splitlines()
    place, _, said = first.removeprefix("::error file=pipelines/a.yaml,").partition("::")
    assert place == "line=2,col=1,endColumn=7,title=trawl%3A unknown-key"
    assert said == 'unknown key "querry"; did you mean "query"?'
    assert second.startswith("::error file=pipelines/a.yaml,line=5,col=8,endColumn=9,")


def test_github_gets_paths_below_its_workspace(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project, JOB.replace("query", "querry"))
    monkeypatch.setenv("GITHUB_WORKSPACE", str(project))
    monkeypatch.chdir(project / "pipelines")
    assert "file=pipelines/a.yaml," in check("a.yaml", "--format", "github").stdout


def test_no_word_of_a_person_is_a_command_of_github(project: Path) -> None:
    write(project, JOB + '"x\\n::set-env name=a::b%0A::": 1\n', name="a,b:c")
    lines = check("--format", "github").stdout.splitlines()
    assert all(line.startswith("::error file=pipelines/a%2Cb%3Ac.yaml,line=") for line in lines)
    assert not any("%0A::" in line.replace("%250A", "") for line in lines)


def test_sarif_says_the_same(project: Path) -> None:
    write(project, JOB.replace("query", "querry") + "limit: 0\n", name="größe 1")
    log = json.loads(check("--format", "sarif").stdout)
    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    assert run["tool"]["driver"]["name"] == "trawl"
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] == "error"
    place = next(r for r in run["results"] if r["ruleId"] == "out-of-range")["locations"][0][
        "physicalLocation"
    ]
    assert place["artifactLocation"] == {
        "uri": "pipelines/gr%C3%B6%C3%9Fe%201.yaml",
        "uriBaseId": "%SRCROOT%",
    }
    assert place["region"] == {"startLine": 5, "startColumn": 8, "endColumn": 9}


def test_sarif_of_good_files_is_a_log_without_results(project: Path) -> None:
    write(project, JOB)
    result = check("--format", "sarif")
    assert (result.exit_code, json.loads(result.stdout)["runs"][0]["results"]) == (0, [])


@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
def test_each_form_ends_with_the_same_code(project: Path, form: str) -> None:
    write(project, JOB)
    assert check("--format", form).exit_code == 0
    write(project, "x: 1\n", name="b")
    assert check("--format", form).exit_code == 1


def test_lines_end_where_yaml_ends_them() -> None:
    assert lines_of("\ufeffa\r\nb\rc\nd\x85e\u2028f") == list("abcdef")
    assert re.match("a", lines_of("a")[0])


def test_the_report_names_what_it_read(project: Path) -> None:
    write(project, JOB)
    assert report(check_paths([project]), "text", 80) == ("", "1 job file, no problems")


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("docs", "there is no job file in docs"),
        ("team", 'there is no job "team" in pipelines; pipelines/team is a folder of jobs'),
        ("pipelines/team/a", 'no file or folder pipelines/team/a; did you mean "pipelines/team/a.yaml"?'),
    ],
)
def test_what_is_checked_is_there(project: Path, named: str, said: str) -> None:
    """Whoever names a wrong folder in CI is not to hear for ever that all is well."""
    write(project, JOB, "team/a")
    (project / "docs").mkdir()
    result = check(named)
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr
    assert check("pipelines/team").exit_code == check("team.a").exit_code == 0


def test_a_folder_of_jobs_may_have_none_yet(project: Path) -> None:
    (project / "pipelines" / "team").mkdir()
    for named in (".", "pipelines", "pipelines/team"):
        assert (check(named).exit_code, "no problems" in check(named).stderr) == (0, True)


def test_an_address_is_no_secret_because_another_has_one(project: Path) -> None:
    feeds = "feeds: [https://ada:hunter2@blog.example/feed.xml, \n    htps://blog.example/feed.xml]"
    write(project, f"source: rss\noptions:\n  {feeds}\nbucket: s3://my-bucket\nkey: '{{date}}.csv'\n")
    shown = check().stdout
    assert '"htps://blog.example/feed.xml" is no address of a feed' in shown
    assert "hunter2" not in shown


def test_a_credential_is_not_shown_by_show_either(project: Path) -> None:
    token = "ghp_" + "a1B2" * 9
    write(project, JOB.replace("query: covid", f"query: token {token}").replace("twitter", "hackernews"))
    shown = CliRunner().invoke(trawl, ["show", "a"], catch_exceptions=False).stdout
    assert token not in shown
    assert re.search(r"query +•••", shown)
