"""What the project says of itself is true."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pins(lock: str) -> dict[str, set[Version]]:
    """What a lock pins, by package; several versions where they differ by Python."""
    found: dict[str, set[Version]] = {}
    text = (ROOT / lock).read_text(encoding="utf-8")
    for name, version in re.findall(r"^([a-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)", text, re.MULTILINE):
        found.setdefault(name, set()).add(Version(version))
    return found


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.decode().split("\0") if name and (ROOT / name).exists()]


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        (
            "requirements.txt",
            [
                *PROJECT["dependencies"],
                *PROJECT["optional-dependencies"]["airflow"],
                *PROJECT["optional-dependencies"]["iceberg"],
            ],
        ),
        ("requirements-check.txt", PROJECT["dependencies"]),
        ("requirements-dev.txt", [r for extra in PROJECT["optional-dependencies"].values() for r in extra]),
    ],
)
def test_the_lock_follows_from_the_short_list(lock: str, wanted: list[str]) -> None:
    locked = pins(lock)
    for requirement in map(Requirement, wanted):
        name = requirement.name.lower().replace("_", "-")
        assert name in locked, f"{name} is not in {lock}; run: make lock"
        assert all(requirement.specifier.contains(version) for version in locked[name]), name


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-check.txt"])
def test_the_locks_agree(lock: str) -> None:
    development = pins("requirements-dev.txt")
    assert {name: development.get(name) for name in pins(lock)} == pins(lock)


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-check.txt", "requirements-dev.txt"])
def test_every_pin_has_hashes_and_no_registry_is_named(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert "index" not in "".join(line for line in text.splitlines() if line.startswith("-"))
    for entry in re.split(r"\n(?=[a-z0-9])", text)[1:]:
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


def test_generated_pages_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/docs.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_link_and_picture_of_the_pages_is_there() -> None:
    for page in (
        ROOT / "README.md",
        ROOT / "ARCHITECTURE.md",
        ROOT / "CHANGELOG.md",
        *ROOT.glob("docs/*.md"),
    ):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} points at {target}"


def test_every_command_of_the_readme_exists() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)", text)) - {"sure"} <= targets


def test_continuous_integration_runs_the_readmes_test_command() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_snscrapes_licence_is_named_where_people_look() -> None:
    assert all(
        "GPL" in (ROOT / page).read_text(encoding="utf-8") or "GNU" in (ROOT / page).read_text()
        for page in ("README.md", "NOTICE")
    )


def test_no_committed_file_is_large() -> None:
    assert [path.name for path in tracked() if path.stat().st_size > 1 << 20] == []


def test_tests_that_share_a_server_run_one_after_another(tmp_path: Path) -> None:
    (tmp_path / "test_group.py").write_text(
        "import os, pathlib, pytest\n"
        "@pytest.mark.xdist_group('one server')\n"
        "@pytest.mark.parametrize('number', range(8))\n"
        "def test_it(number):\n"
        "    pathlib.Path(os.environ['PYTEST_XDIST_WORKER']).touch()\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "test_group.py"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert len(list(tmp_path.glob("gw*"))) == 1
