"""What X's posts cost, as tables for the documentation, from the one table of prices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from etl_callables.cost import dollars
from etl_callables.sources import x_prices

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "sources.md"
BEGIN: Final = "<!-- Costs: generated from etl_callables/sources/x_prices.py by `make docs`. -->"
END: Final = "<!-- End of costs -->"

_RUNS: Final = (100, 150, 1_000, 10_000, 100_000)
_EXPANSIONS: Final[Sequence[tuple[str, Sequence[str]]]] = (
    ("posts alone", ()),
    ("`author`", ("author",)),
    ("`media`", ("media",)),
    ("`references`", ("references",)),
)


def page() -> str:
    """The page about sources, its tables of costs made anew."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{costs()}\n\n{END}{after}"


def costs() -> str:
    """What each thing costs, and what runs of several sizes cost at most, as Markdown."""
    prices = [
        f"X's list prices of {x_prices.PRICES.as_of}, in US dollars:",
        "",
        *_table(["what", "each"], [[name, dollars(usd)] for name, usd in x_prices.PRICES.usd.items()]),
    ]
    rows = [[f"{limit:,}", *(_most(limit, expand) for _, expand in _EXPANSIONS)] for limit in _RUNS]
    runs = [
        "What a search costs a run, at most, with nothing to tell besides or with one of `options.expand`:",
        "",
        *_table(["`limit`", *(name for name, _ in _EXPANSIONS)], rows),
    ]
    return "\n".join([*prices, "", *runs])


def _most(limit: int, expand: Sequence[str]) -> str:
    cost = x_prices.of_run(limit, {"expand": expand})
    return "" if cost is None else dollars(cost.usd)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---", *(["---:"] * (len(head) - 1))], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]
