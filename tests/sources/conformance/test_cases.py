"""Every source is held to the promises, and the table tells what the suite found."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from etl_callables.sources import ONE_AT_A_TIME, SOURCES, source_for
from scripts.conformance import MARKS
from tests.sources.conformance import table
from tests.sources.conformance.cases import MODULES, missing


def test_every_source_has_a_case() -> None:
    assert missing() == []


def report(*about: str) -> SimpleNamespace:
    return SimpleNamespace(user_properties=[(table.NAME, list(about))])


def test_of_several_tests_of_a_cell_the_worst_counts() -> None:
    one, two = ("1", "exact", "a", "x"), ("1", "exact", "b", "y")
    stats = {
        "passed": [report(*one), report(*one), report(*two)],
        "skipped": [report(*two), report("2", "deep", "a", "x")],
        "failed": [report(*one)],
        "error": [report("2", "deep", "b", "y")],
    }
    assert table.markdown(table.cells(stats)) == [
        "| promise | a (x) | b (y) |",
        "|---|---|---|",
        "| 1 exact | NO | yes |",
        "| 2 deep | n/a | NO |",
    ]


def test_sources_without_a_past_run_one_at_a_time() -> None:
    found = {
        (source, via)
        for source, providers in SOURCES.items()
        for via in providers
        if getattr(source_for(source, via), "INCREMENTAL", False)
    }
    assert found == ONE_AT_A_TIME


def test_the_table_in_the_documentation_has_every_source_and_no_broken_promise() -> None:
    page = (Path(__file__).parents[3] / "ARCHITECTURE.md").read_text(encoding="utf-8")
    begin, end = MARKS
    lines = [line for line in page.partition(begin)[2].partition(end)[0].splitlines() if line]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    columns = ["promise", *sorted(f"{source} ({via})" for source, via in MODULES)]
    assert cells[0] == columns, "ARCHITECTURE.md wants another table: run `make conformance`"
    assert {word for row in cells[2:] for word in row[1:]} == {"yes", "n/a"}
