"""A plan says all that a reviewer has to know, and nothing that nobody may see."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from markdown_it import MarkdownIt

from etl_callables.sources import SOURCES
from schemas.job import DateRange, Job
from schemas.schedule import Schedule, parse_schedule
from tests.schemas.conftest import cases
from tests.trawl.jobs import job, utc
from tests.trawl.repositories import commit, git, new
from trawl.cli import trawl
from trawl.coming import next_runs, past_runs, runs_after
from trawl.git import GitProblem
from trawl.plan import plan, reach
from trawl.plan.forecast import bounds_of
from trawl.plan.markdown import LONGEST
from trawl.plan.printing import printed
from trawl.secrets import HIDDEN, hide, secrets_in
from trawl.timetable import ScrapeTimetable

JOB = "source: twitter\nquery: covid\nlimit: 150\nbucket: s3://my-bucket\nkey: '{job}/{date}.csv'\n"
NOW = datetime(2025, 6, 15, 10, 30, tzinfo=UTC)
GOLDEN = sorted(path for path in (Path(__file__).resolve().parents[1] / "plan").iterdir() if path.is_dir())


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one job on main, on a branch of its own, with the working directory in it."""
    folder = new(tmp_path / "project")
    (folder / "pipelines").mkdir()
    (folder / "pipelines" / "covid.yaml").write_text(JOB)
    commit(folder)
    git(folder, "switch", "--quiet", "--create", "work")
    monkeypatch.chdir(folder)
    return folder


def run(*arguments: str) -> Result:
    return CliRunner().invoke(trawl, ["plan", *arguments], catch_exceptions=False)


def test_files_that_git_does_not_know_yet_are_planned_too(project: Path) -> None:
    (project / "pipelines" / "flu.yaml").write_text(JOB.replace("covid", "flu"))
    result = run()
    assert result.exit_code == 0
    assert "+ flu  added" in result.stdout


def test_what_others_changed_meanwhile_is_not_in_the_plan(project: Path) -> None:
    git(project, "switch", "--quiet", "main")
    (project / "pipelines" / "theirs.yaml").write_text(JOB.replace("covid", "theirs"))
    commit(project, "theirs")
    git(project, "switch", "--quiet", "work")
    assert "no job changes" in run().stdout
    assert "no job changes" in run("--base", "main").stdout


def test_a_plan_of_a_revision_leaves_the_files_here_alone(project: Path) -> None:
    (project / "pipelines" / "covid.yaml").write_text(JOB.replace("150", "151"))
    commit(project, "edited")
    git(project, "switch", "--quiet", "main")
    result = run("--base", "main", "--head", "work")
    assert "150 -> 151" in result.stdout
    assert "no job changes" in run().stdout


def test_a_change_with_problems_ends_with_one(project: Path) -> None:
    (project / "pipelines" / "covid.yaml").write_text(JOB.replace("query", "querry"))
    assert run().exit_code == 1


@pytest.mark.parametrize("arguments", [["--base", "nope"], ["--head", "--help"], ["--base", "-x"]])
def test_a_revision_that_is_none_is_said_to_be_none(project: Path, arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2, project
    assert "git knows no revision" in result.stderr
    assert "Traceback" not in result.output


def test_outside_git_a_plan_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run()
    assert (result.exit_code, "not a git repository" in result.stderr) == (1, True)


def test_a_folder_without_jobs_says_so(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "docs").mkdir()
    monkeypatch.chdir(project / "docs")
    assert run().exit_code == 0  # that of a folder above is found, as git finds its own
    (project / "pipelines").rename(project / "elsewhere")
    result = run()
    assert (result.exit_code, "there is no folder pipelines here" in result.stderr) == (1, True)


def test_the_last_jobs_may_go(project: Path) -> None:
    shutil.rmtree(project / "pipelines")
    assert "- covid  removed" in run().stdout


def test_json_holds_the_plan_for_tools(project: Path) -> None:
    (project / "pipelines" / "covid.yaml").write_text(JOB.replace("150", "1500"))
    found = json.loads(run("--format", "json").stdout)
    (item,) = found["jobs"]
    assert (found["version"], found["base"], item["job"], item["change"]) == (1, "main", "covid", "edited")
    assert item["values"] == [
        {"name": "limit", "before": 150, "after": 1500, "written_in": "pipelines/covid.yaml:3"}
    ]
    assert (item["before"]["posts_a_month"], item["after"]["posts_a_month"]) == (4650, 46500)
    assert (item["before"]["dollars_a_run"], item["before"]["dollars_a_month"]) == ("0.80", "24.65")
    assert [remark["kind"] for remark in item["remarks"]] == ["limit-grew"]
    assert item["runs"][0]["object"].startswith("s3://my-bucket/covid/")


def test_colours_are_for_terminals_only(project: Path) -> None:
    (project / "pipelines" / "covid.yaml").write_text(JOB.replace("150", "151"))
    assert "\x1b" not in run().stdout


def test_a_link_out_of_the_jobs_shows_nothing_of_where_it_leads(project: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text("sesame: open\n")
    (project / "pipelines" / "evil.yaml").symlink_to(secret)
    (project / "pipelines" / "config.yaml").symlink_to("../.git/config")
    for form in ("text", "markdown", "json"):
        text = printed(plan(project, now=NOW), form, NOW)
        assert "linked-file" in text
        assert "sesame" not in text
        assert "repositoryformatversion" not in text


def test_a_pipelines_folder_that_is_a_link_is_not_followed(project: Path, tmp_path: Path) -> None:
    (project / "pipelines").rename(tmp_path / "elsewhere")
    (project / "pipelines").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(GitProblem, match="is a link"):
        plan(project, now=NOW)


def test_a_huge_change_is_still_a_comment(project: Path) -> None:
    for number in range(400):
        text = JOB.replace("covid", f"covid {'x' * 500} {number}")
        (project / "pipelines" / f"job_{number:03}.yaml").write_text(text)
    made = printed(plan(project, now=NOW), "markdown", NOW)
    assert len(made) <= LONGEST + 200
    assert re.search(r"… and \d+ more jobs; `trawl plan` shows all of it\.", made)
    assert "| … and 200 more |" in made


def test_words_of_a_person_are_never_markup(project: Path) -> None:
    evil = "'@here <b> [x](http://evil.example) ![x](y) | `` ``` #1 --> \\'\n"
    (project / "pipelines" / "covid.yaml").write_text(JOB + f"description: {evil}")
    made = printed(plan(project, now=NOW), "markdown", NOW)
    line = next(line for line in made.splitlines() if line.startswith("| `description`"))
    assert line.count("|") - line.count("\\|") == 5
    # Within a code span: opened and closed by more ticks than it holds.
    assert re.fullmatch(r"\| `description` \| `` | ````* .* ````* \| `pipelines/covid\.yaml:6` \|", line) or (
        "```` @here" in line and "\\ ````" in line
    )


SECRETS = [
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_" + "a1B2" * 9,
    "xoxb-" + "123456789012-abcdef",
    "AIza" + "SyA1234567890abcdefghijklmnopqrstuvw",
    "A" * 22 + "MLheAAAAAAA0%2BuSeid%2BULvsea4JtiGRiSDSJSI",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN",
    "-----BEGIN RSA PRIVATE KEY-----",
    "abcd-1fgh-ijkl-mnop",
    "https://ana:geheim@example.com/",
    "https://example.com/feed?token=abcdef",
    "https://example.com/feed?page=1&X-Amz-Signature=abcdef",
    "https://example.com/feed#access_token=abcdef",
    "https://example.com/feed.xml?apiKey=abcdef",
    "password: hunter2hunter2",
    "api_key = 'k3y-k3y-k3y-k3y'",
    "Bearer abcdef0123456789",
    "aws_secret_access_key: wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY1",
]
WORDS = [
    "covid",
    "password leak",
    "(token OR coin) -is:retweet",
    "secret: nothing",
    "2021-07-05",
    "123e4567-e89b-12d3-a456-426614174000",
    "https://example.com/a:b@c",
    "https://example.com/feed?page=2&keyword=covid&author=ana&monkey=chimp&key_id=5",
    "https://example.com/token=abcdef",
    "one-more-word-here",
    "bearer of bad news",
    "lang:en since 2021",
]


@pytest.mark.parametrize("text", SECRETS)
def test_what_looks_like_a_credential_is_found_and_hidden(text: str) -> None:
    (found,) = secrets_in(f"description: fine\nquery: covid {text}\n")
    assert found.line == 2
    hidden = hide(f"query: covid {text}")
    assert HIDDEN in hidden
    assert text not in hidden


@pytest.mark.parametrize("text", WORDS)
def test_ordinary_words_are_no_credentials(text: str) -> None:
    assert secrets_in(f"query: {text}\n") == []
    assert hide(text) == text


@pytest.mark.parametrize("text", SECRETS)
@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_no_form_of_a_plan_shows_a_credential(project: Path, form: str, text: str) -> None:
    quoted = text.replace("'", "")
    core = quoted.rpartition(": ")[2]
    (project / "pipelines" / "covid.yaml").write_text(
        JOB + f"description: '{quoted}'\n'{quoted} {quoted}': x\n"
    )
    bad = printed(plan(project, now=NOW), form, NOW)
    (project / "pipelines" / "covid.yaml").write_text(JOB + f"description: '{quoted}'\ntags: ['{quoted}']\n")
    good = printed(plan(project, now=NOW), form, NOW)
    for made in (bad, good):
        assert "looks like it holds" in made
        assert quoted not in made
        assert core[:12] not in made
    assert HIDDEN in good
    assert "which is not shown" in bad


HALVES = [
    "description: AKIAIOSFODNN7EXAMPLE {half}",
    "tags: [AKIAIOSFODNN7EXAMPLE, {half}]",
    "tags:\n  - AKIAIOSFODNN7EXAMPLE\n  - {half}",
    "description: >-\n  AKIAIOSFODNN7EXAMPLE\n  {half}",
    "columns: {{AKIAIOSFODNN7EXAMPLE: id, {half}: text}}",
    "description: {half}  # AKIAIOSFODNN7EXAMPLE",
    "schedule: >-\n  AKIAIOSFODNN7EXAMPLE {half}",
]


@pytest.mark.parametrize("line", HALVES)
@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_what_stands_beside_a_credential_is_shown_as_little_as_itself(
    project: Path, form: str, line: str
) -> None:
    """The secret of an AWS key has no form of its own; it is known by the key before it."""
    half = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    (project / "pipelines" / "covid.yaml").write_text(f"{JOB}{line.format(half=half)}\n")
    new = printed(plan(project, now=NOW), form, NOW)
    commit(project)
    git(project, "branch", "--force", "main", "work")
    (project / "pipelines" / "covid.yaml").write_text(JOB)
    gone = printed(plan(project, now=NOW), form, NOW)
    for made in (new, gone):
        assert "covid" in made
        assert half[:6] not in made
        assert "AKIA" not in made


def test_columns_stay_columns_where_a_value_is_hidden(project: Path) -> None:
    token = "ghp_" + "a1B2" * 9
    (project / "pipelines" / "flu.yaml").write_text(f"{JOB}owner: {token} me\nretries: 3\n")
    rows = [line for line in run().stdout.splitlines() if "pipelines/flu.yaml:" in line and "!" not in line]
    assert any(HIDDEN in row for row in rows)
    assert len({row.index("pipelines/flu.yaml:") for row in rows}) == 1


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_a_credential_in_a_name_is_hidden_wherever_that_is_shown(project: Path, form: str) -> None:
    token = "ghp_" + "a1B2" * 9
    (project / "pipelines" / "covid.yaml").write_text(JOB.replace("{job}", f"{token}-{{job}}"))
    (project / "pipelines" / f"{token}.yaml").write_text(JOB)
    commit(project)
    git(project, "branch", "--force", "main", "work")
    (project / "pipelines" / "covid.yaml").write_text(JOB)
    (project / "pipelines" / f"{token}.yaml").unlink()
    made = printed(plan(project, now=NOW), form, NOW)
    assert "old-objects" in made
    assert "a1B2" not in made


def test_of_equal_files_the_one_that_kept_its_name_is_the_one_that_moved(project: Path) -> None:
    (project / "pipelines" / "covid.yaml").unlink()
    for name in ("a/other", "b/covid", "c/other"):
        path = project / "pipelines" / f"{name}.yaml"
        path.parent.mkdir()
        path.write_text(JOB)
    kinds = {item.change.id: item.change.kind for item in plan(project, now=NOW).items}
    assert kinds == {"a.other": "added", "b.covid": "renamed", "c.other": "added"}


def test_a_reviewer_is_told_of_what_its_author_calls_no_credential(project: Path) -> None:
    (project / "pipelines" / "covid.yaml").write_text(
        f"{JOB}owner: AKIAIOSFODNN7EXAMPLE me  # pragma: allowlist secret\n"
    )
    made = run().stdout
    assert "[secret]" in made
    assert "AKIA" not in made


def test_a_credential_that_was_there_before_is_no_news(project: Path) -> None:
    (project / "pipelines" / "covid.yaml").write_text(f"{JOB}# AKIAIOSFODNN7EXAMPLE\n")
    commit(project, "leaked")
    git(project, "branch", "--force", "main", "work")
    (project / "pipelines" / "covid.yaml").write_text(f"{JOB}retries: 3\n# AKIAIOSFODNN7EXAMPLE\n")
    assert "credential" not in run().stdout
    assert "looks like" not in run().stdout


@pytest.mark.parametrize(
    ("schedule", "backfill", "since", "until"),
    [
        ("daily", False, None, None),
        ("daily", True, utc(2025, 6, 1), None),
        ("daily", False, utc(2025, 6, 1), None),
        ("daily", False, utc(2025, 6, 10, 5), utc(2025, 6, 17)),
        ("daily", False, utc(2025, 7, 1), None),
        ("weekly", True, utc(2025, 5, 7), None),
        ("hourly", False, utc(2025, 6, 15, 10), None),
        ("daily", False, utc(2021, 7, 5), utc(2021, 7, 12)),
        ("daily", True, utc(2021, 7, 5), utc(2021, 7, 12)),
    ],
)
def test_first_runs_are_those_that_airflow_makes(
    schedule: str, backfill: bool, since: datetime | None, until: datetime | None
) -> None:
    """The timetable is asked as a scheduler asks it, one run after the other."""
    from airflow.timetables.base import TimeRestriction

    now = datetime.now(UTC)
    shift = now.replace(minute=0, second=0, microsecond=0) - utc(2025, 6, 15, 10)
    days = timedelta(days=shift.days)
    one = job(
        schedule=parse_schedule(schedule),
        backfill=backfill,
        date_range=DateRange(since and since + days, until and until + days),
        key="{start}.csv",
    )
    timetable, last, made = ScrapeTimetable.of(one), None, []
    for _ in range(3):
        restriction = TimeRestriction(earliest=None, latest=None, catchup=backfill)
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        if info is None:
            break
        last = info.data_interval
        made.append((last.start, last.end))
    planned = runs_after(one, None, now, 3)
    whole = [(run.moment, run.key[:16]) for run in planned]
    assert len(made) == len(planned)
    for (start, end), (moment, key) in zip(made, whole, strict=True):
        assert end == moment
        begin = max(start, one.date_range.since or start)
        assert key == f"{begin:%Y%m%dT%H%M%SZ}"


def test_next_runs_end_with_the_range() -> None:
    one = job(date_range=DateRange(utc(2025, 6, 1), utc(2025, 6, 17)))
    assert [run.moment for run in next_runs(one, NOW, 5)] == [utc(2025, 6, 16), utc(2025, 6, 17)]


@pytest.mark.parametrize(
    ("since", "until", "runs"),
    [
        (utc(2025, 6, 1), None, 14),
        (utc(2025, 6, 1, 12), None, 14),
        (utc(2025, 6, 1), utc(2025, 6, 3), 2),
        (utc(2025, 6, 1), utc(2025, 6, 3, 1), 3),
        (utc(2025, 6, 15), None, 0),
        (utc(2026, 1, 1), None, 0),
        (None, None, 0),
    ],
)
def test_a_backfill_creates_the_windows_that_are_over(
    since: datetime | None, until: datetime | None, runs: int
) -> None:
    assert past_runs(job(date_range=DateRange(since, until)), NOW) == runs


def test_a_job_that_runs_when_asked_has_no_past_runs() -> None:
    one: Job = job(schedule=Schedule(None, "UTC", "manual"))
    assert (past_runs(one, NOW), runs_after(one, None, NOW, 3), next_runs(one, NOW, 3)) == (0, [], [])


def test_a_change_to_anything_there_is_gives_a_plan_in_every_form(project: Path) -> None:
    """All good files become all bad ones, and the other way round."""
    pipelines = project / "pipelines"
    other = project / "other"
    for kind, side in (("ok", pipelines), ("err", other)):
        side.mkdir(exist_ok=True)
        for case in cases(kind):
            if case.is_dir():
                shutil.copytree(case, side / case.name)
            else:
                shutil.copy(case, side)
    for _ in range(2):
        shutil.rmtree(project / ".git")
        new(project)
        commit(project)
        pipelines.rename(project / "aside")
        other.rename(pipelines)
        (project / "aside").rename(other)
        made = plan(project, now=NOW)
        assert len(made.items) > 50
        for form in ("text", "markdown", "json"):
            text = click.unstyle(printed(made, form, NOW))
            assert all(line.isprintable() for line in text.splitlines())


@pytest.mark.parametrize("case", GOLDEN, ids=[case.name for case in GOLDEN])
def test_a_comment_is_the_markdown_it_is_meant_to_be(case: Path) -> None:
    """Read by a real parser: no link, no picture, no markup of a person's, every table whole."""
    text = (case / "plan.md").read_text(encoding="utf-8")
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    for token in tokens:
        if token.type == "html_block":
            assert re.fullmatch(r"</?details>(<summary>[A-Za-z ]+</summary>)?\n?", token.content), (
                token.content
            )
        for inner in token.children or ():
            assert inner.type not in ("link_open", "image", "html_inline"), inner
    rows = [line for line in text.splitlines() if line.startswith("|") and not line.startswith("|---")]
    assert sum(token.type == "tr_open" for token in tokens) == len(rows)
    widths: list[int] = []
    for token in tokens:
        if token.type == "tr_open":
            widths.append(0)
        if token.type in ("td_open", "th_open"):
            widths[-1] += 1
    assert set(widths) <= {3, 4, 7}


@pytest.mark.parametrize(
    ("source", "of_a_job", "most"),
    [
        ("reddit", {"query": None, "options": {"subreddit": "a"}}, 1000),
        ("reddit", {"query": "covid"}, 250),
        ("twitter", {"query": None, "options": {"user": "nasa"}}, 3200),
        ("twitter", {"query": None, "options": {"user": "nasa", "exclude": ["replies"]}}, 800),
    ],
)
def test_a_limit_above_what_there_is_is_told(source: str, of_a_job: dict[str, Any], most: int) -> None:
    via = next(iter(SOURCES[source]))
    within, above = (job(source=source, via=via, limit=limit, **of_a_job) for limit in (most, most + 1))
    assert list(reach.of_a_limit(within)) == []
    (said,) = reach.of_a_limit(above)
    assert f"gives the newest {most:,} posts only, and the limit is {most + 1:,}" in str(said)
    assert bounds_of(above, 2)[0] == 2 * most


@pytest.mark.parametrize(
    ("of_a_job", "runs", "told"),
    [
        ({"limit": 5000}, 1, False),
        ({"limit": 5001}, 1, True),
        ({"limit": 1}, 101, True),
        ({"limit": None}, 101, True),
        ({"limit": 5001, "query": None, "options": {"video": "a"}}, 1, False),
    ],
)
def test_more_searches_than_a_day_has_are_told(of_a_job: dict[str, Any], runs: int, *, told: bool) -> None:
    searching = job(source="youtube", via="api", **of_a_job)
    assert bool(list(reach.of_a_day(searching, runs))) == told
    assert bool(list(reach.of_the_past(searching, lambda _: runs, NOW))) == told
