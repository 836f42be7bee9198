"""Each change in tests/plan, made in a real repository, prints exactly what is written beside it.

A case is a folder: before/ and after/ are pipelines folders, plan.txt and plan.md what is printed.
`REGENERATE=1 pytest tests/trawl/test_plan_golden.py` writes those anew; look at every line that changes.
"""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from tests.trawl.repositories import commit, git, new
from trawl.plan import Plan, plan
from trawl.plan.printing import printed

CASES = sorted(path for path in (Path(__file__).resolve().parents[1] / "plan").iterdir() if path.is_dir())
NOW = datetime(2025, 6, 15, 10, 30, tzinfo=UTC)
FORMS = {"plan.txt": "text", "plan.md": "markdown"}


def change(case: Path, folder: Path) -> Path:
    """A repository on a branch where the files are as after the change; main has them as before."""
    project = new(folder / "project")
    shutil.copytree(case / "before", project / "pipelines", copy_function=shutil.copyfile)
    commit(project)
    git(project, "switch", "--quiet", "--create", "change")
    shutil.rmtree(project / "pipelines")
    shutil.copytree(case / "after", project / "pipelines", copy_function=shutil.copyfile)
    return project


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_change_prints_exactly_its_plan(case: Path, tmp_path: Path) -> None:
    project = change(case, tmp_path)
    of_the_files = plan(project, now=NOW)
    for name, form in FORMS.items():
        text = click.unstyle(printed(of_the_files, form, NOW))
        if "REGENERATE" in os.environ:
            (case / name).write_text(text, encoding="utf-8")
        assert text == (case / name).read_text(encoding="utf-8")
    commit(project, "the change")
    assert same(plan(project, head="HEAD", now=NOW), of_the_files)


def same(one: Plan, other: Plan) -> bool:
    """Whether two plans read the same in every form."""
    return all(printed(one, form, NOW) == printed(other, form, NOW) for form in ("text", "markdown", "json"))


def test_there_are_at_least_thirty_changes() -> None:
    assert len(CASES) >= 30
