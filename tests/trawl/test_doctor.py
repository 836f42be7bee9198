"""The doctor looks at everything that a run needs, says what to do where it is red, and leaves nothing."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from etl_callables import load, transform
from etl_callables.errors import RetryLater, Stop
from etl_callables.run import Run
from etl_callables.store import Entry
from etl_callables.store_local import LocalStore
from schemas.job import Job
from schemas.reading import Reading, read_jobs
from tests.etl_callables.jobs import WINDOW, extracted, tweets
from tests.etl_callables.jobs import job as writing
from tests.trawl.jobs import job
from trawl.cli import trawl
from trawl.connections import connections
from trawl.health import Finding, airflow, bucket, findings, line, python

ROOT = Path(__file__).resolve().parents[2]
NAMED = """source: hackernews
query: covid
source_connection: hn_team
bucket: ./bucket
key: '{job}/{date}.csv'
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the loader and the archive's example job, with the working directory in it."""
    examples = tmp_path / "pipelines" / "examples"
    shutil.copytree(ROOT / "dags", tmp_path / "dags")
    shutil.copytree(ROOT / "pipelines" / "examples" / "covid_archive", examples / "covid_archive")
    shutil.copy(ROOT / "pipelines" / "examples" / "covid_archive.yaml", examples)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def doctor(*arguments: str) -> Result:
    return CliRunner().invoke(trawl, ["doctor", *arguments], catch_exceptions=False)


def found(root: Path, environment: dict[str, str], answer: str = "answers (5 ms)") -> dict[str, Finding]:
    reading = read_jobs(root / "pipelines")
    run = Run(connection=connections(root, environment))
    return {one.what: one for one in findings(reading, reading.jobs, root, run, lambda _: answer)}


@pytest.mark.parametrize("arguments", [[], ["examples.covid_archive"]])
def test_where_all_is_well_each_line_is_ok_and_nothing_is_left(
    project: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a folder below the project too."""
    (project / "bucket").mkdir()
    result = doctor(*arguments)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [text[:3] for text in lines] == ["ok "] * 5
    monkeypatch.chdir(project / "pipelines")
    assert [text[:3] for text in doctor(*arguments).stdout.splitlines()] == ["ok "] * 5
    assert lines[2:] == [
        "ok   pipelines: 1 job",
        "ok   dags: the loader is here",
        "ok   bucket ./bucket: can be written, read, listed and deleted below _trawl/examples.covid_archive",
    ]
    assert not list((project / "bucket").rglob("*"))


@pytest.mark.parametrize("place", ["./bucket", "./not/there/yet", "file://HERE/not/there"])
def test_a_folder_that_is_not_there_is_told_and_not_left_there(project: Path, place: str) -> None:
    """It is nothing wrong, and may be a slip of somebody's hand."""
    file = project / "pipelines" / "examples" / "covid_archive.yaml"
    place = place.replace("HERE", str(project))
    file.write_text(file.read_text().replace("./bucket", place))
    before = sorted(project.iterdir())
    result = doctor()
    assert (result.exit_code, sorted(project.iterdir())) == (0, before)
    said = " ".join(result.stdout.split())
    assert (
        f"new bucket {place}: is not there, and will be made by the first run; can be written, read, listed"
        " and deleted below _trawl/examples.covid_archive where another is meant, correct `bucket` in"
        " pipelines/examples/covid_archive.yaml" in said
    )


def test_what_is_red_ends_with_one_and_says_what_to_do(project: Path) -> None:
    shutil.rmtree(project / "dags")
    (project / "pipelines" / "bad.yaml").write_text("querry: x\n")
    result = doctor()
    assert result.exit_code == 1
    assert "red  pipelines: 1 job, 1 file with problems\n     trawl check\n" in result.stdout
    assert "red  dags: there is no scrape_jobs.py\n     copy the folder dags" in result.stdout


def test_a_connection_that_nobody_knows_is_red_with_its_variable(project: Path) -> None:
    (project / "pipelines" / "hn.yaml").write_text(NAMED)
    missing = found(project, {})["connection hn_team"]
    assert missing.found == "nobody knows it, and pipelines/hn.yaml names it"
    assert missing.remedy.endswith("or set AIRFLOW_CONN_HN_TEAM")
    there = found(project, {"AIRFLOW_CONN_HN_TEAM": "http://:secret@"})["connection hn_team"]
    assert (there.found, there.remedy) == ("is there", "")
    broken = found(project, {"AIRFLOW_CONN_HN_TEAM": "secret"})["connection hn_team"]
    assert (broken.found, "secret" in broken.remedy) == ("cannot be read", False)


def test_no_variable_is_named_that_no_shell_can_set(project: Path) -> None:
    (project / "pipelines" / "hn.yaml").write_text(NAMED.replace("hn_team", "hn-team"))
    missing = found(project, {})["connection hn-team"]
    assert missing.remedy == "create it in Airflow under Admin, Connections"


@pytest.mark.parametrize(
    ("answer", "red"),
    [("answers (5 ms)", False), ("in trouble (HTTP 503)", True), ("no answer (refused)", True)],
)
def test_each_source_is_asked(project: Path, answer: str, red: bool) -> None:
    (project / "pipelines" / "hn.yaml").write_text(NAMED)
    one = found(project, {}, answer)["hackernews via algolia"]
    assert (one.found, bool(one.remedy)) == (answer, red)
    assert "archive via files" not in found(project, {}), "files have no address"


def test_each_bucket_is_looked_at_once_for_all_who_share_it(tmp_path: Path) -> None:
    jobs = [
        job(id=name, root=str(tmp_path), bucket=place, bucket_connection=connection)
        for name, place, connection in (
            ("a", "./one", None),
            ("b", "./one", None),
            ("c", "./two", None),
            ("d", f"file://{tmp_path}/one", None),
        )
    ]
    run = Run()
    seen = list(findings(Reading(tuple(jobs), (), 4), jobs, tmp_path, run, lambda _: ""))
    assert [one.what for one in seen if one.what.startswith("bucket")] == ["bucket ./one", "bucket ./two"]


def test_a_table_is_looked_for_in_its_catalog(tmp_path: Path) -> None:
    """Before its first run, after it, where another job has it, and where the connection leads nowhere."""
    connections = {
        "lake": {"extra": {"type": "sql", "uri": f"sqlite:///{tmp_path / 'catalog.sqlite'}"}},
        "wrong": {"extra": {"type": "sql"}},
    }
    run = Run(id="scheduled", connection=connections.__getitem__)
    ours = writing(tmp_path, key="social/posts", format="iceberg", catalog_connection="lake")
    looked = partial(_tables_line, root=tmp_path, run=run)
    assert looked(ours) == ("table social.posts of lake", "is made by the first run", "")
    load(ours, WINDOW, run, transform(ours, WINDOW, run, extracted(ours, run, [tweets(range(1, 4))])))
    assert looked(ours) == ("table social.posts of lake", "has 3 rows", "")
    what, found, remedy = looked(replace(ours, id="another"))
    assert (what, found) == ("table social.posts of lake", "cannot be reached")
    assert "belongs to the job" in remedy
    what, found, remedy = looked(replace(ours, catalog_connection="wrong"))
    assert (what, found) == ("table social.posts of wrong", "cannot be reached")
    assert "does not say how to reach a catalog" in remedy


def _tables_line(one: Job, root: Path, run: Run) -> tuple[str, str, str]:
    seen = findings(Reading((one,), (), 1), [one], root, run, lambda _: "")
    (line,) = (one for one in seen if one.what.startswith("table"))
    return line.what, line.found, line.remedy


def test_a_bucket_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "bucket").write_text("a file, no folder")
    one = bucket(job(root=str(tmp_path)), Run())
    assert one.found == "cannot be written"
    assert str(tmp_path) in one.remedy


def test_a_folder_that_cannot_be_looked_for_says_why_and_is_not_said_to_come(tmp_path: Path) -> None:
    one = bucket(job(root=str(tmp_path), bucket=f"./{'a' * 300}"), Run())
    assert (one.found, one.advice) == ("cannot be written", "")
    assert "File name too long" in one.remedy


class Faulty:
    """A bucket in which one thing goes wrong."""

    def __init__(self, root: Path, step: str) -> None:
        self._store = LocalStore(root)
        self._step = step

    def _fails(self, step: str) -> None:
        if self._step == step:
            raise RetryLater(f"{step} is down")

    def write(self, key: str, data: bytes) -> None:
        self._fails("written")
        self._store.write(key, data)

    def read(self, key: str) -> bytes:
        self._fails("read")
        return self._store.read(key) if self._step != "changed" else b"something else"

    def list(self, folder: str) -> Iterator[Entry]:
        self._fails("listed")
        return self._store.list(folder) if self._step != "hidden" else iter(())

    def delete(self, keys: Iterable[str]) -> None:
        self._fails("deleted")
        self._store.delete(keys)


@pytest.mark.parametrize("step", ["written", "read", "listed", "deleted"])
def test_what_a_bucket_refuses_is_named_and_what_was_written_is_taken_away(tmp_path: Path, step: str) -> None:
    def opened(*_: Any) -> Any:
        return Faulty(tmp_path / "bucket", step)

    one = bucket(job(root=str(tmp_path)), Run(), opened)
    assert (one.found, one.remedy) == (f"cannot be {step}", f"{step} is down")
    assert (tmp_path / "bucket").exists() == (step == "deleted")
    left = [path for path in (tmp_path / "bucket").rglob("*") if path.is_file()]
    assert len(left) == (1 if step == "deleted" else 0)


@pytest.mark.parametrize("step", ["changed", "hidden"])
def test_a_bucket_that_gives_something_else_back_is_red(tmp_path: Path, step: str) -> None:
    one = bucket(job(), Run(), lambda *_: Faulty(tmp_path, step))  # type: ignore[arg-type]
    assert one.found == "does not give back what it was given"
    assert one.remedy
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_bucket_that_cannot_be_opened_is_red() -> None:
    def refused(*_: Any) -> Any:
        raise Stop("There is no connection.")

    assert bucket(job(), Run(), refused) == Finding(
        "bucket ./bucket", "cannot be opened", "There is no connection."
    )


@pytest.mark.parametrize(
    ("running", "red"), [((3, 10, 14), True), ((3, 11, 0), False), ((3, 13, 9), False), ((3, 14, 0), True)]
)
def test_only_a_python_that_trawl_runs_on_is_ok(running: tuple[int, ...], red: bool) -> None:
    assert bool(python(running).remedy) == red
    assert not python(sys.version_info[:3]).remedy


def test_the_airflow_of_the_tests_is_the_one_wanted() -> None:
    assert airflow().remedy == ""


def test_lines_stand_on_narrow_terminals() -> None:
    text = click.unstyle(line(Finding("bucket s3://b", "cannot be read " * 5, "do this " * 9), 40))
    assert max(map(len, text.splitlines())) <= 40
