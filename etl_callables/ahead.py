"""Steps of a pipeline in threads of their own. What runs there must let go of the interpreter's lock."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_END: Final = object()


def ahead(items: Iterable[T], depth: int = 2) -> Iterator[T]:
    """The same items, produced by another thread at most `depth` ahead of their use.

    What the producer raises is raised here. Leaving the loop early stops the producer.
    """
    waiting: queue.Queue[object] = queue.Queue(depth)
    stopped = threading.Event()

    def offer(item: object) -> None:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def produce() -> None:
        try:
            for item in items:
                offer(item)
                if stopped.is_set():
                    return
            offer(_END)
        except BaseException as problem:  # noqa: BLE001 (it is raised where the items are used)
            offer(_Raised(problem))

    thread = threading.Thread(target=produce, name="trawl-ahead", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not _END:
            if isinstance(item, _Raised):
                raise item.problem
            yield item  # type: ignore[misc]  # only items and the two marks are ever offered
    finally:
        stopped.set()
        thread.join()


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


class _Raised:
    def __init__(self, problem: BaseException) -> None:
        self.problem = problem
