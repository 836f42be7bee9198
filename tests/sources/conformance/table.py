"""Which source keeps which promise: collected from the suite's tests, printed at the end of a run.

A cell is `yes`, `n/a` where a promise cannot be broken by that source (its service has no such
thing), or `NO`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest

NAME: Final = "conformance"
Cells = dict[tuple[str, str], dict[str, str]]
"""(promise, check) -> source -> word."""

WORDS: Final = {"passed": "yes", "skipped": "n/a", "failed": "NO"}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[Any]:
    """Note on the report which promise and which source it is about."""
    report = yield
    marker = item.get_closest_marker("promise")
    if marker is not None and (call.when == "call" or report.outcome != "passed"):
        case = item.callspec.params["case"]  # type: ignore[attr-defined]  # every test of the suite has one
        report.user_properties.append((NAME, [*marker.args, case.source, case.via]))
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table where the suite ran."""
    found = cells(terminalreporter.stats)
    if len(found) > 1:
        terminalreporter.section("sources and promises")
        for line in markdown(found):
            terminalreporter.write_line(line)


def cells(stats: Mapping[str, list[Any]]) -> Cells:
    """What the tests found, the worst word where several are about one cell."""
    order = list(WORDS.values())
    found: Cells = {}
    for outcome, word in WORDS.items():
        for report in stats.get(outcome, []) + (stats.get("error", []) if outcome == "failed" else []):
            for name, value in getattr(report, "user_properties", ()):
                if name == NAME:
                    promise, check, source, via = value
                    row = found.setdefault((promise, check), {})
                    column = f"{source} ({via})"
                    before = row.get(column)
                    # Of several tests, one that applies says more than one that does not.
                    worst = word if before in {None, "n/a"} else max(before, word, key=order.index)
                    row[column] = before if before and word == "n/a" else worst
    return found


def markdown(found: Mapping[tuple[str, str], Mapping[str, str]]) -> list[str]:
    """The table's lines: a row a check, in the order of the promises; a column a source."""
    columns = sorted({column for row in found.values() for column in row})
    lines = [
        "| promise | " + " | ".join(columns) + " |",
        "|---|" + "---|" * len(columns),
    ]
    for (promise, check), row in sorted(found.items()):
        lines.append(f"| {promise} {check} | " + " | ".join(row.get(column, "") for column in columns) + " |")
    return lines
