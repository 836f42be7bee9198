"""Rows of cells on a terminal: in columns where they fit, else one cell below the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest


def table(rows: Sequence[Sequence[str]], indent: str, width: int | None = None) -> list[str]:
    """The lines of a table, each column as wide as it needs to be.

    Where that is more than `width` (None: as much as it takes), a row takes several lines, its first cell
    alone on the first of them.
    """
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    if width is None or len(indent) + sum(widths) + 2 * (len(widths) - 1) <= width:
        return [(indent + "  ".join(map(str.ljust, row, widths))).rstrip() for row in rows]
    lines = []
    for first, *others in rows:
        lines.append(f"{indent}{first}")
        lines += [f"{indent}    {cell}" for cell in others if cell]
    return lines
