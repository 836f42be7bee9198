"""`trawl new` writes a job that passes the check, or nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.job import Job
from schemas.reading import read_job, read_jobs
from schemas.shape import schema
from trawl.cli import trawl
from trawl.writing import compose, problems, value_of, written

ROOT = Path(__file__).resolve().parents[2]
TO = ("--bucket", "s3://my-bucket")
SOURCES = schema()["properties"]["source"]["enum"]


def least() -> dict[str, list[str]]:
    """What a job of each source needs besides a bucket, as flags: what an example of it says."""
    found: dict[str, list[str]] = {}
    for file in sorted((ROOT / "pipelines" / "examples").glob("*.yaml")):
        job = yaml.safe_load(file.read_text(encoding="utf-8"))
        said = {f"options.{name}": value for name, value in job.get("options", {}).items()}
        said |= {name: job[name] for name in ("query", "source_connection") if name in job}
        flags = [
            f"{name}={written(value) if isinstance(value, list) else value}" for name, value in said.items()
        ]
        found[job["source"]] = [part for flag in flags for part in ("--set", flag)]
    return found


LEAST = least()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with an empty pipelines folder, with the working directory in it."""
    (tmp_path / "pipelines").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def new(*arguments: str, answers: str | None = None) -> Result:
    return CliRunner().invoke(trawl, ["new", *arguments], input=answers, catch_exceptions=False)


def read(project: Path, name: str) -> Job:
    found = read_job(project / "pipelines" / name, project)
    assert isinstance(found, Job), found
    return found


@pytest.mark.parametrize("source", LEAST)
def test_a_job_of_each_source_is_written_from_flags(project: Path, source: str) -> None:
    result = new("team.mine", "--source", source, "--bucket", "s3://my-bucket", *LEAST[source])
    assert result.exit_code == 0, result.output
    assert read(project, "team/mine.yaml").source == source
    assert CliRunner().invoke(trawl, ["check"]).exit_code == 0


def test_every_source_is_tried_above() -> None:
    wanting = set(SOURCES) - set(LEAST)
    assert not wanting, f"pipelines/examples wants an example of each source; there is none of {wanting}"


def test_the_file_explains_itself(project: Path) -> None:
    (project / "schemas").mkdir()
    (project / "schemas" / "scrape_job.schema.json").write_text("{}")
    new(
        "team.mine",
        "--source",
        "twitter",
        "--query",
        "covid",
        "--bucket",
        "s3://my-bucket",
        "--set",
        "limit=5",
    )
    text = (project / "pipelines" / "team" / "mine.yaml").read_text()
    lines = text.splitlines()
    assert lines[0] == "# yaml-language-server: $schema=../../schemas/scrape_job.schema.json"
    assert "schedule: daily              # every day at 00:00 (UTC)" in lines
    assert "limit: 5                     # the most posts a run keeps" in lines
    assert "# owner: analytics" in lines
    assert max(map(len, lines)) <= 110


def test_nothing_is_written_over(project: Path) -> None:
    arguments = ("mine", "--source", "twitter", "--query", "covid", "--bucket", "s3://my-bucket")
    assert new(*arguments).exit_code == 0
    before = (project / "pipelines" / "mine.yaml").read_bytes()
    for name in ("mine", "pipelines/mine.yaml"):
        result = new(name, *arguments[1:])
        assert (result.exit_code, "is there already" in result.stderr) == (1, True)
    assert (project / "pipelines" / "mine.yaml").read_bytes() == before
    assert new("pipelines/mine.yml", *arguments[1:]).exit_code == 1


def test_a_link_is_not_written_through(project: Path) -> None:
    (project / "pipelines" / "mine.yaml").symlink_to(project / "elsewhere.yaml")
    assert new("mine", "--source", "twitter", "--query", "a", "--bucket", "s3://b-b-b").exit_code == 1
    assert not (project / "elsewhere.yaml").exists()


@pytest.mark.parametrize(
    "name", ["../mine.yaml", "/tmp/mine.yaml", "elsewhere/mine.yaml", "a b", "a..b", ".a", "a."]
)
def test_a_name_that_is_none_is_refused(project: Path, name: str) -> None:
    result = new(name, "--source", "twitter", "--query", "a", "--bucket", "s3://my-bucket")
    assert result.exit_code == 1
    assert name in result.stderr
    assert list(project.rglob("*.yaml")) == []


def test_what_is_no_job_is_not_written_and_says_why(project: Path) -> None:
    result = new("mine", "--source", "twiter", "--bucket", "My Bucket")
    assert result.exit_code == 1
    assert 'unknown source "twiter"; did you mean "twitter"?' in result.stderr
    assert "bad-bucket" in result.stderr
    assert list(project.rglob("*.yaml")) == []


@pytest.mark.parametrize("pair", ["limit", "nonsense=1", "=", "query.x=1"])
def test_a_field_that_is_none_is_a_wrong_command_line(project: Path, pair: str) -> None:
    result = new("mine", "--source", "twitter", "--query", "a", "--set", pair)
    assert (result.exit_code, "--set" in result.stderr) == (2, True), project


def test_a_field_that_is_none_may_be_another(project: Path) -> None:
    said = new("mine", "--source", "hackernews", "--set", "limt=3").stderr
    assert 'a job has no field "limt"; did you mean "limit"?' in said, project


@pytest.mark.parametrize(
    "pairs", [["query=b"], ["limit=1", "limit=2"], ["options.items=a", "options.items=b"], ["query.x=1"]]
)
def test_a_field_is_said_once(project: Path, pairs: list[str]) -> None:
    said = [part for pair in pairs for part in ("--set", pair)]
    result = new("mine", "--source", "hackernews", "--query", "a", "--bucket", "s3://my-bucket", *said)
    assert (result.exit_code, "has a value already" in result.stderr) == (2, True)
    assert list(project.rglob("*.yaml")) == []


def test_a_job_that_would_write_the_object_of_another_is_not_written(project: Path) -> None:
    new("one", "--source", "twitter", "--query", "a", "--bucket", "s3://my-bucket", "--key", "a/{date}.csv")
    result = new(
        "aaa", "--source", "twitter", "--query", "b", "--bucket", "s3://my-bucket", "--key", "a/{date}.csv"
    )
    assert result.exit_code == 1
    assert "this job writes the same object as pipelines/one.yaml" in result.stderr
    assert [job.id for job in read_jobs(project / "pipelines").jobs] == ["one"]


def test_what_defaults_say_is_not_asked_for_again(project: Path) -> None:
    (project / "pipelines" / "defaults.yaml").write_text("bucket: s3://team-bucket\n")
    assert new("mine", "--source", "twitter", "--query", "a").exit_code == 0
    assert read(project, "mine.yaml").bucket == "s3://team-bucket"
    assert "bucket" not in (project / "pipelines" / "mine.yaml").read_text()


def test_the_bucket_that_others_use_is_the_usual_one(project: Path) -> None:
    new("one", "--source", "twitter", "--query", "a", "--bucket", "s3://my-bucket")
    assert new("two", "--source", "twitter", "--query", "b").exit_code == 0
    assert read(project, "two.yaml").bucket == "s3://my-bucket"


def test_questions_lead_to_a_job(project: Path) -> None:
    answers = "team.mine\ntwitter\ncovid\ndaily at 06:00\nTweets\ns3://my-bucket\n\n"
    result = new("--ask", answers=answers)
    assert result.exit_code == 0, result.output
    job = read(project, "team/mine.yaml")
    assert (job.query, job.schedule.text, job.bucket) == ("covid", "daily at 06:00", "s3://my-bucket")
    assert (job.key, job.description) == ("{job}/{date}/posts.csv", "Tweets")


def test_questions_ask_for_what_the_source_needs(project: Path) -> None:
    answers = "mastodon\n\n\nmastodon.social\nhashtag\nopendata\ns3://my-bucket\n\n"
    result = new("mine", "--ask", answers=answers)
    assert result.exit_code == 0, result.output
    assert "What to scrape from mastodon? One of:" in result.stdout
    assert "  account      Whose posts to take instead of a search" in result.stdout
    assert read(project, "mine.yaml").options["hashtag"] == "opendata"


def test_a_wrong_answer_is_explained_and_asked_again(project: Path) -> None:
    answers = "twitter\ncovid\nsometimes\n\n\nMy_Bucket\ns3://my-bucket\n\n"
    result = new("mine", "--ask", answers=answers)
    assert '"sometimes" is no schedule' in result.stderr
    assert result.stdout.count("Schedule [daily]: ") == 2
    assert result.exit_code == 0, result.output
    job = read(project, "mine.yaml")
    assert (job.bucket, job.schedule.text) == ("s3://my-bucket", "daily")


def test_an_empty_answer_to_what_is_needed_is_asked_again(project: Path) -> None:
    result = new("mine", "--ask", answers="hackernews\n\n\n\n\n\nopen data\n\ns3://my-bucket\n\n")
    assert result.exit_code == 0, result.output
    assert read(project, "mine.yaml").query == "open data"
    assert "Needed: What to search for, in the source's own words.\n" in result.stderr


def test_a_connection_is_asked_for_with_an_example_of_its_source(project: Path) -> None:
    result = new("mine", "--ask", answers="reddit\n\n\n\nreddit_api\nquery\na\ns3://my-bucket\n\n")
    assert result.exit_code == 0, (project, result.output)
    assert "Needed: The Airflow connection with the source's credentials.\n" in result.stderr
    assert "Source connection (such as reddit_api): " in result.stdout


@pytest.mark.parametrize("name", ["defaults", "team.defaults", "pipelines/team/defaults.yml"])
def test_a_job_cannot_be_called_as_the_defaults_of_others_are(project: Path, name: str) -> None:
    result = new(name, "--source", "hackernews", "--query", "a", "--bucket", "./b", "--no-ask")
    assert result.exit_code == 1
    assert (
        "a file called defaults has the defaults of its folder's jobs, and is no job itself" in result.stderr
    )
    assert list(project.rglob("defaults*")) == []


def test_who_ends_the_questions_gets_no_file(project: Path) -> None:
    result = new("mine", "--ask", answers="twitter\n\n\n\n\n\n\n\n")
    assert result.exit_code == 1
    assert list(project.rglob("*.yaml")) == []


def test_without_a_terminal_nothing_is_asked(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "trawl", "new"],
        cwd=project,
        env={"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "give the job a name" in done.stderr) == (2, True)


WORDS = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="\ufeff\ufffe\uffff")
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=WORDS.filter(str.strip), description=WORDS)
def test_words_are_read_back_as_they_were_said(project: Path, query: str, description: str) -> None:
    pipelines = project / "pipelines"
    said = {
        "source": "hackernews",
        "query": query,
        "description": description,
        "bucket": "s3://my-bucket",
        "key": "a/{date}.csv",
    }
    path = pipelines / "mine.yaml"
    text = compose(said, path, pipelines)
    if problems(path, pipelines, text):
        assert len(query) > 4096 or len(description) > 2000 or not description
        return
    path.write_text(text, encoding="utf-8")
    job = read(project, "mine.yaml")
    assert (job.query, job.description) == (query, description)
    path.unlink()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("150", 150),
        ("1.5", 1.5),
        ("no", "no"),
        ("010", "010"),
        ("", ""),
        ("[a, 2]", ["a", 2]),
    ],
)
def test_a_word_of_the_command_line_is_what_it_would_be_in_a_file(text: str, value: object) -> None:
    assert value_of(text) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("covid", "covid"),
        ("s3://my-bucket", "s3://my-bucket"),
        ("2021-07-05", "2021-07-05"),
        ("true", '"true"'),
        ("150", '"150"'),
        ("a: b", '"a: b"'),
        ("a #b", '"a #b"'),
        ("@a", '"@a"'),
        ("", '""'),
        ("{job}", '"{job}"'),
        (True, "true"),
        (["a", "b c"], "[a, b c]"),
        ({"since": "2021-07-05"}, "{since: 2021-07-05}"),
    ],
)
def test_only_what_needs_quotes_gets_them(value: object, text: str) -> None:
    assert written(value) == text


def test_a_job_with_a_credential_is_not_written(project: Path) -> None:
    """It would not pass the check; asked again, somebody may say something else."""
    token = "ghp_" + "a1B2" * 9
    said = ["team.leak", "--source", "hackernews", "--query", "covid", "--bucket", "s3://my-bucket"]
    result = new(*said, "--no-ask", "--set", f"owner={token}")
    assert (result.exit_code, "[credential]" in result.output, token in result.output) == (1, True, False)
    assert not (project / "pipelines" / "team" / "leak.yaml").exists()
    asked = new(*said, "--ask", "--set", f"owner={token}", answers="\n\nanalytics\n\n")
    assert asked.exit_code == 0, asked.output
    assert read(project, "team/leak.yaml").owner == "analytics"
