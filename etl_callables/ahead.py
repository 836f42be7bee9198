"""Steps of a pipeline in threads of their own. What runs there must let go of the interpreter's lock."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Generic, Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_END: Final = object()


def ahead(items: Iterable[T], depth: int = 2) -> Iterator[T]:
    """The same items, produced by another thread at most `depth` ahead of their use.

    What the producer raises is raised here. Leaving the loop early stops the producer.
    """
    producer = _Producer(items, depth)
    try:
        yield from producer.items()
    finally:
        producer.stop()


def side_by_side(parts: Iterable[Iterable[T]], threads: int, depth: int = 2) -> Generator[T, None, None]:
    """The items of all parts, in the order of the parts, `threads` of which are produced at a time.

    Each part is at most `depth` items ahead of its use. What a part raises is raised when its turn
    comes. Leaving the loop early stops all of them.
    """
    running: deque[_Producer[T]] = deque()
    waiting = iter(parts)
    try:
        while True:
            while len(running) < threads and (part := next(waiting, None)) is not None:
                running.append(_Producer(part, depth))
            if not running:
                return
            yield from running[0].items()
            running.popleft().stop()
    finally:
        for producer in running:
            producer.ask_to_stop()
        for producer in running:
            producer.stop()


class Behind:
    """Work that goes on behind its caller, `depth` pieces at a time; none does, the caller waits for each.

    What a piece raises is raised by a later call, at the latest on leaving the `with`, which waits for all.
    """

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._pool = ThreadPoolExecutor(depth, thread_name_prefix="trawl-behind") if depth else None
        self._running: deque[Future[object]] = deque()

    def do(self, work: Callable[[], object]) -> None:
        if self._pool is None:
            work()
            return
        while len(self._running) >= self._depth:
            self._running.popleft().result()
        self._running.append(self._pool.submit(work))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._pool is None:
            return
        self._pool.shutdown()
        while self._running:
            done = self._running.popleft()
            if kind is None:
                done.result()


def in_order(function: Callable[[T], R], items: Iterable[T], threads: int = 2) -> Iterator[R]:
    """`function` of each item, in the order of the items, some at a time."""
    with ThreadPoolExecutor(threads, thread_name_prefix="trawl-encode") as pool:
        running: deque[Future[R]] = deque()
        for item in items:
            running.append(pool.submit(function, item))
            if len(running) > threads:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


class _Producer(Generic[T]):
    """A thread that produces items until it is stopped."""

    def __init__(self, items: Iterable[T], depth: int) -> None:
        self._items = items
        self._waiting: queue.Queue[object] = queue.Queue(depth)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._produce, name="trawl-ahead", daemon=True)
        self._thread.start()

    def items(self) -> Iterator[T]:
        while (item := self._waiting.get()) is not _END:
            if isinstance(item, _Raised):
                raise item.problem
            yield item  # type: ignore[misc]  # only items and the two marks are ever offered

    def ask_to_stop(self) -> None:
        self._stopped.set()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _produce(self) -> None:
        try:
            for item in self._items:
                self._offer(item)
                if self._stopped.is_set():
                    return
            self._offer(_END)
        except BaseException as problem:  # noqa: BLE001 (it is raised where the items are used)
            self._offer(_Raised(problem))

    def _offer(self, item: object) -> None:
        while not self._stopped.is_set():
            try:
                self._waiting.put(item, timeout=0.1)
                return
            except queue.Full:
                continue


class _Raised:
    def __init__(self, problem: BaseException) -> None:
        self.problem = problem
