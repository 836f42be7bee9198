"""Hold every source to the promises, and write the table of it into ARCHITECTURE.md.

Runs the suite (some minutes); with a failure the table is printed and nothing is written.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.sources.conformance.table import Cells, cells, markdown

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "ARCHITECTURE.md"
MARKS = "<!-- conformance: written by `make conformance` -->", "<!-- end of conformance -->"

SUITE = "tests/sources/conformance"
OLD_TABLE = "test_cases.py::test_the_table_in_the_documentation_has_every_source_and_no_broken_promise"
"""Fails until the table is written anew where a source was added: it is not asked here."""


class Collected:
    """Keeps what the run's reports say."""

    found: Cells

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        self.found = cells(terminalreporter.stats)


def written(page: str, table: list[str]) -> str:
    """The page with the table between its marks."""
    begin, end = MARKS
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if len(pattern.findall(page)) != 1:
        raise SystemExit(f"{PAGE.name} has no place for the table: {begin} … {end}")
    return pattern.sub(lambda _: "\n".join([begin, "", *table, "", end]), page)


def main() -> int:
    """Run, and write; the exit code is pytest's."""
    collected = Collected()
    options = ["-q", "-n", "2", "--dist", "loadgroup", "--deselect", f"{SUITE}/{OLD_TABLE}"]
    code = pytest.main(["--rootdir", str(ROOT), *options, str(ROOT / SUITE)], [collected])
    if code == pytest.ExitCode.OK:
        PAGE.write_text(
            written(PAGE.read_text(encoding="utf-8"), markdown(collected.found)), encoding="utf-8"
        )
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
