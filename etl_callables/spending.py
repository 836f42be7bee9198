"""What a job has spent in a month: kept beside its pages, for they go and their price stays.

Below `_trawl/<job>/`:

    spending/<attempt>.json    the pages that an execution of extract knows of, each with its price

A page is in the records of every attempt that met it and counts once, by its key. An execution that
was killed left no record; its pages are then found where they are, until they are in another's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from etl_callables import raw
from etl_callables.cost import Cost, Purse, dollars, total
from etl_callables.errors import RetryLater, Stop
from etl_callables.run import STATE, Run
from etl_callables.store import Missing, Store
from schemas.job import Job

_KEPT: Final = timedelta(days=70)
"""How long a record is of use: its month, and the longest an execution may last."""

_LONGEST: Final = timedelta(days=7)
"""How long before a month an attempt may have begun that paid for something in it."""


class Payment(msgspec.Struct, frozen=True):
    """A page that was paid for: its key, when, and the price in US dollars."""

    page: str
    at: datetime
    usd: float


@dataclass(slots=True)
class Account:
    """What one execution of extract has paid for, adopted pages included, and how much more it may."""

    store: Store
    job: Job
    attempt: str
    run: Run
    cost: Cost | None = None
    paid: dict[str, Payment] = field(default_factory=dict)

    def pay(self, page: str, envelope: raw.Envelope) -> None:
        """Count a page that is in the bucket now."""
        self.cost = total([self.cost, envelope.cost])
        if envelope.cost and envelope.cost.usd:
            self.paid[page] = Payment(page, envelope.fetched_at, envelope.cost.usd)

    @contextmanager
    def keeping(self, purse: Purse) -> Iterator[None]:
        """Fill the purse with what the job's `max_cost` leaves, and keep a record however it ends."""
        bound, now = self.job.max_cost, self.run.now()
        purse.spent = self.cost.usd if self.cost else 0.0
        if bound.month is not None:
            recorded, found = payments(self.store, self.job.id, now)
            before = spent([*recorded, *found])
            self.paid.update({payment.page: payment for payment in found})
            purse.left = round(bound.month - before, 6)
            gone = f"of which {dollars(before)} is spent in {now:%B %Y}"
            purse.bound = f"max_cost.month of {dollars(bound.month)}, {gone},"
        if bound.run is not None:
            left = round(bound.run - purse.spent, 6)
            if purse.left is None or left < purse.left:
                purse.left, purse.bound = left, f"max_cost.run of {dollars(bound.run)}"
        try:
            yield
        finally:
            self._record()

    def _record(self) -> None:
        try:
            record(self.store, self.job.id, self.attempt, self.paid.values(), self.run.now())
        except (RetryLater, Stop) as problem:  # the pages themselves tell, as long as they are there
            self.run.log.warning("What the pages cost could not be recorded: %s", problem)


def payments(store: Store, job_id: str, month: datetime) -> tuple[list[Payment], list[Payment]]:
    """What a job paid in the calendar month (UTC) of a moment: as recorded, and as only pages tell.

    Lists the job's folder, reads the records of that month and the heads of pages that are in none.
    """
    start = month.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = (start + timedelta(days=32)).replace(day=1)
    since = raw.attempt_name(start - _LONGEST)
    recorded: dict[str, Payment] = {}
    pages: list[str] = []
    for entry in store.list(f"{STATE}/{job_id}"):
        folder, _, name = entry.key.rpartition("/")
        if folder.endswith("/spending"):
            if name >= since:
                recorded.update({payment.page: payment for payment in _read(store, entry.key)})
        elif name.endswith(".jsonl.zst") and folder.rpartition("/")[2] >= since:
            pages.append(entry.key)
    found = [payment for key in pages if key not in recorded for payment in of_page(store, key)]
    return (
        [payment for payment in recorded.values() if start <= payment.at < end],
        [payment for payment in found if start <= payment.at < end],
    )


def spent(paid: Iterable[Payment]) -> float:
    """The sum in US dollars."""
    return round(sum(payment.usd for payment in paid), 6)


def of_page(store: Store, key: str) -> list[Payment]:
    """The payment for a page that is in the bucket, none where it cost nothing or is gone."""
    try:
        envelope, _ = raw.stream_page(store, key)
    except Stop:  # expired since it was listed, or damaged: what it cost is not known
        return []
    cost = total([envelope.cost])
    return [Payment(key, envelope.fetched_at, cost.usd)] if cost and cost.usd else []


def record(store: Store, job_id: str, attempt: str, paid: Iterable[Payment], now: datetime) -> None:
    """Keep what an attempt knows of payments, and remove records that no month needs any more."""
    known = sorted(paid, key=lambda payment: payment.page)
    if not known:
        return
    folder = f"{STATE}/{job_id}/spending"
    store.write(f"{folder}/{attempt}.json", msgspec.json.format(msgspec.json.encode(known), indent=2) + b"\n")
    oldest = raw.attempt_name(now - _KEPT)
    store.delete(entry.key for entry in store.list(folder) if entry.key.rpartition("/")[2] < oldest)


def _read(store: Store, key: str) -> list[Payment]:
    try:
        return msgspec.json.decode(store.read(key), type=list[Payment])
    except Missing:  # removed since it was listed
        return []
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise Stop(
            f"{store.url(key)} is damaged ({problem}): delete it, and mind what the month has cost."
        ) from problem
