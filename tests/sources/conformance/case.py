"""What the suite needs to know of a source to hold it to the promises that all sources make."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from etl_callables.sources import Source
from schemas.window import Window
from tests.servers.authority import Authority
from tests.servers.made import Made
from tests.servers.standin import Answer

PAGE = 10
"""Posts on a page of a stand-in, unless a source has its own."""


class Service(Protocol):
    """A stand-in: what was asked, and what is answered instead of the truth, by the question's number."""

    asked: list[Any]
    instead: MutableMapping[int, Answer]


@dataclass(frozen=True)
class Setting:
    """How a service is to be. `folder` is for files; posts to serve come newest first.

    `overlap`: each page begins with so many posts of the page before. `loop`: after the last page
    comes the first again. `hollow`: after each page, the last one too, comes one without posts. `odd`:
    the first page has an item of a shape that nobody knows. `deep`: one question reaches only
    `Case.depth` posts.
    """

    folder: Path
    authority: Authority
    window: Window
    overlap: int = 0
    loop: bool = False
    hollow: bool = False
    odd: bool = False
    deep: bool = False


@dataclass(frozen=True)
class Served:
    """A running service; `service` is None where there is none, as for files."""

    service: Service | None
    credentials: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    pages: Callable[[Any], bool] = lambda _: True
    """Whether a question asks for a page, and not for a login or the like."""
    bill: Callable[[], float] | None = None
    """What the service has charged so far, in US dollars; None where it charges nothing."""


def _last_number(name: str) -> int:
    return int(re.findall(r"[0-9]+", name)[-1])


@dataclass(frozen=True)
class Case:
    """A source under test.

    `number` finds a made-up post's number in the identifier that the stand-in gave it.

    `absent` fields of a post are those that the service never gives. `depth` is how many posts one
    question reaches at most, None where there is no end; `covered` whether the source then gets the
    others in another way. `ahead` is how many pages may be on their way when a run is killed.
    `incremental` is whether runs take what no run before did, whatever its time.
    `apart` is whether each page has a place of its own, which may refuse while the others are read.
    `loops`, `overlaps` and `hollows` say whether the service could do so at all, given how it is asked.
    `prelude` is how many questions come before the first page that may be answered by 404.
    `refusal` is what a refusal's message says to correct. `words` is whether it searches by words.
    """

    source: str
    via: str
    serve: Callable[[Sequence[Made], Setting], AbstractContextManager[Served]]
    platform: str
    absent: frozenset[str]
    query: str | None = "covid"
    options: Mapping[str, Any] = field(default_factory=dict)
    page: int = PAGE
    depth: int | None = None
    covered: bool = True
    ahead: int = 0
    incremental: bool = False
    apart: bool = False
    loops: bool = True
    overlaps: bool = True
    hollows: bool = False
    refusal: str = "the_connection"
    not_found: str = "HTTP 404"
    prelude: int = 0
    number: Callable[[str], int] = _last_number
    module: Source | None = None
    """Stands in for the module in SOURCES: the same with shorter timeouts."""
    beside: frozenset[str] = frozenset()
    """Faults that this source cannot meet, by name."""

    def __str__(self) -> str:
        return f"{self.source}-{self.via}"
