"""What fetching costs: counted by what was read, at list prices of a day, and held within bounds."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from etl_callables.errors import TrawlError

_EXACT = 6
"""Decimal places of a dollar that are kept, so that sums of cents stay sums of cents."""


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """`usd` US dollars for what was read: `reads` has how often what, by the names of a price table.

    `prices` is the day or month of the table. It is what a source charges at most: what it lets go,
    such as a post that it charged for on the same day, is not known here.
    """

    usd: float
    reads: dict[str, int]
    prices: str


@dataclass(frozen=True, slots=True)
class Prices:
    """A source's list prices in US dollars, by the name of what is read; `as_of` is when they were so."""

    as_of: str
    usd: Mapping[str, float]

    def cost(self, reads: Mapping[str, int]) -> Cost:
        """The price of what was read."""
        counted = {name: count for name, count in sorted(reads.items()) if count}
        usd = sum(self.usd[name] * count for name, count in counted.items())
        return Cost(usd=round(usd, _EXACT), reads=counted, prices=self.as_of)


def total(costs: Iterable[Cost | None]) -> Cost | None:
    """The sum; None of none at all. Its `prices` are those of the last."""
    usd, reads, prices = 0.0, Counter[str](), None
    for cost in costs:
        if cost is not None:
            usd = round(usd + cost.usd, _EXACT)
            reads.update(cost.reads)
            prices = cost.prices
    return None if prices is None else Cost(usd=usd, reads=dict(sorted(reads.items())), prices=prices)


class Spent(TrawlError):  # noqa: N818 - says what is so
    """The purse does not hold what the next question may cost."""


@dataclass(slots=True)
class Purse:
    """What a run may still spend, in US dollars, however many ask for it at once.

    `left` is None without a bound; `bound` says in words which one there is. `spent` is what the run
    has cost so far, what an earlier try of it paid for included.
    """

    left: float | None = None
    bound: str = ""
    spent: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def holds(self, usd: float) -> bool:
        """Whether that much could be spent now."""
        return self.left is None or usd <= self.left + 10**-_EXACT

    @contextmanager
    def paying(self, most: float) -> Iterator[Bill]:
        """Set `most` aside while a question is out, of which what its `Bill` says in the end is spent.

        Raises Spent where the purse does not hold it. A question that fails costs nothing.
        """
        with self._lock:
            if not self.holds(most):
                raise Spent(f"{self.bound} does not pay for {dollars(most)} more")
            self._take(most)
        bill = Bill()
        try:
            yield bill
        finally:
            with self._lock:
                self._take(bill.usd - most)
                self.spent = round(self.spent + bill.usd, _EXACT)

    def _take(self, usd: float) -> None:
        if self.left is not None:
            self.left = round(self.left - usd, _EXACT)


@dataclass(slots=True)
class Bill:
    """What one question cost in US dollars."""

    usd: float = 0.0


def dollars(usd: float) -> str:
    """An amount as people write it, to the cent or as exact as it is: `$0.75`, `$0.005`."""
    text = f"{usd:,.{_EXACT}f}".rstrip("0")
    whole, _, rest = text.partition(".")
    return f"${whole}.{rest:0<2}"
