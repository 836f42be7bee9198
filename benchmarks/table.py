"""Tables on a terminal, and targets beside them."""

from collections.abc import Sequence
from typing import NamedTuple


class Target(NamedTuple):
    """What a figure should reach: at most `most` (or at least, where `at_least`)."""

    what: str
    value: float
    goal: float
    unit: str = ""
    at_least: bool = False

    def __str__(self) -> str:
        met = self.value >= self.goal if self.at_least else self.value <= self.goal
        bound = "at least" if self.at_least else "at most"
        verdict = "met" if met else "NOT met"
        return (
            f"  target {verdict:<8} {self.what}: {figure(self.value)}{self.unit}"
            f" ({bound} {figure(self.goal)}{self.unit})"
        )


class Table(NamedTuple):
    """What was measured: rows of cells under a heading, notes, and the targets it was measured for."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | float | None]]
    targets: Sequence[Target] = ()
    notes: Sequence[str] = ()

    def __str__(self) -> str:
        cells = [list(self.columns), *([_cell(cell) for cell in row] for row in self.rows)]
        widths = [max(len(row[place]) for row in cells) for place in range(len(self.columns))]
        lines = ["  " + "  ".join(_padded(row, widths)) for row in cells]
        lines.insert(1, "  " + "  ".join("-" * width for width in widths))
        notes = [f"  {note}" for note in self.notes]
        return "\n".join([self.title, *lines, *notes, *map(str, self.targets)]) + "\n"


def figure(value: float) -> str:
    """A number with three digits that matter."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def _cell(cell: str | float | None) -> str:
    if cell is None:
        return "-"
    return cell if isinstance(cell, str) else figure(cell)


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *others = zip(row, widths, strict=True)
    return [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
