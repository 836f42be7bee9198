"""A stand-in for any service over HTTP, on loopback: who writes a source says what it answers.

    with StandIn(lambda asked: page(asked.query.get("cursor"))) as service:
        fetch(service.url)
    assert [asked.query["q"] for asked in service.asked] == ["covid"]

What goes wrong on the way is data too: `service.instead[2] = Answer(status=503)` is given for the
third question in place of the answer (counted from 0), and an Answer may break in mid body.
`connected` counts connections.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

JSON = "application/json; charset=utf-8"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, and what goes wrong on its way: `half`, `reset` or `stall`, each in mid body."""

    body: bytes = b"{}"
    status: int = 200
    kind: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""


@dataclass(frozen=True)
class Asked:
    """One question: names of `query` once each, the last value of each; names of `headers` in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    raw_query: str = ""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(self.body.decode()).items()}

    @property
    def several(self) -> dict[str, list[str]]:
        """All values of the query, for names that are given more than once."""
        return parse_qs(self.raw_query, keep_blank_values=True)


Given = Answer | Mapping[str, Any] | list[Any]
"""What a function may answer: an Answer, or plain values to be sent as JSON."""


def answer_of(given: Given) -> Answer:
    """Plain values as a good JSON answer."""
    return given if isinstance(given, Answer) else Answer(json.dumps(given).encode())


NOT_FOUND = Answer(b'{"error":"not found"}', 404)


class StandIn:
    """The server. Use as a context manager, or `start` and `stop`.

    `answer` gives what a question gets, from several threads at once; `latency` is in seconds, before
    each answer. `context` makes it speak TLS. With `trust`, the file of who signed, it is a proxy that
    answers for the context's hosts itself: `environment` makes clients of them come here.
    """

    def __init__(
        self,
        answer: Callable[[Asked], Given],
        *,
        latency: float = 0,
        context: SSLContext | None = None,
        trust: str = "",
    ) -> None:
        self.answer = answer
        self.latency = latency
        self.asked: list[Asked] = []
        self.instead: dict[int, Answer] = {}
        self.connected = 0
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.service = self
        self._server.connections = set()
        self._scheme = "http"
        self.context, self._trust = context, trust
        if context is not None and not trust:
            self._scheme = "https"
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        proxy = {"HTTPS_PROXY": self.url, "https_proxy": self.url, "NO_PROXY": "", "no_proxy": ""}
        return {**proxy, "REQUESTS_CA_BUNDLE": self._trust}

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        self.closing.set()
        self._server.shutdown()
        for connection in list(self._server.connections):  # of clients that would keep them alive
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def given(self, asked: Asked) -> Answer:
        """What a question gets, after it is written down."""
        with self._lock:
            number = len(self.asked)
            self.asked.append(asked)
        if self.latency:
            self.closing.wait(self.latency)
        return self.instead[number] if number in self.instead else answer_of(self.answer(asked))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    service: StandIn
    connections: set[socket.socket]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in mid answer is what several tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one packet
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.service.connected += 1
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        super().finish()
        self.server.connections.discard(self.connection)
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Tests are quiet."""

    def do_CONNECT(self) -> None:
        """From here on this is the host asked for, over TLS, in the same connection."""
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.wfile.flush()
        assert self.server.service.context is not None
        self.server.connections.discard(self.connection)
        self.connection = self.server.service.context.wrap_socket(self.connection, server_side=True)
        self.server.connections.add(self.connection)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")
        self.close_connection = False

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        asked = Asked(
            self.command,
            url.path,
            {name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()},
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(length) if length else b"",
            url.query,
        )
        send(self, self.server.service.given(asked), self.server.service.closing)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - the base class names them so


def send(handler: BaseHTTPRequestHandler, answer: Answer, closing: threading.Event) -> None:
    """Send an answer, with the fault it has; a stalled one stays so until `closing`."""
    handler.send_response(answer.status)
    handler.send_header("Content-Type", answer.kind)
    handler.send_header("Content-Length", str(len(answer.body)))
    for name, value in answer.headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    if not answer.fault:
        handler.wfile.write(answer.body)
        return
    handler.wfile.write(answer.body[: len(answer.body) // 2])
    handler.wfile.flush()
    handler.close_connection = True
    if answer.fault == "stall":
        closing.wait()
    if answer.fault == "reset":
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
