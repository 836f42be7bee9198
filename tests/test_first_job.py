"""What docs/first-job.md tells a beginner to type works in its order, and prints what it shows."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from schemas.shape import schema
from scripts.terminal import seen
from tests.trawl.repositories import ENVIRONMENT, commit, git, new
from trawl.cli import trawl

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "first-job.md"
PARTS = (".gitignore", ".pre-commit-config.yaml", ".vscode", "pipelines", "schemas")
"""What the page needs of the project, beside its environment."""

ELSEWHERE = {
    "make demo": "sets up what these tests run in; tests/airflow/test_demo.py holds what it shows",
    "make dev": "sets up what these tests run in",
    "make up": "tests/airflow/test_first_job.py runs the job in an Airflow that is up",
    "trawl backfill team.library --wait": "needs that Airflow too",
}
"""Lines that are not run here, and why."""

FAILS = {"trawl check": (1, 0), "trawl check --fix": (1,)}
"""What the last line of a block ends with, each time it comes, where that is not 0."""


ANSWERS = "\n\n\n"
"""What the page says to type while the job is written: Enter, three times."""


class Block(NamedTuple):
    """A fenced block of the page: its language and its text."""

    language: str
    text: str


def page_blocks() -> list[Block]:
    """The blocks of the page in their order."""
    text = PAGE.read_text(encoding="utf-8")
    return [
        Block(*found) for found in re.findall(r"^```([a-z]+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


def job_block() -> str:
    """The block that writes the job."""
    (found,) = (block.text for block in page_blocks() if block.text.startswith("trawl new"))
    return found


def run_block() -> str:
    """The block that runs the job here."""
    (found,) = (block.text for block in page_blocks() if block.text.startswith("trawl run "))
    return found


def repository(folder: Path) -> Path:
    """Clone, as `folder`/trawl, what the page needs of this project; its origin is `folder`/origin.git."""
    first = new(folder / "first")
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, first / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, first / part)
    commit(first)
    git(folder, "clone", "--quiet", "--bare", str(first), "origin.git")
    git(folder, "clone", "--quiet", "origin.git", "trawl")
    return folder / "trawl"


class Reader:
    """Somebody who types the page's blocks into one terminal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = folder
        self.said = ""
        self.seen: dict[str, int] = {}

    def type(self, text: str) -> None:
        """Run a block where the last one ended; what it prints is in `said`."""
        lines = [line for line in text.splitlines() if line not in ELSEWHERE]
        if not lines:
            return
        script = "\n".join(lines).replace("ADDRESS", str(self.folder / "origin.git"))
        if "git clone" in script:
            shutil.rmtree(self.folder / "trawl")
        code, self.said = seen(
            ["bash", "-euc", f"trap 'pwd >{self.folder}/place' EXIT\n{script}"],
            self.place,
            {
                **ENVIRONMENT,
                "HOME": str(self.folder),
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{ENVIRONMENT['PATH']}",
                "PRE_COMMIT_HOME": str(self.folder / "pre-commit"),
                "PRE_COMMIT_COLOR": "never",
                "NO_COLOR": "1",
            },
            answers=ANSWERS if text == job_block() else "",
        )
        self.place = Path((self.folder / "place").read_text().strip())
        expected = FAILS.get(lines[-1], ())
        count = self.seen[lines[-1]] = self.seen.get(lines[-1], -1) + 1
        assert code == (expected[count] if count < len(expected) else 0), (text, self.said)
        if "git clone" in script:
            (self.place / ".venv").symlink_to(sys.prefix)


def merge(folder: Path) -> None:
    """Do what the button of the pull request does."""
    git(folder, "clone", "--quiet", "origin.git", "colleague")
    git(folder / "colleague", "merge", "--quiet", "--no-ff", "-m", "Merge", "origin/library")
    git(folder / "colleague", "push", "--quiet", "origin", "main")


def same(text: str) -> str:
    """A text without what differs from commit to commit."""
    return re.sub(r"\([0-9a-f]{10}\)", "(0123456789)", text)


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the page was followed to its end; each block is held while it is."""
    folder = tmp_path_factory.mktemp("reader")
    repository(folder)
    reader = Reader(folder)
    for block in page_blocks():
        if block.language == "sh":
            if block.text.startswith("git switch main"):
                merge(folder)
            reader.type(block.text)
        elif block.language == "yaml":
            assert (folder / "trawl/pipelines/team/library.yaml").read_text() == block.text
        else:
            assert same(block.text) in same(reader.said)
    return folder / "trawl"


@pytest.mark.slow
def test_the_page_can_be_followed_and_ends_with_the_job_on_main(followed: Path) -> None:
    """Each block does what the page says and prints what it shows, from the clone to the merge."""
    assert git(followed, "branch", "--show-current").strip() == "main"
    (job,) = git(followed, "ls-files", "pipelines/team").split()
    assert job == "pipelines/team/library.yaml"
    assert git(followed, "status", "--porcelain", "--untracked-files=no") == ""


@pytest.mark.slow
def test_the_posts_are_where_it_looks_for_them(followed: Path) -> None:
    assert (followed / "bucket/team/library/2021-07-05/posts.csv").is_file()


def test_what_is_not_run_here_is_on_the_page() -> None:
    lines = {line for block in page_blocks() for line in block.text.splitlines()}
    assert set(ELSEWHERE) <= lines
    assert set(FAILS) <= lines


def test_the_flags_for_real_sources_write_jobs_that_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every source but the archive has a row, and its flags are all that it needs beside a bucket."""
    rows = re.findall(r"^\| `([a-z]+)` \| `([^`]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    sources = set(schema()["properties"]["source"]["enum"]) - {"archive"}
    assert {source for source, _ in rows} == sources, "docs/first-job.md wants a row of each"
    (tmp_path / "pipelines").mkdir()
    monkeypatch.chdir(tmp_path)
    for source, flags in rows:
        words = ["new", f"team.{source}", "--no-ask", "--source", source, "--bucket", "s3://our-posts"]
        done = CliRunner().invoke(trawl, [*words, *shlex.split(flags)])
        assert done.exit_code == 0, done.output
    done = CliRunner().invoke(trawl, ["check"])
    assert done.exit_code == 0, done.output
