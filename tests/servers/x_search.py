"""X's search as snscrape asks for it, on loopback: a proxy that answers for twitter.com itself.

Pages are data: a dict from cursor (None: the first) to a list of answers, given in turn, the last of
them again and again; `instead` has other answers, by the number of the search. `asked` records the
cursor of every search that arrives, whatever becomes of it.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.servers.standin import JSON, Answer, send

__all__ = ["HOSTS", "JSON", "Answer", "Search", "cursor", "search_page", "timeline"]

HOSTS = ("twitter.com", "api.twitter.com")


def search_page(entries: Sequence[Mapping[str, Any]], following: str | None) -> Answer:
    """A page of tweets, with the cursors around it as X writes them."""
    cursors = [cursor("top", "up")] + ([cursor("bottom", following)] if following else [])
    return timeline([{"type": "TimelineAddEntries", "entries": [*entries, *cursors]}])


def timeline(instructions: Sequence[Mapping[str, Any]]) -> Answer:
    """A search page of any instructions."""
    page = {
        "data": {"search_by_raw_query": {"search_timeline": {"timeline": {"instructions": instructions}}}}
    }
    return Answer(json.dumps(page).encode())


def cursor(direction: str, value: str) -> dict[str, Any]:
    return {
        "entryId": f"cursor-{direction}-0",
        "content": {"entryType": "TimelineTimelineCursor", "value": value, "cursorType": direction.title()},
    }


class Search:
    """The server. Use as a context manager; `environment` makes clients come here."""

    def __init__(
        self, context: ssl.SSLContext, trust: str, pages: Mapping[str | None, Sequence[Answer]]
    ) -> None:
        self.pages = pages
        self.asked: list[str | None] = []
        self.queries: list[str] = []
        self.instead: dict[int, Answer] = {}
        self.token: Answer = Answer(b'{"guest_token":"42"}')
        self.home: Answer = Answer(b"<html>no token here</html>", kind="text/html")
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.search, self._server.context, self._server.connections = self, context, set()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._trust = trust

    @property
    def environment(self) -> dict[str, str]:
        address = f"http://127.0.0.1:{self._server.server_address[1]}"
        return {
            "HTTPS_PROXY": address,
            "https_proxy": address,
            "NO_PROXY": "",
            "no_proxy": "",
            "REQUESTS_CA_BUNDLE": self._trust,
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        for connection in list(self._server.connections):  # of clients that would keep them alive
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.server_close()

    def answer(self, at: str | None, query: str) -> Answer:
        """What comes next at a cursor."""
        with self._lock:
            turn, number = self.asked.count(at), len(self.asked)
            self.asked.append(at)
            self.queries.append(query)
        if number in self.instead:
            return self.instead[number]
        answers = self.pages[at]
        return answers[min(turn, len(answers) - 1)]


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    search: Search
    context: ssl.SSLContext
    connections: set[socket.socket]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in mid answer is what several tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Tests are quiet."""

    def do_CONNECT(self) -> None:
        """From here on this is twitter.com, over TLS, in the same connection."""
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.wfile.flush()
        self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.server.connections.add(self.connection)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.close_connection = False

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if not url.path.endswith("/SearchTimeline"):
            self._send(self.server.search.home)
            return
        variables = json.loads(parse_qs(url.query)["variables"][0])
        self._send(self.server.search.answer(variables.get("cursor"), variables["rawQuery"]))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._send(self.server.search.token)

    def finish(self) -> None:
        super().finish()
        self.server.connections.discard(self.connection)
        self.connection.close()

    def _send(self, answer: Answer) -> None:
        send(self, answer, self.server.search.closing)
