"""An S3 with troubles: passes every request on to a real one on loopback, and breaks those it is told to.

    with FaultyS3(moto_port) as s3:
        s3.troubles = [Trouble("PUT", "/posts/", Answer(503, "SlowDown"), times=1)]
        store_at("s3://bucket") ...  # with AWS_ENDPOINT_URL_S3 = s3.url
        s3.asked  # what came, as ("PUT", "/bucket/posts/a.csv")

The first trouble that fits a request and is not used up happens to it.
"""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

NOT_PASSED_ON = {"connection", "transfer-encoding", "content-length", "date", "server"}


@dataclass(frozen=True)
class Answer:
    """The request is answered with this status and error code of S3, or this body, and not passed on."""

    status: int
    code: str
    body: str = ""


@dataclass(frozen=True)
class ResetAfter:
    """The connection is reset after so many bytes of the request's body; nothing is passed on."""

    taken: int


@dataclass(frozen=True)
class HalfAnswer:
    """The request is passed on; of the answer's body only so many bytes come, then the connection ends."""

    given: int


@dataclass(frozen=True)
class Silence:
    """The request is passed on and done, and the connection reset before anybody is told."""


@dataclass(frozen=True)
class Flip:
    """The request is passed on with the bits of one byte of its body turned over."""

    at: int


@dataclass(frozen=True)
class Meanwhile:
    """Something else happens before the request is passed on, or, with `done`, before anybody is told."""

    happens: Callable[[], object]
    done: bool = False


What = Answer | ResetAfter | HalfAnswer | Silence | Flip | Meanwhile


@dataclass
class Trouble:
    """What happens to requests of a method (any: empty) whose address has `part` in it.

    The first `after` of them are spared; `times` of them are struck, all of them where it is None.
    """

    method: str
    part: str
    what: What
    times: int | None = None
    after: int = 0
    met: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def strikes(self, method: str, address: str) -> bool:
        if self.method not in {"", method} or self.part not in address:
            return False
        with self.lock:
            self.met += 1
            return self.met > self.after and (self.times is None or self.met <= self.after + self.times)


class FaultyS3:
    """The server before `port`. Use as a context manager."""

    def __init__(self, port: int) -> None:
        self.troubles: list[Trouble] = []
        self.asked: list[tuple[str, str]] = []
        self._server = _Server(self, port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def trouble_of(self, method: str, address: str) -> What | None:
        self.asked.append((method, address))
        return next((one.what for one in self.troubles if one.strikes(method, address)), None)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, s3: FaultyS3, real: int) -> None:
        self.s3 = s3
        self.real = real
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _any(self) -> None:
        what = self.server.s3.trouble_of(self.command, self.path)
        length = int(self.headers.get("Content-Length") or 0)
        match what:
            case Answer(status, code, said):
                self.rfile.read(length)
                error = f"<Error><Code>{code}</Code><Message>made up</Message></Error>"
                body = (said or error).encode()
                self._answer(status, {"Content-Type": "application/xml"}, body, len(body))
            case ResetAfter(taken):
                self.rfile.read(min(taken, length))
                self._reset()
            case Flip(at):
                body = self.rfile.read(length)
                self._pass_on(body[:at] + bytes([body[at] ^ 0xFF]) + body[at + 1 :], None)
            case Meanwhile(happens, done=False):
                body = self.rfile.read(length)
                happens()
                self._pass_on(body, None)
            case _:
                self._pass_on(self.rfile.read(length), what)

    def _pass_on(self, body: bytes, what: HalfAnswer | Silence | Meanwhile | None) -> None:
        headers = {key: value for key, value in self.headers.items() if key.lower() != "expect"}
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", self.server.real)) as real:
                real.request(self.command, self.path, body, headers)
                with real.getresponse() as found:
                    data = found.read()
        except (
            OSError,
            http.client.HTTPException,
        ):  # the real one ended with its test
            self._reset()
            return
        said = {key: value for key, value in found.getheaders() if key.lower() not in NOT_PASSED_ON}
        size = int(found.getheader("Content-Length") or len(data))
        if isinstance(what, Meanwhile):
            what.happens()
        if isinstance(what, Silence):
            self._reset()
        elif isinstance(what, HalfAnswer):
            self._answer(found.status, said, data[: what.given], size)
            self._reset()
        else:
            self._answer(found.status, said, data, size)

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes, size: int) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _reset(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # The duplicates that the streams hold go first, or the reset would wait for them.
        for end in (self.wfile, self.rfile):
            with suppress(OSError):
                end.close()
        self.connection.close()

    def handle(self) -> None:
        with suppress(ConnectionError):  # whoever asked was killed
            super().handle()

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()

    def log_message(self, *_: object) -> None:
        pass

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _any  # noqa: N815 (the names are the standard library's)
