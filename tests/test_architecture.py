"""The house holds: dependencies point down only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = ("schemas", "etl_callables", "trawl", "dags")
"""From the ground up: each may import those before it."""


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def files(floor: str) -> list[Path]:
    return sorted((ROOT / floor).rglob("*.py"))


@pytest.mark.parametrize("floor", FLOORS)
def test_no_module_imports_from_a_floor_above_its_own(floor: str) -> None:
    above = FLOORS[FLOORS.index(floor) + 1 :]
    found = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files(floor)
        for name in imports(path)
        if name.split(".")[0] in above
    ]
    assert found == []


@pytest.mark.parametrize(
    ("floor", "never"),
    [
        ("schemas", {"airflow", "pandas", "pyarrow", "fsspec", "s3fs", "snscrape", "rich"}),
        ("etl_callables", {"airflow", "dagfactory", "click", "rich"}),
    ],
)
def test_the_lower_floors_stay_light(floor: str, never: set[str]) -> None:
    found = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files(floor)
        for name in imports(path)
        if name.split(".")[0] in never
    ]
    assert found == []


def test_only_the_modules_that_fetch_through_snscrape_import_it() -> None:
    found = {
        path.name
        for floor in FLOORS
        for path in files(floor)
        for name in imports(path)
        if name.split(".")[0] == "snscrape"
    }
    assert all(name.endswith("_snscrape.py") for name in found)


def test_the_loader_files_hold_no_logic() -> None:
    for path in files("dags"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        kinds = {type(node) for node in tree.body}
        assert kinds <= {ast.Expr, ast.ImportFrom}, path.name
        assert len(tree.body) <= 4, path.name
