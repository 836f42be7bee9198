"""A service that gives a page without items after each of its pages, the last one included."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from tests.servers.standin import Asked, Given

_EMPTY = "empty"


@dataclass
class Hollow:
    """Answers as `answer` does, where each page of `items` is followed by one without any.

    `asked` is what a question gives a page's cursor in, `following` where a page has the next one;
    `items` and `following` are ways through a page, such as `data.children`.
    """

    answer: Callable[[Asked], Given]
    asked: str
    following: str
    items: str
    _after: dict[str, Any] = field(default_factory=dict)

    def __call__(self, asked: Asked) -> Given:
        cursor = asked.query.get(self.asked, "")
        if cursor.startswith(_EMPTY):
            return self._after[cursor]
        page: Any = self.answer(asked)
        where, name = _at(page, self.items)
        if where is None or not isinstance(where.get(name), list):
            return page
        empty: Any = copy.deepcopy(page)
        where, name = _at(empty, self.items)
        where[name] = []
        cursor = f"{_EMPTY}{crc32(asked.raw_query.encode())}"
        self._after[cursor] = empty
        where, name = _at(page, self.following)
        where[name] = cursor
        return page


def _at(page: Any, way: str) -> tuple[Any, str]:
    """The object at the end of a way, and the name in it; None where there is no such object."""
    *names, last = way.split(".")
    for name in names:
        page = page.get(name) if isinstance(page, dict) else None
    return (page if isinstance(page, dict) else None), last
