"""Any Mastodon server, and those that speak its API: a hashtag, an account, a timeline, a search.

Pages go back in time by identifiers. Those of Mastodon itself begin with the millisecond in which a
post reached the server (`lib/mastodon/snowflake.rb`), so that a window in the past is found at once;
other servers are read back from what reached them last, which may be old. A search knows whole seconds
only: it takes an identifier for "before this second" (`app/services/statuses_search_service.rb`), so its
pages go on by how many posts came before them.
API: https://docs.joinmastodon.org/methods/timelines/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, quote, urlsplit

from etl_callables.errors import RetryLater, Stop
from etl_callables.http import Client, one_line, rate_of, version
from etl_callables.run import Run
from etl_callables.sources import Page, Request
from etl_callables.sources.fields import identifier, text
from etl_callables.sources.mastodon_items import PLATFORM, Ends, brief, ends, posts
from etl_callables.sources.patience import Patience
from etl_callables.verdict import Answer, Service, said

REPEATS: Final = True

RATE: Final = (300, 300.0)
"""Questions and seconds: what a server allows an address or an account unless it says otherwise."""

LATE: Final = timedelta(hours=1)
"""How long after it was written a post of another server may arrive and still be found in its window."""

UNKEPT: Final = 4

DEPTH: Final = 10_000
"""Posts of one search that can be reached by their number (Elasticsearch's `max_result_window`)."""

_SIZE: Final = 40
_MOVED: Final = "account has moved"
"""Under this the parts of a request know that it was told."""

_OWN: Final = re.compile(r"[3-9][0-9]*[.][0-9]+")
"""Versions of Mastodon whose identifiers hold the time."""

_OTHER: Final = re.compile(r"[(\[]|\b(compatible|not)\b", re.IGNORECASE)
"""What other software says besides: `2.7.2 (compatible; Akkoma 3.15)`, `4.0.0 (not true Mastodon; ...)`."""

__all__ = ["PLATFORM", "REPEATS", "UNKEPT", "brief", "pages", "posts", "version"]


def pages(request: Request, cursor: str | None, run: Run) -> Iterator[Page]:
    """Pages of up to 40 posts, newest first. A cursor is a `_Turn`."""
    token = _token(request)
    timeline = _Timeline(request, run, logged_in=token is not None)
    with Client.of(
        timeline.server,
        f"https://{timeline.server}",
        request,
        run,
        headers={"Authorization": f"Bearer {token}"} if token else {},
        shared=True,
        rate=rate_of(request, *RATE),
        judge=lambda answer: _judge(answer, request),
    ) as client:
        turn = _first(client, request) if cursor is None else _Turn.parse(cursor)
        path, parameters = timeline.place(client)
        # Not fewer for a small limit: the newest posts asked for may lie after the window.
        asked = {"limit": _SIZE, **parameters}
        earliest = request.window.start - LATE
        while True:
            answer = client.get_json(path, {**asked, **turn.asked}, read=ends)
            page: Ends | None = answer.value
            if page is None:
                raise RetryLater(f"{timeline.server} sent no page of posts.")
            following, missing = _next(turn, page, answer.headers.get("link", ""), earliest)
            if missing:
                missing = f"{timeline.server}: {missing}"
            yield Page((one_line(answer.body),), None if following is None else str(following), missing)
            if following is None:
                return
            turn = following


class _Turn(NamedTuple):
    """Where a page lies: before an identifier and, of a search, after so many posts. Written `123+40`.

    A list that may not be in the order of time is read with `patience`, which is written before: `0::1~123`.
    """

    before: str | None
    offset: int | None = None
    patience: Patience | None = None

    def __str__(self) -> str:
        patience = "" if self.patience is None else f"{self.patience}~"
        return patience + (self.before or "") + ("" if self.offset is None else f"+{self.offset}")

    @classmethod
    def parse(cls, written: str) -> _Turn:
        patience, _, place = written.rpartition("~")
        before, _, offset = place.partition("+")
        return cls(
            before or None, int(offset) if offset else None, Patience.parse(patience) if patience else None
        )

    @property
    def asked(self) -> dict[str, Any]:
        return {
            **({"max_id": self.before} if self.before else {}),
            **({"offset": self.offset} if self.offset else {}),
        }

    def after(self, page: Ends, link: str) -> _Turn | None:
        """Where the page after this one lies; None where there is none, or it cannot be reached.

        Deeper than a search reaches, it is asked again from the second of the last post on, whose other
        posts come twice then.
        """
        if self.offset is None:
            older = _older(link) or page.last
            return self._replace(before=older) if older is not None else None
        if not page.posts:
            return None
        offset = self.offset + page.posts
        if self.before is None or offset + _SIZE <= DEPTH:
            return self._replace(offset=offset)
        if page.last is None or not page.last.isdecimal():
            return None
        second = (int(page.last) >> 16) // 1000 + 1
        again = self._replace(before=str(second * 1000 << 16), offset=0)
        return again if int(again.before or 0) < int(self.before) else None


def _next(turn: _Turn, page: Ends, link: str, earliest: datetime) -> tuple[_Turn | None, str | None]:
    """Where to go on after a page, None where reading ends; and what is missing then, if anything."""
    if turn.patience is None:
        if page.newest is not None and page.newest < earliest:
            return None, None
    else:
        patience = turn.patience.after([page.newest] if page.newest else [], earliest)
        if patience.is_over:
            return None, patience.missing
        turn = turn._replace(patience=patience)
    following = turn.after(page, link)
    if following is not None or not page.posts:
        return following, None
    if turn.offset is None:
        return None, "a page without identifiers, after which nothing can be asked for"
    return None, f"a search finds no more than {DEPTH:,} posts that arrived before one second"


def _token(request: Request) -> str | None:
    return text(request.credentials.get("password"))


class _Timeline:
    """What a job asks a server for: a search for its query, or what its options name."""

    def __init__(self, request: Request, run: Run, *, logged_in: bool) -> None:
        options = request.options
        self.server = str(options["server"])
        self._request, self._run = request, run
        self._query = (request.query or "").strip()
        self._options = options
        if self._query and not logged_in:
            raise Stop(
                f"{self.server} searches posts only for who has logged in: name a connection in the job's"
                " `source_connection` that has an access token as its password."
            )

    def place(self, client: Client) -> tuple[str, dict[str, Any]]:
        """The path of its pages, and what to ask with besides."""
        options = self._options
        if self._query:
            return "/api/v2/search", {"q": self._query, "type": "statuses"}
        if "hashtag" in options:
            return f"/api/v1/timelines/tag/{quote(str(options['hashtag']).lstrip('#'), safe='')}", {}
        if "timeline" in options:
            only = {"local": "true"} if options["timeline"] == "local" else {}
            return "/api/v1/timelines/public", only
        if "account" not in options:
            raise Stop(
                "Nothing says what to read: the job needs a hashtag, an account, a timeline or a query."
            )
        name = self._account(client)
        left_out = {
            f"exclude_{what}": "true"
            for what, option in (("replies", "replies"), ("reblogs", "boosts"))
            if not options.get(option, True)
        }
        return f"/api/v1/accounts/{quote(name, safe='')}/statuses", left_out

    def _account(self, client: Client) -> str:
        """The identifier of the account that the job names; where it has moved is told once."""
        name = str(self._options["account"])
        answer = client.get_json("/api/v1/accounts/lookup", {"acct": name.lstrip("@")}, accept={404})
        if answer.status == 404:  # noqa: PLR2004
            raise Stop(
                f"{self.server} knows no account {name} (HTTP 404): correct the job's `options.account`, such"
                " as user or user@another.server."
            )
        found = answer.value if isinstance(answer.value, dict) else {}
        number, moved = identifier(found.get("id")), found.get("moved")
        if number is None:
            raise RetryLater(f"{self.server} sent no account.")
        if isinstance(moved, dict) and not self._request.shared.setdefault(_MOVED, False):
            self._request.shared[_MOVED] = True
            self._run.log.warning(
                "the account %s has moved to %s, where newer posts are: only what it left at %s is read",
                name,
                text(moved.get("acct")) or text(moved.get("url")) or "another server",
                self.server,
            )
        return number


def _judge(answer: Answer, request: Request) -> None:
    """A timeline that is closed to strangers answers 422 on some servers, which means 401."""
    if answer.status == 422 and "authenticated" in said(answer):  # noqa: PLR2004
        service = Service(str(request.options["server"]), request.connection)
        raise Stop(f"{service.name} shows this only to who has logged in (HTTP 422): {service.credentials}.")


def _first(client: Client, request: Request) -> _Turn:
    """Where to begin: before the window's end, where the server's identifiers hold times.

    GoToSocial takes no offsets; of what it finds all pages are reached by identifiers.
    """
    answer = client.get_json("/api/v2/instance", accept={404})
    software = answer.value.get("version") if isinstance(answer.value, dict) else None
    said = software if isinstance(software, str) else ""
    is_own = _OWN.match(said) is not None and _OTHER.search(said) is None
    before = str(int((request.window.end + LATE).timestamp() * 1000) << 16) if is_own else None
    offset = 0 if request.query and (is_own or "compatible" in said) else None
    return _Turn(before, offset, None if is_own else Patience())


def _older(link: str) -> str | None:
    """What the next page lies before, where the server says it (RFC 8288).

    Mastodon says nothing after a page of which it filtered something, though there may be more.
    """
    for address, relation in re.findall(r'<([^>]*)>\s*;\s*rel="?(\w+)', link):
        if relation == "next":
            return next(iter(parse_qs(urlsplit(address).query).get("max_id", ())), None)
    return None
