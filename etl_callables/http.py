"""Asking a service over HTTP: one client that every source with an API shares.

A source says where and what; this says how: who asks (`trawl/<version>`), how long to wait, what to
do about an answer that is late, half, of another kind or a refusal (`etl_callables.verdict`), and how
often to ask at most. A fault that passes is tried again at once; a wait longer than `PATIENCE` is
raised as RetryLater, so that it holds no worker.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache, partial
from importlib.metadata import version as version_of
from typing import Any, Final, Self, TypeVar, cast

import httpx
import msgspec

from etl_callables.errors import RetryLater, Stop, TrawlError
from etl_callables.http_bounds import DEADLINE, ENCODING, gathered, too_slow, unpacked
from etl_callables.http_deadline import bounded, within
from etl_callables.run import Run
from etl_callables.sources import Request
from etl_callables.url import bare, secrets_of, shown, veiled
from etl_callables.verdict import Answer, Service, Unhelpful, exhausted, verdict

PATIENCE: Final = 30.0
"""Seconds that are waited in place; a longer wait gives the worker back."""

TIMEOUT: Final = 20.0
"""Seconds without a byte after which an answer will not come."""

_PAUSES: Final = (0.5, 2.0)
"""Seconds before the second and the third try after a fault that passes, and to wait at least."""

_OPEN: Final = frozenset({"accept", "user-agent", "if-none-match", "if-modified-since"})
"""Headers that hold nothing secret."""

_TELLING: Final = 8
"""Letters in a row by which a secret is known; fewer are in other words too."""

_PORTS: Final = 1 << 16
_WAITS: Final = 10
"""Short waits for one answer, asked for by the service, before it is called a long one."""

CLIENTS: Final = "clients"
"""Where parts of a request find the clients that they share (`Request.shared`)."""

Params = Mapping[str, Any]
T = TypeVar("T")


def user_agent() -> str:
    return f"trawl/{version_of('trawl')}"


def version(client: str = "httpx") -> str:
    """What fetches, for the manifest: `trawl 0.1.0 (httpx 0.28.1)`."""
    return f"trawl {version_of('trawl')} ({client} {version_of(client)})"


def address(credentials: Mapping[str, Any], default: str) -> str:
    """The root of a service's URLs: what the connection's host says, else `default`.

    A host may be written with its scheme (`http://127.0.0.1:8080`); without one it is the
    connection's `schema` where that is http or https, and https otherwise. Stop for what is no
    address, and for one that would send a password over the network in clear.
    """
    host = str(credentials.get("host") or "").strip()
    if not host:
        return default
    if "://" not in host:
        scheme = str(credentials.get("schema") or "").lower()
        host = f"{scheme if scheme in {'http', 'https'} else 'https'}://{host}"
    try:
        url = httpx.URL(host)
        if credentials.get("port") and url.port is None:
            url = url.copy_with(port=int(credentials["port"]))
    except (httpx.InvalidURL, ValueError, TypeError) as problem:
        why = "" if "@" in host else f" ({problem})"  # which repeats a part of it
        raise Stop(f"The host of the source connection is no address: {shown(host)!r}{why}.") from None
    if url.scheme not in {"http", "https"} or not url.host or not 0 < (url.port or 1) < _PORTS:
        raise Stop(f"The host of the source connection is no address: {shown(host)!r}.")
    has_password = credentials.get("password") or url.password
    if url.scheme == "http" and has_password and not _is_loopback(url.host):
        raise Stop(f"The source connection would send its password to {shown(host)} in clear: use https.")
    return str(url).rstrip("/")


def _timeout(credentials: Mapping[str, Any]) -> float:
    extra = credentials.get("extra")
    value = extra.get("timeout", TIMEOUT) if isinstance(extra, Mapping) else TIMEOUT
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= DEADLINE:
        raise Stop(
            f"The extra of the source connection has the timeout {value!r}:"
            f" write a number of seconds up to {DEADLINE:.0f}."
        )
    return float(value)


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.")


class Rate:
    """At most `count` questions in any `seconds`, from any number of threads."""

    def __init__(self, count: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.count, self.seconds = count, seconds
        self._clock = clock
        self._asked: deque[float] = deque(maxlen=count)
        self._lock = threading.Lock()

    def wait(self, patience: float) -> float:
        """Seconds until the next question may be asked, which is then taken; not when beyond `patience`."""
        with self._lock:
            now = self._clock()
            at = now if len(self._asked) < self.count else max(now, self._asked[0] + self.seconds)
            if at - now <= patience:
                self._asked.append(at)
            return at - now


def rate_of(request: Request, count: int, seconds: float) -> Rate:
    """The rate that all clients of a request keep together."""
    rate: Rate = request.shared.setdefault((count, seconds), Rate(count, seconds))
    return rate


def persist(ask: Callable[[], T], run: Run) -> T:
    """What `ask` gives, asked again after a fault that passes and after a short wait.

    Raises what it raises: RetryLater where the fault stays or the wait is long, and Stop.
    """
    faults = waits = 0
    while True:
        try:
            return ask()
        except RetryLater as problem:
            seconds = _in_place(problem, faults, waits, run)
            if seconds is None:
                raise
            faults += problem.after is None
            waits += problem.after is not None
            run.log.info("%s Trying again in %.1f seconds.", problem, seconds)
            run.sleep(seconds)


def _in_place(problem: RetryLater, faults: int, waits: int, run: Run) -> float | None:
    """The seconds to wait here before trying again; None when whoever runs this has to wait."""
    if problem.after is None:
        again = faults < len(_PAUSES) and not isinstance(problem, Unhelpful)
        return _PAUSES[faults] if again else None
    seconds = (problem.after - run.now()).total_seconds()
    # Whoever says a short time again and again is not asked again and again.
    return (
        max(seconds, _PAUSES[min(waits, len(_PAUSES) - 1)])
        if seconds <= PATIENCE and waits < _WAITS
        else None
    )


@dataclass(frozen=True, slots=True)
class _Question:
    method: str
    url: str
    params: Params | None = None
    headers: Mapping[str, str] | None = None
    sent: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Client:
    """Asks one service. Use as a context manager; safe to use from several threads.

    `name` and `connection` are for messages. `base` is the root of relative paths (`address`).
    `headers` go with every question and may hold secrets, which no message repeats. `judge` may
    raise what an answer means for this service alone, before the general rules look at it. `option` is the
    job's option that says where the service is, where one does (`verdict.Service`).
    `transport` stands in for the network in tests.
    """

    name: str
    base: str
    run: Run
    connection: str = ""
    option: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    rate: Rate | None = None
    judge: Callable[[Answer], None] | None = None
    timeout: float = TIMEOUT
    deadline: float = DEADLINE
    follow: bool = False
    transport: httpx.BaseTransport | None = None
    asked: int = 0
    kept: bool = False
    _http: httpx.Client = field(init=False, repr=False)
    _closed: datetime | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if not all(map(_can_be_sent, self.headers.values())):
            whose = f"The connection {self.connection}" if self.connection else "The source connection"
            raise Stop(
                f"{whose} has a login, password or extra with characters that {self.name} cannot be sent,"
                " such as line breaks or accents: copy it again."
            )
        client = httpx.Client(
            headers={
                "User-Agent": user_agent(),
                "Accept": "application/json",
                "Accept-Encoding": ENCODING,
                **self.headers,
            },
            timeout=httpx.Timeout(self.timeout),
            follow_redirects=self.follow,
            max_redirects=5,
            verify=_trust(*map(os.environ.get, ("SSL_CERT_FILE", "SSL_CERT_DIR"))),
            transport=self.transport,
            limits=httpx.Limits(max_connections=32, max_keepalive_connections=32),
        )
        self._http = bounded(client)

    @classmethod
    def of(
        cls, name: str, home: str, request: Request, run: Run, *, shared: bool = False, **more: Any
    ) -> Self:
        """A client for a job's request: `home`, unless its source connection has another host.

        The connection's extra may have `timeout`, in seconds. A `shared` client is the same for all parts
        of a request that is asked in parts, and so are its connections.
        """
        base = address(request.credentials, home)
        timeout = _timeout(request.credentials)
        option = "server" if "server" in request.options and not request.credentials.get("host") else ""
        said = {"connection": request.connection, "option": option}
        client = cls(name, base, run, **{**said, "timeout": timeout, **more})
        clients: dict[Any, Self] | None = request.shared.get(CLIENTS) if shared else None
        if clients is None:
            return client
        client.kept = True
        kept = clients.setdefault((name, base), client)
        if kept is not client:
            client.close()
        return kept

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.kept:
            self.close()

    def close(self) -> None:
        self._http.close()

    def get(
        self,
        path: str,
        params: Params | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        accept: Collection[int] = (),
    ) -> Answer:
        """The answer to a GET, of any kind. Statuses in `accept` are the caller's to judge, beside 2xx.

        Raises RetryLater and Stop.
        """
        return self._ask(_Question("GET", self._url(path), params, headers), accept, None)

    def get_json(
        self,
        path: str,
        params: Params | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        accept: Collection[int] = (),
        read: Callable[[bytes], Any] | None = None,
    ) -> Answer:
        """As `get`, known to be whole JSON, which is in the answer's `value`.

        `read` makes the value of the body instead, and raises ValueError where that is no whole JSON.
        """
        return self._ask(_Question("GET", self._url(path), params, headers), accept, read or decode)

    def post_json(
        self,
        path: str,
        data: Any,
        *,
        form: bool = False,
        headers: Mapping[str, str] | None = None,
        accept: Collection[int] = (),
    ) -> Answer:
        """The JSON answer to a POST of `data`, as JSON or, with `form`, as a form; for logins."""
        sent = {"data": data} if form else {"json": data}
        return self._ask(_Question("POST", self._url(path), None, headers, sent), accept, decode)

    def _url(self, path: str) -> str:
        return path if "://" in path else f"{self.base}{path}"

    def _ask(
        self, question: _Question, accept: Collection[int], read: Callable[[bytes], Any] | None
    ) -> Answer:
        def once() -> Answer:
            self._pace()
            try:
                return self._judged(self._send(question), accept, read)
            except TrawlError as problem:
                secrets = [*_secrets({**self.headers, **(question.headers or {})}), *secrets_of(question.url)]
                problem.args = tuple(map(partial(_without, secrets), problem.args))
                raise

        return persist(once, self.run)

    def _pace(self) -> None:
        """Wait until the next question may be asked."""
        now = self.run.now()
        if self._closed is not None:
            seconds = (self._closed - now).total_seconds()
            if seconds > PATIENCE:
                raise RetryLater(f"{self.name} takes no more questions for now.", self._closed)
            self._closed = None
            if seconds > 0:
                self.run.sleep(seconds)
        if self.rate is not None:
            seconds = self.rate.wait(PATIENCE)
            if seconds > PATIENCE:
                after = now + timedelta(seconds=seconds)
                raise RetryLater(f"{self.name} is asked as often as it allows.", after)
            if seconds > 0:
                self.run.sleep(seconds)

    def _send(self, question: _Question) -> Answer:
        """The answer, whole, whatever it says."""
        self.asked += 1
        headers = _of_the_service(question.headers or {})
        if not all(map(_can_be_sent, headers.values())):
            raise RetryLater(
                f"{self.name} wants to be asked with a login that has characters no login can have."
            )
        began = time.monotonic()
        try:
            with (
                within(self.deadline),
                self._http.stream(
                    question.method,
                    question.url,
                    params=question.params,
                    headers=headers,
                    **question.sent,
                ) as response,
            ):
                # Not `iter_bytes`, which unpacks a piece whatever it grows to.
                packed = gathered(cast("httpx.SyncByteStream", response.stream), self.name)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects) as problem:
            raise Stop(
                f"{self.name} cannot be asked at {bare(question.url)} ({_cause(problem)})."
            ) from problem
        except (httpx.LocalProtocolError, UnicodeError):
            # Their own words repeat what was to be sent.
            raise Stop(
                f"{self.name} cannot be asked at {bare(question.url)}: the question has characters that"
                " cannot be sent."
            ) from None
        except httpx.RequestError as problem:
            if _is_untrusted(problem):
                raise Stop(
                    f"{self.name} does not prove that it is {bare(question.url)} ({_cause(problem)}):"
                    " correct the host of the source connection, or what certificates this machine trusts."
                ) from problem
            if time.monotonic() - began >= self.deadline:
                raise too_slow(self.name, self.deadline) from problem
            raise RetryLater(f"{self.name} did not answer ({_cause(problem)}).") from problem
        except TimeoutError as problem:
            raise too_slow(self.name, self.deadline) from problem
        answer = Answer(
            response.status_code,
            {name.lower(): value for name, value in response.headers.items()},
            packed,
            bare(str(response.url)),
        )
        return unpacked(answer, self.name)

    def _judged(self, answer: Answer, accept: Collection[int], read: Callable[[bytes], Any] | None) -> Answer:
        """The answer, with the value that is read in its JSON if any is; or raised, what it means."""
        now = self.run.now()
        if answer.status not in accept:
            if self.judge is not None:
                self.judge(answer)
            problem = verdict(answer, Service(self.name, self.connection, self.option), now)
            if problem is not None:
                raise problem
        self._closed = exhausted(answer.headers, now)
        if read is None or (answer.status in accept and "json" not in answer.kind):
            return answer
        if "json" not in answer.kind:
            raise Stop(
                f"{self.name} answered with {'a web page' if answer.is_page else answer.kind or 'something'}"
                " instead of JSON: something in between blocks this machine, or"
                f" {answer.url} is not its address."
            )
        try:
            return replace(answer, value=read(answer.body))
        except ValueError as problem:
            raise RetryLater(f"{self.name} sent something that is no whole JSON ({problem}).") from problem


def _can_be_sent(value: str) -> bool:
    """Whether a header can have this value (RFC 9110 5.5), in the letters that all servers read."""
    return value.isascii() and value.isprintable() and value == value.strip()


def _of_the_service(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of one question. Conditions that cannot be said are left out: what comes then is whole."""
    return {
        name: value
        for name, value in headers.items()
        if _can_be_sent(value) or not name.lower().startswith("if-")
    }


def _secrets(headers: Mapping[str, str]) -> list[str]:
    """What no message may repeat: logins, keys and tokens, without the word for their kind."""
    values = [value for name, value in headers.items() if name.lower() not in _OPEN]
    return [value.partition(" ")[2] or value for value in values]


def _without(secrets: Iterable[str], part: Any) -> Any:
    """A part of a message with three dots for each piece of a secret; services repeat what they refuse."""
    if not isinstance(part, str):
        return part
    hidden = bytearray(len(part))
    for at in range(len(part) - _TELLING + 1):
        if any(part[at : at + _TELLING] in secret for secret in secrets):
            hidden[at : at + _TELLING] = b"1" * _TELLING
    shown = "".join("\0" if hides else letter for letter, hides in zip(part, hidden, strict=True))
    return re.sub("\0+", "…", shown)


def decode(body: bytes) -> Any:
    """JSON in UTF-8 as plain values; ValueError when it is none.

    Half surrogates, which real texts have, pass.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        try:
            return json.loads(body.decode())  # of bytes it would take UTF-16 too, of which no line is one
        except RecursionError as problem:
            raise ValueError("too deep") from problem
    except RecursionError as problem:
        raise ValueError("too deep") from problem


@cache
def _trust(file: str | None, folder: str | None) -> ssl.SSLContext:  # noqa: ARG001 - httpx looks there itself
    """What certificates are trusted; read once, for it takes as long as several answers do."""
    return httpx.create_ssl_context()


def one_line(body: bytes) -> bytes:
    """JSON without line breaks, which in JSON are only ever white space."""
    return body.replace(b"\r", b" ").replace(b"\n", b" ").strip()


def _cause(problem: BaseException) -> str:
    """The innermost reason, in its own words."""
    while problem.__cause__ is not None or problem.__context__ is not None:
        problem = problem.__cause__ or problem.__context__  # type: ignore[assignment]
    return veiled(f"{type(problem).__name__}: {problem}")[:200].rstrip(": ")


def _is_untrusted(problem: BaseException | None) -> bool:
    while problem is not None:
        if isinstance(problem, ssl.SSLCertVerificationError):
            return True
        problem = problem.__cause__ or problem.__context__
    return False
