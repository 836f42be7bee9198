"""What networks do: a TCP proxy on loopback that breaks what passes through it, a connection at a time.

    with FaultProxy(service.port, [Fault(reset_after=100), Fault()]) as proxy:
        fetch(proxy.url)

Each connection that arrives takes the next fault, the last of them again and again. Byte numbers
count what the server sends on that connection, its heads included.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Fault:
    """What happens to a connection; none of it by default.

    `refuse` closes it at once, with a reset. `latency` is in seconds, before each piece of an
    answer; `rate` in bytes a second. `reset_after`, `cut_after` and `stall_after` are numbers of
    bytes after which it is reset, closed properly, or silent until the proxy stops. `flip` is the
    number of the byte whose bits are turned over.
    """

    refuse: bool = False
    latency: float = 0
    rate: float | None = None
    reset_after: int | None = None
    cut_after: int | None = None
    stall_after: int | None = None
    flip: int | None = None

    @property
    def end(self) -> int | None:
        """The number of bytes that pass."""
        ends = [n for n in (self.reset_after, self.cut_after, self.stall_after) if n is not None]
        return min(ends, default=None)


class FaultProxy:
    """The proxy before `port`. Use as a context manager; `connections` counts what came."""

    def __init__(self, port: int, faults: Sequence[Fault] = (Fault(),), scheme: str = "http") -> None:
        self.faults = list(faults)
        self.connections = 0
        self._target = port
        self._scheme = scheme
        self._closing = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            fault = self.faults[min(self.connections, len(self.faults) - 1)]
            self.connections += 1
            if fault.refuse:
                _reset(client)
                continue
            server = socket.create_connection(("127.0.0.1", self._target))
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {client, server}
            self._start(self._questions, client, server)
            self._start(self._answers, server, client, fault)

    def _questions(self, client: socket.socket, server: socket.socket) -> None:
        """Bytes from the client, as they are."""
        with suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def _answers(self, server: socket.socket, client: socket.socket, fault: Fault) -> None:
        """Bytes from the server, as the fault lets them pass."""
        passed = 0
        reset = False
        with suppress(OSError):
            while data := server.recv(65536):
                piece = data if fault.end is None else data[: fault.end - passed]
                self._closing.wait(fault.latency + (len(piece) / fault.rate if fault.rate else 0))
                client.sendall(_flipped(piece, passed, fault.flip))
                passed += len(piece)
                if fault.end is not None and passed >= fault.end:
                    if fault.end == fault.stall_after:
                        self._closing.wait()
                    reset = fault.end == fault.reset_after
                    break
        with self._lock:
            self._open -= {client, server}
        for end in (server, client):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RD)
        _reset(client) if reset else _close(client)
        _close(server)


def _flipped(piece: bytes, passed: int, flip: int | None) -> bytes:
    if flip is None or not passed <= flip < passed + len(piece):
        return piece
    place = flip - passed
    return piece[:place] + bytes([piece[place] ^ 0xFF]) + piece[place + 1 :]


def _reset(end: socket.socket) -> None:
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
