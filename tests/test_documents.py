"""What the pages show is what there is: every job a good one, every command line one that parses."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from schemas.job import Job
from schemas.reading import read_job
from trawl.cli import trawl

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").glob("*.md")])


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_job_that_a_page_shows_is_a_good_one(page: Path, tmp_path: Path) -> None:
    (tmp_path / "pipelines").mkdir()
    for number, text in enumerate(blocks(page, "yaml")):
        if not re.search(r"^bucket:", text, re.MULTILINE):
            continue  # a part of a file
        path = tmp_path / "pipelines" / f"job{number}.yaml"
        if text.partition("\n")[0].endswith("/defaults.yaml"):
            path = path.with_suffix("") / "job.yaml"
            path.parent.mkdir()
            (path.parent / "defaults.yaml").write_text(text, encoding="utf-8")
            text = "source: hackernews\nquery: open library\n"  # noqa: PLW2901  a job that needs them
        path.write_text(text, encoding="utf-8")
        assert isinstance(read_job(path, tmp_path), Job), (page.name, read_job(path, tmp_path))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_trawls_that_a_page_shows_parses(page: Path) -> None:
    for text in blocks(page, "sh"):
        for line in re.findall(r"^(?:\.venv/bin/)?trawl (.+)$", text, re.MULTILINE):
            words = re.split(r" [|>#&] ?", line)[0].replace('"', "").split()
            command = trawl.commands[words[0]]
            try:
                with command.make_context(words[0], words[1:], resilient_parsing=True):
                    pass
            except click.ClickException as problem:
                pytest.fail(f"{page.name}: trawl {line}: {problem.format_message()}")


def test_the_page_on_people_shows_what_it_speaks_of() -> None:
    text = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")
    for word in ("pseudonymise", "keep_raw", "drop", "truncate", "trawl.maintenance", "trawl forget"):
        assert word in text


def test_the_files_that_a_source_is_added_in_are_there() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    steps = text.partition("## To add a source")[2].partition("\n## ")[0]
    named = re.findall(r"`((?:docs|etl_callables|pipelines|schemas|tests)/[\w./-]+)`", steps)
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []
