"""What `make demo` shows and leaves, twice."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.airflow.served import ROOT, processes_of, unset

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("airflow")]

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parts of a checkout that the demo needs, in a folder of their own."""
    root = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "dags", root / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "pipelines", root / "pipelines")
    return root


def demo(project: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "trawl", "demo"],
        cwd=project,
        env={**unset(os.environ), "COLUMNS": "100", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def objects(project: Path) -> dict[str, str]:
    """The SHA-256 of each of the job's objects, by path in the bucket."""
    bucket = project / "bucket"
    return {
        str(path.relative_to(bucket)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in bucket.rglob("*")
        if path.is_file() and "_trawl" not in path.parts
    }


def shown(done: subprocess.CompletedProcess[str]) -> str:
    """What was printed, without the blanks that fill up a line."""
    return "".join(line.rstrip() + "\n" for line in done.stdout.splitlines())


def test_the_demo_shows_what_it_did_and_its_second_run_writes_the_same_bytes(project: Path) -> None:
    first = demo(project)
    assert (first.returncode, first.stderr) == (0, "")
    assert shown(first) == (GOLDEN / "demo.txt").read_text()
    written = objects(project)
    assert sorted(written) == [f"examples/covid_archive/2021-07-{day:02}/posts.csv" for day in (5, 6, 7)]

    second = demo(project)
    assert objects(project) == written
    assert shown(second) == shown(first).replace("  new\n", "  same bytes\n")
    assert shown(second) != shown(first)
    assert processes_of(project) == []


def test_a_demo_that_cannot_succeed_says_where_to_look(project: Path) -> None:
    posts = project / "pipelines/examples/covid_archive/posts.jsonl"
    posts.rename(posts.with_suffix(".away"))
    try:
        done = demo(project)
    finally:
        posts.with_suffix(".away").rename(posts)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "demo.log" in done.stderr
