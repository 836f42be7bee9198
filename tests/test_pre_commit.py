"""The real pre-commit runs our hooks: in this project, and in another that only holds jobs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trawl.repositories import ENVIRONMENT, commit, git, new

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pre-commit")]

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
JOB = "source: archive\noptions: {files: a.jsonl}\nbucket: s3://my-bucket\nkey: '{job}/{date}.csv'\n"


def pre_commit(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The outcome of pre-commit, whose own files stay out of the person's home."""
    pip = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))}
    return subprocess.run(
        [BIN / "pre-commit", *words],
        cwd=folder,
        env={
            **ENVIRONMENT,
            **pip,
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder.parent),
            "PRE_COMMIT_HOME": str(folder.parent / "pre-commit"),
            "PRE_COMMIT_COLOR": "never",
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh clone of this repository, as it was committed last."""
    folder = tmp_path_factory.mktemp("fresh") / "trawl"
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    git(folder.parent, "-c", "safe.directory=*", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder))
    return folder


@pytest.fixture(scope="module")
def jobs(fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another repository, which has jobs and uses our hooks at the commit of the fresh one."""
    folder = new(tmp_path_factory.mktemp("other") / "jobs")
    revision = git(fresh, "rev-parse", "HEAD").strip()
    (folder / ".pre-commit-config.yaml").write_text(
        f"repos:\n  - repo: {fresh}\n    rev: {revision}\n    hooks: [{{id: trawl-check}}]\n"
    )
    (folder / "pipelines").mkdir()
    (folder / "pipelines" / "covid.yaml").write_text(JOB)
    (folder / "README.md").write_text("jobs\n")
    commit(folder)
    return folder


def test_good_jobs_of_another_repository_pass(jobs: Path) -> None:
    done = pre_commit(jobs, "run", "--all-files")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "trawl check" in done.stdout
    assert "Passed" in done.stdout


def test_a_bad_job_stops_the_commit_with_its_line(jobs: Path) -> None:
    installed = pre_commit(jobs, "install")
    assert installed.returncode == 0, installed.stderr
    bad = jobs / "pipelines" / "bad.yaml"
    bad.write_text(JOB.replace("bucket:", "buckt:"))
    git(jobs, "add", "--all")
    environment = {
        **ENVIRONMENT,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PRE_COMMIT_HOME": str(jobs.parent / "pre-commit"),
        "PRE_COMMIT_COLOR": "never",
    }
    command = ["git", "commit", "--message", "bad"]
    done = subprocess.run(command, cwd=jobs, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'pipelines/bad.yaml:3:1: unknown key "buckt"; did you mean "bucket"?' in done.stdout + done.stderr
    assert "3 | buckt: s3://my-bucket" in done.stdout + done.stderr
    bad.unlink()
    git(jobs, "add", "--all")


def test_a_change_without_jobs_does_not_run_the_hook(jobs: Path) -> None:
    done = pre_commit(jobs, "run", "--files", "README.md")
    assert (done.returncode, "Skipped" in done.stdout) == (0, True)


def test_a_job_that_writes_the_object_of_an_unchanged_one_is_found(jobs: Path) -> None:
    (jobs / "pipelines" / "other.yaml").write_text(JOB.replace("{job}", "covid"))
    git(jobs, "add", "--all")
    done = pre_commit(jobs, "run", "--files", "pipelines/other.yaml")
    assert (done.returncode, "same-object" in done.stdout) == (1, True)
    (jobs / "pipelines" / "other.yaml").unlink()
    git(jobs, "add", "--all")


def test_the_hook_brings_little_with_it(jobs: Path) -> None:
    """No Airflow, no pandas: a few small packages, installed in seconds."""
    pre_commit(jobs, "run", "--all-files")
    (site,) = (jobs.parent / "pre-commit").glob("repo*/py_env-*/lib/python*/site-packages")
    installed = {path.name.split("-")[0] for path in site.glob("*.dist-info")}
    assert installed - {"pip", "setuptools", "wheel"} <= {"click", "msgspec", "pyyaml", "PyYAML", "trawl"}


@pytest.mark.parametrize(
    "words",
    ["check", "show covid", "plan --base HEAD", "docs limit", "sources", "schema", "completion bash"],
)
def test_what_the_hook_brings_is_enough_for_whoever_writes_and_reviews(jobs: Path, words: str) -> None:
    """In the hook's own environment, which has none of what runs a job."""
    pre_commit(jobs, "run", "--all-files")
    (program,) = (jobs.parent / "pre-commit").glob("repo*/py_env-*/bin/trawl")
    done = subprocess.run(
        [program, *words.split()], cwd=jobs, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_fixing_hook_mends_and_stops_the_commit_to_be_looked_at(jobs: Path, fresh: Path) -> None:
    bad = jobs / "pipelines" / "bad.yaml"
    bad.write_text(JOB.replace("bucket:", "buckt:"))
    git(jobs, "add", "--all")
    config = (jobs / ".pre-commit-config.yaml").read_text().replace("trawl-check", "trawl-fix")
    (jobs / "fix.yaml").write_text(config)
    git(jobs, "add", "--all")
    done = pre_commit(jobs, "run", "--all-files", "--config", "fix.yaml")
    assert done.returncode == 1, fresh
    assert "files were modified by this hook" in done.stdout
    assert bad.read_text() == JOB
    for path in (bad, jobs / "fix.yaml"):
        path.unlink()
    git(jobs, "add", "--all")


@pytest.fixture(scope="module")
def own(fresh: Path) -> Path:
    """The fresh repository with an environment, as `make dev` leaves it.

    What mypy knows of other people's packages comes along, where it has looked at them: that takes half a
    minute, and says nothing of ours, which it compares by content.
    """
    (fresh / ".venv").symlink_to(BIN.parent)
    if (known := ROOT / ".mypy_cache").is_dir():
        shutil.copytree(known, fresh / ".mypy_cache")
    return fresh


def test_our_own_hooks_pass_on_a_fresh_clone(own: Path) -> None:
    done = pre_commit(own, "run", "--all-files")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "text", "hook"),
    [
        ("pipelines/bad.yaml", JOB.replace("bucket:", "buckt:"), "trawl-check"),
        ("trawl/bad.py", '"""Spaced."""\n\nx  =  1\n', "ruff-format"),
        ("trawl/bad.py", '"""Unused."""\n\nimport os\n', "ruff"),
        ("trawl/bad.py", '"""Untyped."""\n\nX: int = "x"\n', "mypy"),
    ],
)
def test_our_own_hooks_stop_what_they_are_for(own: Path, name: str, text: str, hook: str) -> None:
    path = own / name
    path.write_text(text)
    git(own, "add", "--all", "--", name)
    done = pre_commit(own, "run", hook, "--files", name)
    path.unlink()
    git(own, "add", "--all", "--", name)
    assert done.returncode == 1, done.stdout + done.stderr
