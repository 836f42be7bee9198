"""Work in other threads comes in order, ends with whoever waits for it, and fails where it is used."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_callables.ahead import Behind, ahead, side_by_side


def alive() -> int:
    return sum(thread.name == "trawl-ahead" for thread in threading.enumerate())


@given(st.lists(st.lists(st.integers(), max_size=8), max_size=12), st.integers(1, 5), st.integers(1, 3))
def test_the_items_of_all_parts_come_in_the_order_of_the_parts(
    parts: list[list[int]], threads: int, depth: int
) -> None:
    assert list(side_by_side(parts, threads, depth)) == [item for part in parts for item in part]
    assert alive() == 0


def test_so_many_parts_are_produced_at_a_time_and_no_more() -> None:
    together = threading.Barrier(3)
    most = [0]
    running = [0]
    lock = threading.Lock()

    def part(number: int) -> Iterator[int]:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        if number < 3:
            together.wait(10)  # only if the three are there at once does it go on
        with lock:
            running[0] -= 1
        yield number

    assert list(side_by_side(map(part, range(9)), 3)) == list(range(9))
    assert most[0] == 3


def test_what_a_part_raises_is_raised_in_its_turn() -> None:
    def broken() -> Iterator[int]:
        yield 2
        raise LookupError("gone")

    items = side_by_side([[1], broken(), [3]], 3)
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(LookupError, match="gone"):
        next(items)
    assert alive() == 0


def test_leaving_early_stops_all_parts() -> None:
    def endless() -> Iterator[int]:
        number = 0
        while True:
            yield number
            number += 1

    items = side_by_side((endless() for _ in range(10)), 4)
    assert [next(items) for _ in range(50)] == list(range(50))
    assert alive() == 4
    items.close()
    assert alive() == 0
    one = ahead(endless())
    assert next(one) == 0
    one.close()  # type: ignore[attr-defined]  # it is a generator
    assert alive() == 0


def test_work_behind_goes_on_so_many_pieces_at_a_time_and_is_done_at_the_end() -> None:
    together = threading.Barrier(3)
    done: list[int] = []
    with Behind(3) as behind:
        for number in range(9):
            behind.do(lambda number=number: (together.wait(10), done.append(number)))  # type: ignore[misc]
    assert sorted(done) == list(range(9))


def test_work_that_is_not_behind_is_waited_for() -> None:
    done: list[int] = []
    with Behind(0) as behind:
        behind.do(lambda: done.append(1))
        assert done == [1]


def test_what_goes_wrong_behind_is_raised_at_the_latest_at_the_end() -> None:
    def fail() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"), Behind(2) as behind:
        behind.do(fail)


def test_what_goes_wrong_behind_does_not_hide_what_went_wrong_before() -> None:
    def fail() -> None:
        raise LookupError("gone")

    def work() -> None:
        with Behind(2) as behind:
            behind.do(fail)
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        work()
