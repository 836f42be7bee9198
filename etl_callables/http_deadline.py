"""How long a question to a service may take in all, from the connection to the last byte of its answer.

httpx and requests bound each wait for a byte, so that a head that comes a byte at a time may take for ever.
Here no wait outlasts the moment at which the question's time is over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from ssl import SSLContext
from typing import Any

import httpx


class _Until(threading.local):
    """When the time of the question that a thread asks is over, by the monotonic clock."""

    moment: float = inf


_until = _Until()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What this thread asks, by a client that is `bounded` or minds what is `left`, ends after so long."""
    before = _until.moment
    _until.moment = min(before, time.monotonic() + seconds)
    try:
        yield
    finally:
        _until.moment = before


def left(timeout: float | None = None) -> float | None:
    """The seconds to wait at most, of `timeout`; TimeoutError where the time is over."""
    seconds = _until.moment - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("the time for the whole answer is over")
    return timeout if seconds == inf else seconds if timeout is None else min(timeout, seconds)


def bounded(client: httpx.Client) -> httpx.Client:
    """The client, whose connections keep to `within`, those through a proxy of the environment too."""
    # httpx hands no network on to httpcore, though that takes one.
    for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001 - see above
        pool = getattr(transport, "_pool", None)
        if pool is not None:
            pool._network_backend = _Network(pool._network_backend)  # noqa: SLF001 - see above
    return client


def _left(timeout: float | None) -> float | None:
    """As `left`, in the words of httpx."""
    try:
        return left(timeout)
    except TimeoutError as problem:
        raise httpx.ReadTimeout(str(problem)) from problem


class _Network:
    """A network of httpcore's (`httpcore.NetworkBackend`)."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def connect_tcp(self, *, timeout: float | None = None, **where: Any) -> _Stream:
        return _Stream(self._inner.connect_tcp(timeout=_left(timeout), **where))


class _Stream:
    """A connection of httpcore's (`httpcore.NetworkStream`)."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        found: bytes = self._inner.read(max_bytes, timeout=_left(timeout))
        return found

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout=_left(timeout))

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> _Stream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, _left(timeout)))
