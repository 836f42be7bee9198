"""Answers that no client should wait for, or take into memory: of servers that are broken, or mean harm."""

from __future__ import annotations

import gzip
import socketserver
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from ssl import SSLContext


@contextmanager
def trickling(
    pieces: Sequence[bytes], context: SSLContext | None = None
) -> Iterator[tuple[int, list[bytes]]]:
    """A server that answers with these pieces, one every 10 ms: its port, and the last pieces it sent."""
    closing, sent = threading.Event(), list[bytes]()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with (
                suppress(OSError),
                context.wrap_socket(self.request, server_side=True) if context else self.request as end,
            ):
                end.recv(65536)
                for piece in pieces:
                    end.sendall(piece)
                    if closing.wait(0.01):
                        return
                sent.append(pieces[-1])

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_address[1], sent
        closing.set()
        server.shutdown()


WHOLE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 200\r\nX: %s\r\n\r\n" % (
    b"x" * 200
)
LONG = b'{"posts": [1, 2, 3]}'.ljust(200)
ANNOUNCED = b"HTTP/1.1 100 Continue\r\n\r\n"
TRICKLES = {
    "a head": [*(bytes([letter]) for letter in WHOLE), LONG],
    "a body": [WHOLE, *(bytes([letter]) for letter in LONG)],
    "a head that only announces itself": [*[ANNOUNCED] * 200, WHOLE, LONG],
    "a head that announces itself without a pause": [*[ANNOUNCED * 2000] * 200, WHOLE, LONG],
}


def packed(pieces: int, times: int = 1) -> bytes:
    """So many MiB of blanks, packed so many times."""
    packer = zlib.compressobj(1, wbits=16 + zlib.MAX_WBITS)
    body = b"".join(packer.compress(b" " * (1 << 20)) for _ in range(pieces)) + packer.flush()
    for _ in range(times - 1):
        body = gzip.compress(body)
    return body
