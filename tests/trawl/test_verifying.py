"""`trawl verify` names everything that is wrong with a bucket, repairs it where asked to, and counts."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from etl_callables import extract, load, transform
from etl_callables.manifest import manifest_key
from etl_callables.raw import new_attempt, read_page, rewrite_page
from etl_callables.run import Run, prefix
from etl_callables.store import open_store
from schemas.job import Job
from schemas.reading import read_jobs
from schemas.window import Window
from tests.etl_callables.jobs import tweets, write_pages
from trawl.cli import trawl

GOLDEN = Path(__file__).parent / "verify"
ROOT = Path(__file__).resolve().parents[2]
JOB = """source: archive
bucket: ./bucket
key: "{job}/{date}.csv"
options: {files: posts.jsonl}
columns: [platform, id, created_at, text]
"""
OLD = datetime(2021, 7, 20, tzinfo=UTC)
DAYS = [
    Window(datetime(2021, 7, day, tzinfo=UTC), datetime(2021, 7, day + 1, tzinfo=UTC)) for day in (5, 6, 7)
]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two jobs with three runs each, in one bucket; the working directory is the project's."""
    monkeypatch.chdir(tmp_path)
    for name in ("covid", "others"):
        path = tmp_path / "pipelines" / "team" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(JOB)
    (path.parent / "posts.jsonl").write_bytes(b"\n".join(tweets(range(0, 200_000, 20_000))))
    for job in read_jobs(Path("pipelines")).jobs:
        for window in DAYS:
            run = Run(id="scheduled", now=lambda: OLD)
            load(job, window, run, transform(job, window, run, extract(job, window, run)))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(trawl, arguments, catch_exceptions=False)


def covid() -> Job:
    return read_jobs(Path("pipelines")).jobs[0]


def harm() -> None:
    """One of everything that can be wrong."""
    job = covid()
    store = open_store(job, Run())
    first, second, third = (prefix(job, window, Run()) for window in DAYS)
    store.write("team/covid/2021-07-05.csv", b"tampered with")
    store.delete(["team/covid/2021-07-06.csv"])
    store.write("team/covid/2021-07-04.csv", b"whose?")
    pages = [entry.key for entry in store.list(f"{third}/raw") if entry.key.endswith("zst")]
    store.delete(pages)
    store.write(f"{first}/staged/{new_attempt(OLD + timedelta(hours=1))}/2021-07-05.csv", b"half")
    write_pages(store, second, new_attempt(datetime.now(UTC)), [[b"{}"]], "a run that goes on")
    data = store.read(manifest_key(prefix(job, DAYS[2], Run())))
    store.write(f"_trawl/team.covid/{DAYS[0]}~broken/manifest.json", data[:100])
    never = f"_trawl/team.covid/{DAYS[0]}~never"
    write_pages(store, never, new_attempt(OLD), [[b"{}"], [b"{}"]], "a run that never came to its end")


def golden(name: str, text: str, project: Path) -> None:
    """Compare with the file of that name, the project's folder written as /project."""
    shown = text.replace(project.as_uri(), "file:///project").replace(str(project), "/project")
    path = GOLDEN / name
    if os.environ.get("REGENERATE"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(shown)
    assert shown == path.read_text()


@pytest.mark.parametrize("names", [[], ["team.covid", "team.others"], ["./bucket"]])
def test_a_sound_bucket_is_said_to_be(project: Path, names: list[str]) -> None:
    result = run("verify", *names)
    assert (result.exit_code, result.stdout) == (0, ""), project
    assert result.stderr == "6 objects of 1,560 bytes in 1 bucket read: nothing wrong\n"


def test_everything_that_is_wrong_is_named(project: Path) -> None:
    harm()
    result = run("verify")
    assert result.exit_code == 1
    golden("wrong.txt", result.stdout + result.stderr, project)
    assert run("verify", "./bucket").stdout == result.stdout
    assert run("verify", "team.covid").stdout == result.stdout
    assert run("verify", "pipelines/team/others.yaml").exit_code == 0


def test_what_can_be_repaired_is(project: Path) -> None:
    """The rest is left alone with advice, and still counts; once nothing is wrong, the end is 0."""
    store = open_store(covid(), Run())
    before = {entry.key: store.read(entry.key) for entry in store.list("") if entry.key.endswith(".csv")}
    harm()
    result = run("verify", "--repair")
    assert result.exit_code == 1
    golden("repaired.txt", result.stdout + result.stderr, project)
    store.delete(["team/covid/2021-07-04.csv"])
    assert {key: store.read(key) for key in before} == before
    store.delete(["team/covid/2021-07-05.csv", "team/covid/2021-07-06.csv"])
    store.delete(
        entry.key
        for entry in [*store.list("_trawl/team.covid")]
        if "~" in entry.key or "T000000Z_20210708" in entry.key
    )
    store.delete(["team/covid/2021-07-07.csv"])
    result = run("verify", "--repair")
    assert (result.exit_code, result.stdout.count("repaired: made again")) == (0, 2)
    assert run("verify").exit_code == 0


def test_tools_are_told_the_same(project: Path) -> None:
    harm()
    told = json.loads(run("verify", "--format", "json").stdout)
    (bucket,) = told["buckets"]
    findings = bucket["findings"]
    kinds = ["damaged", "abandoned", "orphaned", "unfinished", "extra", "changed", "missing", "no-raw"]
    assert sorted(finding["kind"] for finding in findings) == sorted(kinds)
    assert (told["wrong"], bucket["wrong"], bucket["objects"], bucket["bucket"]) == (7, 7, 5, "./bucket")
    missing = next(finding for finding in findings if finding["kind"] == "missing")
    assert missing == {
        "kind": "missing",
        "wrong": True,
        "url": f"{project.as_uri()}/bucket/team/covid/2021-07-06.csv",
        "message": "is gone; its manifest says 4 posts, 312 bytes",
        "keys": ["team/covid/2021-07-06.csv"],
        "job": "team.covid",
        "window": str(DAYS[1]),
        "repaired": None,
        "note": None,
    }
    told = json.loads(run("verify", "--repair", "--format", "json").stdout)
    assert told["wrong"] == 4
    missing = next(finding for finding in told["buckets"][0]["findings"] if finding["kind"] == "missing")
    assert (missing["repaired"], missing["note"]) == (True, "made again from 1 raw page, byte for byte")


def test_superseded_and_unfinished_runs_are_counted_apart_and_are_not_wrong(project: Path) -> None:
    """After a change from days to weeks; of the day on which the week begins, the object is the week's."""
    job = covid()
    weekly = Run(id="scheduled", now=lambda: OLD + timedelta(days=1))
    week = Window(DAYS[0].start, DAYS[0].start + timedelta(days=7))
    load(job, week, weekly, transform(job, week, weekly, extract(job, week, weekly)))
    store = open_store(job, Run())
    write_pages(store, prefix(job, week, Run()), new_attempt(datetime.now(UTC)), [[b"{}"]], "goes on")
    for arguments in ((), ("--repair",)):
        result = run("verify", *arguments)
        assert (result.exit_code, result.stdout.count("[superseded]")) == (0, 2), project
        assert result.stderr.endswith("nothing wrong, 1 run unfinished, 2 runs superseded\n")


def change_raw_pages() -> None:
    """Of the second window, and of the third what its manifest says of them."""
    store = open_store(covid(), Run())
    _, second, third = (prefix(covid(), window, Run()) for window in DAYS)
    (page,) = (entry.key for entry in store.list(f"{second}/raw") if entry.key.endswith(".zst"))
    kept = read_page(store, page)
    rewrite_page(store, page, kept.envelope, [body.replace(b"made up", b"MADE UP") for body in kept.bodies])
    value = json.loads(store.read(manifest_key(third)))
    del value["raw"]["sha256"]
    store.write(manifest_key(third), json.dumps(value).encode())


def test_raw_pages_are_compared_where_somebody_asks_for_it(project: Path) -> None:
    assert run("verify", "--raw").stderr == (
        "6 objects of 1,560 bytes and 6 raw pages in 1 bucket read: nothing wrong\n"
    )
    change_raw_pages()
    assert run("verify").exit_code == 0
    result = run("verify", "--raw", "--repair")
    assert result.exit_code == 1
    golden("raw.txt", result.stdout + result.stderr, project)
    (bucket,) = json.loads(run("verify", "--raw", "--format", "json").stdout)["buckets"]
    assert [finding["kind"] for finding in bucket["findings"]] == ["changed-raw"]
    assert (bucket["wrong"], bucket["raw_pages"], bucket["raw_untold"]) == (1, 5, 1)
    (bucket,) = json.loads(run("verify", "--format", "json").stdout)["buckets"]
    assert (bucket["wrong"], bucket["raw_pages"], bucket["raw_untold"]) == (0, None, None)


def test_an_object_is_not_made_again_of_raw_pages_that_were_changed(project: Path) -> None:
    change_raw_pages()
    path = project / "bucket" / "team" / "covid" / "2021-07-06.csv"
    path.unlink()
    result = run("verify", "--repair")
    assert (result.exit_code, path.exists()) == (1, False)
    golden("refused.txt", result.stdout + result.stderr, project)


@pytest.mark.parametrize("name", ["./bucket", "team.covid"])
def test_a_lost_manifest_is_told_with_its_object_and_made_again(project: Path, name: str) -> None:
    """It is the same as it was, but for when, and the object is not touched."""
    (project / "bucket" / "_trawl" / "team.covid" / str(DAYS[0]) / "manifest.json").unlink()
    before = (project / "bucket" / "team" / "covid" / "2021-07-05.csv").read_bytes()
    result = run("verify", name)
    assert (result.exit_code, result.stdout.count("\n")) == (1, 1)
    assert "2021-07-05.csv: is what team.covid writes for 20210705T000000Z_20210706T000000Z" in result.stdout
    assert "trawl run team.covid --start 2021-07-05T00:00Z --end 2021-07-06T00:00Z" in result.stdout
    result = run("verify", name, "--repair")
    assert (result.exit_code, result.stdout.count("repaired: its manifest is made again")) == (0, 1)
    assert (project / "bucket" / "team" / "covid" / "2021-07-05.csv").read_bytes() == before
    assert run("verify").exit_code == 0


def test_a_bucket_of_which_no_job_is_here_can_be_verified_not_repaired(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (project / "bucket" / "team" / "covid" / "2021-07-05.csv").unlink()
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    result = run("verify", f"{project.as_uri()}/bucket", "--repair")
    assert result.exit_code == 1
    assert "[missing]" in result.stdout
    assert "not repaired: there is no job team.covid here" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["./buckett"], 1, "there is no manifest in ./buckett: is it a bucket that jobs write to?"),
        (["team.covidd"], 2, 'did you mean "team.covid"?'),
        (["team.bad"], 1, "team.bad has problems, which `trawl check` shows"),
        (["ftp://x"], 1, "use s3://name, file:///folder or ./folder"),
    ],
)
def test_what_cannot_be_verified_is_said_in_a_sentence(
    project: Path, arguments: list[str], code: int, said: str
) -> None:
    (project / "pipelines" / "team" / "bad.yaml").write_text("querry: x\n")
    result = run("verify", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr


def test_all_jobs_are_not_said_to_be_sound_where_files_have_problems(project: Path) -> None:
    for number in range(5):
        (project / "pipelines" / f"bad_{number}.yaml").write_text("querry: x\n")
    result = run("verify")
    assert result.exit_code == 1
    assert (
        "Error: pipelines/bad_0.yaml, pipelines/bad_1.yaml, pipelines/bad_2.yaml and 2 more have problems,"
        " which `trawl check` shows, and what they reach is left out" in result.stderr
    )
    assert run("verify", "team.covid").exit_code == 0


def test_a_bucket_that_cannot_be_read_is_told_with_the_jobs_that_write_to_it(project: Path) -> None:
    """A file is no bucket in which nothing is wrong."""
    (project / "file").write_text("no folder")
    for number in range(4):
        job = JOB.replace("./bucket", "./file")
        (project / "pipelines" / f"odd_{number}.yaml").write_text(job.replace("{job}", f"odd_{number}"))
    result = run("verify")
    assert result.exit_code == 1
    names = "pipelines/odd_0.yaml, pipelines/odd_1.yaml, pipelines/odd_2.yaml and 1 more"
    assert f"Error: {names}: Cannot list {project / 'file'} (Not a directory)" in result.stderr
    assert "6 objects" in result.stderr


def test_from_a_folder_below_jobs_are_the_projects_and_buckets_are_as_they_are_typed(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [run("verify", *names).stdout for names in ([], ["team.covid"], ["./bucket"])]
    monkeypatch.chdir(project / "pipelines" / "team")
    for names, said in zip(([], ["covid.yaml"], ["../../bucket"]), whole, strict=True):
        result = run("verify", *names)
        assert result.exit_code == 0, result.output
        assert result.stdout.replace("../../bucket", "./bucket") == said


def test_without_jobs_a_bucket_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("verify")
    assert result.exit_code == 1
    assert "name a bucket, as s3://my-bucket" in result.stderr


def test_progress_is_shown_on_a_terminal_and_wiped_away(project: Path) -> None:
    """A pipe sees none of it."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    done = subprocess.run(
        [sys.executable, "-m", "trawl", "verify"],
        cwd=project,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=theirs,
        check=False,
    )
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert (done.returncode, done.stdout) == (0, b"")
    assert "\r\x1b[K6 of 6 windows read\r\x1b[K6 objects" in shown
