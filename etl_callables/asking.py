"""What an extract asks its source: one window in one go, or each day's share of it.

Days are asked for side by side where the source allows it (`PARALLEL`), and their pages come in the
order of the days. A cursor then is the number of the share and the source's own cursor: `3|abc`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from etl_callables.ahead import side_by_side
from etl_callables.http import CLIENTS
from etl_callables.run import Run
from etl_callables.selection import Selection
from etl_callables.shares import Share
from etl_callables.sources import Page, Request, Source


@dataclass(frozen=True, slots=True)
class Asked:
    """A page, and the cursor that it was asked for with; the page's own cursor tells days apart."""

    cursor: str | None
    page: Page


class Asking:
    """The questions of one extract."""

    def __init__(
        self, source: Source, request: Request, shares: Sequence[Share], selection: Selection, run: Run
    ) -> None:
        self._source = source
        self._request = request
        self._selection = selection
        self._run = run
        # A source that cannot begin in the past would read everything newer again for every day.
        apart = shares if getattr(source, "SEEKS", True) else ()
        self._places = [place for place, share in enumerate(apart) if share.limit]
        self._requests = {
            place: replace(request, window=apart[place].window, limit=apart[place].limit)
            for place in self._places
        }
        # Whoever counts the pages is behind: a day knows by itself when it has enough. What other days' pages
        # had of it comes again on its own, and is counted there.
        self._found = {place: Selection(asked.window, asked.limit) for place, asked in self._requests.items()}
        self._threads: int = getattr(source, "PARALLEL", 1)

    def pages(self, cursor: str | None) -> Iterator[Asked]:
        """The pages from a cursor on, None: from the start."""
        return self._days(cursor) if self._places else self._whole(cursor)

    def begins(self, cursor: str) -> bool:
        """Whether a cursor leads to the first page of a share."""
        return bool(self._places) and cursor.endswith("|") and cursor.count("|") == 1

    def adopt(self, cursor: str | None, page: Page) -> None:
        """Take from a page that an earlier try asked for with `cursor` what that one had found out."""
        remind = getattr(self._source, "remind", None)
        inner = page.cursor.partition("|")[2] if page.cursor and self._places else page.cursor
        if remind is not None and inner:
            remind(self._request, inner)
        if self._places:
            self._count(int(cursor.partition("|")[0]) if cursor else self._places[0], page)

    def _whole(self, cursor: str | None) -> Iterator[Asked]:
        for page in self._source.pages(self._request, cursor, self._run):
            yield Asked(cursor, page)
            cursor = page.cursor

    def _days(self, cursor: str | None) -> Iterator[Asked]:
        first, _, inner = (cursor or f"{self._places[0]}|").partition("|")
        places = [place for place in self._places if place >= int(first)]
        parts = (self._day(place, inner if place == int(first) else "") for place in places)
        before: dict[int, str | None] = {int(first): cursor}
        clients = self._request.shared.setdefault(CLIENTS, {})
        found = (
            side_by_side(parts, self._threads)
            if self._threads > 1
            else (page for part in parts for page in part)
        )
        try:
            for place, page in found:
                asked = before.get(place, f"{place}|")
                following = f"{place}|{page.cursor}" if page.cursor is not None else self._next(place)
                before[place] = following
                yield Asked(asked, replace(page, cursor=following))
        finally:
            found.close()  # those who still ask end first
            for client in clients.values():
                client.close()

    def _day(self, place: int, inner: str) -> Iterator[tuple[int, Page]]:
        if self._found[place].full or not self._selection.room(place):
            return
        for page in self._source.pages(self._requests[place], inner or None, self._run):
            yield place, page
            self._count(place, page)
            if self._found[place].full or not self._selection.room(place):
                return

    def _count(self, place: int, page: Page) -> None:
        read = getattr(self._source, "brief", self._source.posts)
        items = (item for body in page.bodies for item in read(body, self._run.now()))
        for _ in self._found[place].keep(items):
            pass

    def _next(self, place: int) -> str | None:
        later = next((other for other in self._places if other > place), None)
        return None if later is None else f"{later}|"
