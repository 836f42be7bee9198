"""How snscrape's scrapers ask, where their own ways to wait and to try again are not wanted.

requests bounds neither what an answer unpacks to nor how long it trickles: here it is taken as all answers
are (`etl_callables.http_bounds`).
"""

from __future__ import annotations

import re
import time
from functools import cache
from http.client import HTTPResponse
from io import BufferedReader, RawIOBase
from typing import Any, Final, cast

import requests
import urllib3
from requests.adapters import BaseAdapter, HTTPAdapter

from etl_callables.errors import RetryLater
from etl_callables.http_bounds import DEADLINE, ENCODING, gathered, too_slow, unpacked
from etl_callables.http_deadline import left, within
from etl_callables.run import Run
from etl_callables.url import bare
from etl_callables.verdict import Answer, Service, verdict

_PIECE: Final = 1 << 16


class Session(requests.Session):
    """What fails between here and a service is for later; what is decided of it is not snscrape's."""

    def __init__(self, service: str, timeout: float, deadline: float = DEADLINE) -> None:
        super().__init__()
        self.service = service
        self.timeout = timeout
        self.deadline = deadline
        self.headers["Accept-Encoding"] = ENCODING

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        began = time.monotonic()
        try:
            with within(self.deadline):
                return super().send(request, **{**kwargs, "timeout": self.timeout})
        except (requests.RequestException, urllib3.exceptions.HTTPError, TimeoutError) as problem:
            if time.monotonic() - began >= self.deadline:
                raise too_slow(self.service, self.deadline) from problem
            raise RetryLater(f"{self.service} did not answer ({_cause(problem)}).") from problem

    def get_adapter(self, url: str) -> _Bounded:
        return _Bounded(cast("HTTPAdapter", super().get_adapter(url)), self.service)


class _Bounded(BaseAdapter):
    """The adapter of a scraper, whose answers come whole and within their bounds, redirects too."""

    def __init__(self, inner: HTTPAdapter, service: str) -> None:
        super().__init__()
        self._inner = inner
        self._service = service

    def send(self, request: requests.PreparedRequest, *_: Any, **how: Any) -> requests.Response:
        by: dict[str, Any] = {name: how.get(name) for name in ("verify", "cert", "proxies")}
        pool: Any = self._inner.get_connection_with_tls_context(request, **by)
        pool.ConnectionCls = _patient(pool.ConnectionCls)
        response: Any = self._inner.send(request, stream=True, timeout=left(how["timeout"]), **by)
        try:
            body = gathered(response.raw.stream(_PIECE, decode_content=False), self._service)
            answer = Answer(response.status_code, _headers(response), body, bare(response.url))
            # Where requests keeps what it has read itself.
            response._content = unpacked(answer, self._service).body  # noqa: SLF001
            response._content_consumed = True  # noqa: SLF001
        finally:
            response.close()
        return cast("requests.Response", response)

    def close(self) -> None:
        self._inner.close()


@cache
def _patient(connection: Any) -> Any:
    """A kind of connection whose answers keep to `within`, those of a proxy too."""
    if connection.response_class is _Timed:
        return connection
    return type(connection.__name__, (connection,), {"response_class": _Timed})


class _Timed(HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = BufferedReader(_Waiting(sock, self.fp.detach()))


class _Waiting(RawIOBase):
    """What comes over a socket, where no wait outlasts the time of the question."""

    def __init__(self, sock: Any, inner: Any) -> None:
        self._sock, self._inner = sock, inner

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        timeout = self._sock.gettimeout()
        self._sock.settimeout(left(timeout))
        try:
            found: int | None = self._inner.readinto(buffer)
        finally:
            self._sock.settimeout(timeout)
        return found

    def close(self) -> None:
        self._inner.close()
        super().close()


def _headers(response: requests.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _cause(problem: BaseException) -> str:
    """The innermost reason, in its own words and without addresses of objects."""
    while problem.__context__ is not None:
        problem = problem.__context__
    return f"{type(problem).__name__}: {re.sub(r'<[^>]*>:? ?', '', str(problem))[:200]}"


def received(answer: requests.Response, service: str, url: str, run: Run) -> Answer:
    """An answer that is a refusal, for its source to say what it means; RetryLater where that passes."""
    found = Answer(answer.status_code, _headers(answer), answer.content, url)
    problem = verdict(found, Service(service), run.now())
    if isinstance(problem, RetryLater):
        raise problem
    return found
