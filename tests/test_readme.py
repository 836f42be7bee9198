"""The README's commands do what it says, in a folder of their own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.job import Job
from schemas.reading import read_job
from trawl.cli import trawl

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str, text: str = README) -> list[str]:
    """The fenced blocks of a language, without what a list indents them by."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


FIRST_JOB = blocks("sh", README.partition("## Your first job")[2].partition("\n## ")[0])


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the first job needs of a checkout, its environment being the one of these tests."""
    shutil.copytree(ROOT / "pipelines", tmp_path / "pipelines")
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "trawl").symlink_to(Path(sys.executable).parent / "trawl")
    return tmp_path


def sh(checkout: Path, block: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euc", block], cwd=checkout, capture_output=True, text=True, check=False, timeout=60
    )


def test_a_first_job_is_copied_changed_checked_and_shown(checkout: Path) -> None:
    copying, checking, up = FIRST_JOB
    assert up == "make up\n"
    assert sh(checkout, copying).returncode == 0
    job = read_job(checkout / "pipelines/examples/library.yaml", checkout)
    assert isinstance(job, Job)
    assert (job.id, job.query) == ("examples.library", "library")
    posts = (checkout / "pipelines/examples" / job.options["files"]).read_text(encoding="utf-8")
    assert job.query in posts, "the reader's first job would find nothing"
    done = sh(checkout, checking)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no problems" in done.stdout + done.stderr
    assert "library" in done.stdout


def test_the_mistake_that_it_shows_is_printed_as_it_shows_it(checkout: Path) -> None:
    sh(checkout, FIRST_JOB[0])
    path = checkout / "pipelines/examples/library.yaml"
    path.write_text(path.read_text().replace("query:", "querry:"))
    done = sh(checkout, ".venv/bin/trawl check")
    assert done.returncode == 1
    (shown,) = blocks("text")
    for line in shown.splitlines():
        assert line in (done.stdout + done.stderr).splitlines()


def test_the_job_at_its_top_is_valid(tmp_path: Path) -> None:
    (text,) = blocks("yaml")
    path = tmp_path / "pipelines" / "covid.yaml"
    path.parent.mkdir()
    path.write_text(text)
    job = read_job(path, tmp_path)
    assert isinstance(job, Job), [str(problem) for problem in job]


def test_it_names_every_command_and_no_other() -> None:
    named = set(re.findall(r"`trawl ([a-z]+)", README.partition("## Commands")[2].partition("\n## ")[0]))
    assert named == set(trawl.commands)
