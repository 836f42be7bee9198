"""What can go wrong while data moves, by what must happen next.

Sources and stores raise these and nothing else; one place (`trawl.operator` under Airflow, the
command line elsewhere) decides what each means for the run.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any


class TrawlError(Exception):
    """Base of all; `str()` is one sentence for a person: what, where, and what to do."""


class RetryLater(TrawlError):  # noqa: N818 (it says what to do next)
    """Nothing is wrong that time does not mend: a rate limit, a 5xx, a reset.

    `after` is the aware UTC moment at which the source said to come back, or None when it did not
    say (the job's own retry delay applies).
    """

    def __init__(self, message: str, after: datetime | None = None) -> None:
        super().__init__(message)
        self.after = after


class Outdone(RetryLater):
    """Another run of the window, which came to its pages later, publishes at the same time."""


class Stop(TrawlError):  # noqa: N818 (it says what to do next)
    """A person must act before another try can help: blocked, unauthorised, a bad query, no bucket."""


class StaleCursor(Stop):
    """What a cursor led to is no more; said before any page is given. Extract begins anew then."""


class NothingToDo(TrawlError):  # noqa: N818 (it says what to do next)
    """There is nothing for this run, as outside its job's date range: a skip, not a failure."""


class Overtaken(NothingToDo):
    """Another run has published the window since this one began: a skip, with nothing lost.

    `published` is what load returns of the other one's object.
    """

    def __init__(self, message: str, published: dict[str, Any]) -> None:
        super().__init__(message)
        self.published = published
