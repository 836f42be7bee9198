"""What a person types, sees and gets as an exit code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from schemas.job import Job
from schemas.reading import read_job
from trawl.cli import trawl
from trawl.showing import sheet

ROOT = Path(__file__).resolve().parents[2]
JOB = "source: twitter\nquery: covid\nbucket: s3://my-bucket\nkey: '{job}/{date}.csv'\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one good job and one bad, with the working directory in it."""
    (tmp_path / "pipelines" / "team").mkdir(parents=True)
    (tmp_path / "pipelines" / "good.yaml").write_text(JOB)
    (tmp_path / "pipelines" / "team" / "bad.yaml").write_text(JOB.replace("query", "querry"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(trawl, arguments, catch_exceptions=False)


def test_check_prints_every_problem_and_ends_with_one(project: Path) -> None:
    result = run("check")
    assert result.exit_code == 1
    expected = 'pipelines/team/bad.yaml:2:1: unknown key "querry"; did you mean "query"? [unknown-key]\n'
    expected += "   2 | querry: covid\n     | ^^^^^^\n"
    assert result.stdout == expected, project
    assert result.stderr == "1 problem in 1 file; 2 job files read\n"


def test_check_of_good_files_prints_nothing_on_standard_output(project: Path) -> None:
    result = run("check", "pipelines/good.yaml")
    assert (result.exit_code, result.stdout) == (0, ""), project
    assert result.stderr == "1 job file, no problems\n"


@pytest.mark.parametrize("arguments", [["pipelines/team"], ["pipelines/team/bad.yaml"], ["pipelines"], ["."]])
def test_check_takes_files_and_folders(project: Path, arguments: list[str]) -> None:
    result = run("check", *arguments)
    assert result.stdout.startswith("pipelines/team/bad.yaml:2:1: "), project
    assert result.stdout.count("[unknown-key]") == 1


def test_check_of_defaults_checks_the_jobs_they_reach(project: Path) -> None:
    defaults = project / "pipelines" / "team" / "defaults.yaml"
    defaults.write_text("owner: me\n")
    assert "team/bad.yaml" in run("check", str(defaults)).stdout


def test_check_names_files_as_seen_from_here(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project / "pipelines" / "team")
    assert run("check", "bad.yaml").stdout.startswith("bad.yaml:2:1: ")


def test_check_writes_json_for_tools(project: Path) -> None:
    result = run("check", "--format", "json")
    found = json.loads(result.stdout)
    assert (found["files"], found["jobs"], result.stderr) == (2, ["good"], ""), project
    assert found["problems"] == [
        {
            "path": "pipelines/team/bad.yaml",
            "line": 2,
            "column": 1,
            "kind": "unknown-key",
            "message": 'unknown key "querry"',
            "hint": 'did you mean "query"?',
        }
    ]


@pytest.mark.parametrize(
    "arguments",
    [["check", "nowhere"], ["check", "notes.md"], ["check", "--format", "xml"], ["chekc"], ["show"]],
)
def test_a_wrong_command_line_ends_with_two(project: Path, arguments: list[str]) -> None:
    (project / "notes.md").write_text("# notes\n")
    assert run(*arguments).exit_code == 2


def test_check_without_a_pipelines_folder_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("check")
    assert result.exit_code == 2
    assert "there is no folder pipelines here" in result.stderr


@pytest.mark.parametrize("name", ["good", "pipelines/good.yaml"])
def test_show_says_each_value_and_its_origin(project: Path, name: str) -> None:
    result = run("show", name)
    assert result.exit_code == 0, project
    assert re.search(r"^  query +covid +pipelines/good\.yaml:2$", result.stdout, re.MULTILINE)
    assert re.search(r"^  retries +1 +built-in default$", result.stdout, re.MULTILINE)
    assert "Runs every day at 00:00 (UTC)." in result.stdout
    assert len(re.findall(r"s3://my-bucket/good/\d{4}-\d\d-\d\d\.csv$", result.stdout, re.MULTILINE)) == 5
    assert "\x1b" not in result.stdout


def test_show_of_a_bad_job_prints_its_problems(project: Path) -> None:
    result = run("show", "team.bad")
    assert (result.exit_code, result.stdout.count("[unknown-key]")) == (1, 1), project
    assert "   2 | querry: covid" in result.stdout


def test_show_of_an_unknown_job_asks_what_was_meant(project: Path) -> None:
    result = run("show", "goood")
    assert result.exit_code == 2, project
    assert 'there is no job "goood" in pipelines; did you mean "good"?' in result.stderr
    assert run("show", "nope.yaml").exit_code == 2


def test_show_takes_no_defaults_for_a_job(project: Path) -> None:
    (project / "pipelines" / "defaults.yaml").write_text("limit: 5\n")
    result = run("show", "pipelines/defaults.yaml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert (
        "pipelines/defaults.yaml has the defaults of its folder's jobs, and is no job itself" in result.stderr
    )


@pytest.mark.parametrize(
    "arguments", [["show", "good"], ["check", "--format", "json"], ["plan", "--help"], ["schema"]]
)
def test_a_disk_that_is_full_is_no_defect(project: Path, arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "trawl", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=project,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
        )
    said = "Error: what was to be printed cannot be written: No space left on device"
    assert (done.returncode, done.stderr.decode().splitlines()[-1]) == (1, said)
    assert b"Traceback" not in done.stderr


def page(project: Path, more: str, now: datetime) -> str:
    path = project / "pipelines" / "good.yaml"
    path.write_text(JOB + more)
    job = read_job(path, project)
    assert isinstance(job, Job), job
    return sheet(job, now)


def test_show_follows_the_clocks_of_the_jobs_zone(project: Path) -> None:
    text = page(
        project, "timezone: Europe/Berlin\nschedule: daily at 06:00\n", datetime(2025, 3, 29, tzinfo=UTC)
    )
    assert (
        "2025-03-30 06:00  2025-03-29 06:00 to 2025-03-30 06:00  s3://my-bucket/good/2025-03-29.csv" in text
    )


def test_show_begins_and_ends_with_the_date_range(project: Path) -> None:
    more = "date_range: {since: 2021-07-05, until: 2021-07-07}\n"
    text = page(project, more, datetime(2021, 7, 3, 12, tzinfo=UTC))
    runs = [line.split("  ")[1] for line in text.splitlines() if "s3://my-bucket/good/2021-07-0" in line]
    assert runs == ["2021-07-06 00:00", "2021-07-07 00:00"], "Airflow makes none before it"


def test_show_of_a_range_that_is_over_says_what_a_backfill_makes(project: Path) -> None:
    more = "date_range: {since: 2021-07-05, until: 2021-07-07}\n"
    text = page(project, more, datetime(2025, 1, 1, tzinfo=UTC))
    assert "Its date range is over" in text
    assert text.count("s3://my-bucket/good/2021-07-0") == 2


def test_show_says_what_a_job_fetches_and_costs_at_most(project: Path) -> None:
    more = "date_range: {since: 2025-06-01}\nlimit: 100\noptions: {expand: [author]}\n"
    text = page(project, more, datetime(2025, 6, 15, 12, tzinfo=UTC))
    assert "A backfill of its range would create 14 runs, 1,400 posts at most, $22.89." in text
    assert "At most 3,100 posts a month (31 runs), $50.69." in text


@pytest.mark.parametrize(
    ("more", "cost"),
    [
        ("limit: 100\nschedule: daily\n", "(31 runs), $16.90."),  # 31 times 109 posts
        ("limit: 100\nschedule: daily at 06:00\n", "(31 runs), $18.29."),  # on two days each
        ("limit: 100\nschedule: monthly\n", "(1 run), $1.90."),
        ("limit: 7\nschedule: monthly\n", "(1 run), $0.35."),
    ],
)
def test_show_reckons_with_a_page_too_many_for_each_day_of_a_run(project: Path, more: str, cost: str) -> None:
    assert cost in page(project, f"per: day\n{more}", datetime(2025, 6, 15, 12, tzinfo=UTC))


def test_show_of_a_job_that_runs_when_asked(project: Path) -> None:
    assert "Runs when asked" in page(project, "schedule: manual\n", datetime(2025, 1, 1, tzinfo=UTC))


def test_a_defect_ends_with_three_and_says_that_it_is_ours(tmp_path: Path) -> None:
    """A working directory that is gone is nothing that a person wrote in a job."""
    gone = tmp_path / "gone"
    code = f"import os; os.mkdir({str(gone)!r}); os.chdir({str(gone)!r}); os.rmdir({str(gone)!r});"
    code += f"import sys; sys.path.insert(0, {str(ROOT)!r});"
    code += "sys.argv = ['trawl', 'plan'];"
    code += "from trawl.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "This is a defect of Trawl" in done.stderr


def test_check_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['trawl', 'check']\nfrom trawl.cli import main\n"
        "try: main()\nexcept SystemExit as end:"
        " print(end.code, sorted({'airflow', 'pandas', 'pyarrow', 'jsonschema', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "0 []\n"
