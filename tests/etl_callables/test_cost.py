"""Money: sums are exact, a purse never gives more than it holds, and what was paid is known for ever."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_callables import raw
from etl_callables.cost import Cost, Prices, Purse, Spent, dollars, total
from etl_callables.errors import RetryLater, Stop
from etl_callables.extraction import extract
from etl_callables.loading import load
from etl_callables.manifest import read_manifest
from etl_callables.post import Post, Skipped
from etl_callables.run import Run, prefix
from etl_callables.sources import Page, Request, source_for
from etl_callables.spending import payments, spent
from etl_callables.store import open_store
from etl_callables.transformation import transform
from schemas.job import Job, MaxCost
from tests.etl_callables.jobs import NEXT_DAY, NOON, WINDOW, a_run, job, tweet

PRICES = Prices("2026-04", {"post": 0.005, "user": 0.01})


@given(st.lists(st.integers(0, 1000), max_size=50))
def test_a_sum_of_cents_is_exact(numbers: list[int]) -> None:
    found = total([PRICES.cost({"post": number, "user": number % 3}) for number in numbers])
    reads = {"post": sum(numbers), "user": sum(number % 3 for number in numbers)}
    if not numbers:
        assert found is None
        return
    assert found is not None
    assert found.usd == round(reads["post"] * 0.005 + reads["user"] * 0.01, 6)
    assert found.reads == {name: count for name, count in reads.items() if count}
    assert found.prices == "2026-04"


def test_free_pages_cost_nothing_and_not_zero() -> None:
    assert total([None, None]) is None
    assert total([None, PRICES.cost({})]) == Cost(usd=0, reads={}, prices="2026-04")


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (0, "$0.00"),
        (0.005, "$0.005"),
        (0.75, "$0.75"),
        (2.5, "$2.50"),
        (1234.5, "$1,234.50"),
        (-0.01, "$-0.01"),
    ],
)
def test_amounts_are_written_as_people_do(usd: float, text: str) -> None:
    assert dollars(usd) == text


@given(st.floats(0, 3), st.lists(st.tuples(st.integers(0, 200), st.floats(0, 1)), max_size=30))
def test_a_purse_never_gives_more_than_it_holds(left: float, questions: list[tuple[int, float]]) -> None:
    purse, given_out = Purse(left, "max_cost"), 0.0
    for most, share in questions:
        try:
            with purse.paying(most * 0.005) as bill:
                bill.usd = round(int(most * share) * 0.005, 6)
        except Spent as problem:
            assert str(problem).startswith("max_cost does not pay for $")  # noqa: PT017 - one way of two
            assert most * 0.005 > left - given_out - 1e-5
        else:
            given_out += bill.usd
    assert given_out <= left + 1e-5
    assert purse.left == pytest.approx(left - given_out, abs=1e-4)
    assert purse.spent == pytest.approx(given_out, abs=1e-4)


def test_what_is_set_aside_for_a_question_is_not_there_for_another() -> None:
    purse = Purse(1.0)
    with purse.paying(0.75):
        assert not purse.holds(0.5)
        with pytest.raises(Spent), purse.paying(0.5):
            pass
    assert purse.left == 1.0


def test_a_question_that_fails_costs_nothing() -> None:
    purse = Purse(1.0)
    with pytest.raises(RetryLater), purse.paying(0.75):
        raise RetryLater("no answer")
    assert purse.left == 1.0


def test_many_may_spend_at_once() -> None:
    purse, paid = Purse(1.0), []

    def ask() -> None:
        for _ in range(50):
            try:
                with purse.paying(0.02) as bill:
                    bill.usd = 0.02
                paid.append(bill.usd)
            except Spent:
                return

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert round(sum(paid), 6) == 1.0
    assert purse.left == 0


def test_without_a_bound_there_is_always_more() -> None:
    with Purse().paying(1e9) as bill:
        bill.usd = 1e9
    assert Purse().holds(1e12)


# --- a source that charges -------------------------------------------------------------------------


class Shop:
    """Pages of one post for a price; `dies` is the number of the page at which the process ends."""

    PLATFORM = "nowhere"
    REPEATS = False

    def __init__(self, pages: int, price: float = 0.25, dies: int | None = None) -> None:
        self.last, self.price, self.dies = pages - 1, price, dies
        self.asked: list[int] = []

    def version(self) -> str:
        return "shop 1"

    def pages(self, request: Request, cursor: str | None, run: Run) -> Iterator[Page]:
        del run
        for number in range(int(cursor or 0), self.last + 1):
            if number == self.dies:
                raise SystemExit
            try:
                with request.purse.paying(self.price) as bill:
                    self.asked.append(number)
                    bill.usd = self.price
            except Spent as problem:
                yield Page((), None, f"{problem}.")
                return
            cost = Cost(usd=self.price, reads={"post": 1}, prices="2026-04")
            yield Page((b"%d" % (number + 1),), None if number == self.last else str(number + 1), cost=cost)

    def posts(self, body: bytes, *_: object) -> Iterator[Post | Skipped]:
        return source_for("archive", "files").posts(tweet(int(body), NOON), NOON)


def bought(ours: Job, source: Shop, run: Run) -> raw.Done:
    result = extract(ours, WINDOW, run, source=source)
    return raw.read_done(open_store(ours, run), result["raw"])


def at(moment: datetime, run: str = "cli") -> Run:
    return a_run(now=lambda: moment, id=run)


def killed(ours: Job, source: Shop, run: Run) -> None:
    """Run until the source dies, as a process that has no time to write anything more down."""
    store = open_store(ours, run)
    before = {entry.key for entry in store.list(f"_trawl/{ours.id}/spending")}
    with pytest.raises(SystemExit):
        bought(ours, source, run)
    store.delete({entry.key for entry in store.list(f"_trawl/{ours.id}/spending")} - before)


def month(ours: Job, moment: datetime = NEXT_DAY) -> float:
    recorded, found = payments(open_store(ours, a_run()), ours.id, moment)
    return spent([*recorded, *found])


def test_what_pages_cost_is_in_the_end_record_and_in_the_manifest(tmp_path: Path) -> None:
    ours, run = job(tmp_path, columns=()), a_run()
    source = Shop(4)
    done = bought(ours, source, run)
    assert done.cost == Cost(usd=1.0, reads={"post": 4}, prices="2026-04")
    assert month(ours) == 1.0


def test_the_manifest_says_what_its_pages_cost(tmp_path: Path) -> None:
    ours, run = job(tmp_path), a_run()
    store = open_store(ours, run)
    result = extract(ours, WINDOW, run, source=Shop(4))
    # The pages are read by the archive here, to which the numbers on them are no posts.
    load(ours, WINDOW, run, transform(ours, WINDOW, run, result))
    manifest = read_manifest(store, prefix(ours, WINDOW, run))
    assert manifest is not None
    assert manifest.cost == Cost(usd=1.0, reads={"post": 4}, prices="2026-04")
    assert month(ours) == 1.0


@pytest.mark.parametrize(("bound", "pages"), [(0.25, 1), (0.6, 2), (0.75, 3), (1.0, 4), (9.0, 4)])
def test_a_run_stops_before_it_costs_more_and_says_so(tmp_path: Path, bound: float, pages: int) -> None:
    source = Shop(4)
    done = bought(job(tmp_path, max_cost=MaxCost(run=bound)), source, a_run())
    assert source.asked == list(range(pages))
    assert (done.posts, done.cost and done.cost.usd) == (pages, pages * 0.25)
    assert done.complete is (pages == 4)
    if pages < 4:
        assert done.truncated == f"max_cost.run of {dollars(bound)} does not pay for $0.25 more."


@pytest.mark.parametrize(
    ("bound", "pages", "said"),
    [(MaxCost(1.0, 0.5), 2, "max_cost.month"), (MaxCost(0.5, 1.0), 2, "max_cost.run")],
)
def test_of_two_bounds_the_narrower_holds(tmp_path: Path, bound: MaxCost, pages: int, said: str) -> None:
    done = bought(job(tmp_path, max_cost=bound), Shop(4), a_run())
    assert done.posts == pages
    assert done.truncated is not None
    assert done.truncated.startswith(said)


def test_a_run_that_is_tried_again_has_what_its_first_try_left(tmp_path: Path) -> None:
    ours = job(tmp_path, max_cost=MaxCost(run=0.75))
    killed(ours, Shop(4, dies=2), a_run())
    source = Shop(4)
    done = bought(ours, source, a_run())
    assert source.asked == [2]
    assert (done.posts, done.cost and done.cost.usd, done.complete) == (3, 0.75, False)


def test_all_runs_of_a_month_share_its_bound_whatever_became_of_them(tmp_path: Path) -> None:
    """One ends, one is killed, one is killed and its pages are swept away; a new month begins at nothing."""
    ours = job(tmp_path, max_cost=MaxCost(month=2.0))
    first = datetime(2021, 7, 6, 1, tzinfo=UTC)
    assert bought(ours, Shop(2), at(first, "one")).complete
    assert month(ours, first) == 0.5
    killed(ours, Shop(4, dies=1), at(first + timedelta(hours=1), "two"))
    assert month(ours, first) == 0.75
    third = at(first + timedelta(hours=2), "three")
    load(ours, WINDOW, third, transform(ours, WINDOW, third, extract(ours, WINDOW, third, source=Shop(2))))
    assert month(ours, first) == 1.25
    attempts = raw.attempts(open_store(ours, third), prefix(ours, WINDOW, third))
    assert len(attempts) == 1, "load has swept the pages of the others away"
    done = bought(ours, Shop(9), at(first + timedelta(days=20), "four"))
    assert (done.posts, done.complete) == (3, False)
    assert done.truncated == (
        "max_cost.month of $2.00, of which $1.25 is spent in July 2021, does not pay for $0.25 more."
    )
    assert month(ours, first) == 2.0
    assert bought(ours, Shop(4), at(datetime(2021, 8, 1, tzinfo=UTC), "five")).complete
    assert (month(ours, first), month(ours, datetime(2021, 8, 31, tzinfo=UTC))) == (2.0, 1.0)


def test_a_page_is_paid_once_in_however_many_records_it_is(tmp_path: Path) -> None:
    ours = job(tmp_path, max_cost=MaxCost(month=5.0))
    for dies in (1, 2, 3):
        killed(ours, Shop(4, dies=dies), at(NEXT_DAY + timedelta(minutes=dies)))
        assert month(ours) == dies * 0.25
    assert bought(ours, Shop(4), at(NEXT_DAY + timedelta(minutes=9))).cost == Cost(
        usd=1.0, reads={"post": 4}, prices="2026-04"
    )
    assert month(ours) == 1.0


def test_another_job_has_a_month_of_its_own(tmp_path: Path) -> None:
    bought(job(tmp_path), Shop(4), a_run())
    assert month(job(tmp_path, id="team.posts.else")) == 0
    assert month(job(tmp_path, id="team")) == 0


def test_records_that_no_month_needs_are_removed(tmp_path: Path) -> None:
    ours = job(tmp_path)
    store = open_store(ours, a_run())
    for days in (0, 30, 60, 90):
        bought(ours, Shop(1), at(NEXT_DAY + timedelta(days=days), str(days)))
    kept = [entry.key for entry in store.list("_trawl/team.posts/spending")]
    assert [key.rpartition("/")[2][:8] for key in kept] == ["20210805", "20210904", "20211004"]


def test_a_record_that_is_damaged_stops_rather_than_spend_blindly(tmp_path: Path) -> None:
    ours = job(tmp_path, max_cost=MaxCost(month=5.0))
    store = open_store(ours, a_run())
    store.write(f"_trawl/{ours.id}/spending/{raw.new_attempt(NEXT_DAY)}.json", b"{")
    source = Shop(1)
    with pytest.raises(Stop, match="is damaged"):
        bought(ours, source, a_run())
    assert source.asked == []


def test_sources_that_charge_nothing_leave_no_record(tmp_path: Path) -> None:
    class Free(Shop):
        def pages(self, *_: Any) -> Iterator[Page]:
            yield Page((b"1",), None)

    done = bought(job(tmp_path), Free(1), a_run())
    assert done.cost is None
    assert list(open_store(job(tmp_path), a_run()).list("_trawl/team.posts/spending")) == []


def test_pages_of_before_costs_were_told_are_read(tmp_path: Path) -> None:
    """Their envelopes and end records have no cost, or null."""
    old = {"usd": 0.5, "reads": {}, "prices": "x"}
    assert msgspec.convert(old, Cost).usd == 0.5
    ours = job(tmp_path)
    done = bought(ours, Shop(1), a_run())
    plain = msgspec.to_builtins(done) | {"cost": None}
    assert msgspec.convert(plain, raw.Done).cost is None
