"""Who asks Bluesky: anybody, or an account with an app password.

Anybody may read what accounts and feeds show, from Bluesky's public service. A search needs an
account, which logs in where it lives (https://docs.bsky.app/docs/api/com-atproto-server-create-session).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import urlsplit

from etl_callables.errors import RetryLater, Stop, TrawlError
from etl_callables.http import Client, decode, rate_of
from etl_callables.run import Run
from etl_callables.sources import Request
from etl_callables.verdict import Answer, said

PUBLIC: Final = "https://public.api.bsky.app"
LOGIN: Final = "https://bsky.social"
RATE: Final = (3000, 300.0)
"""Questions and seconds: what a server of accounts (PDS) allows an address."""

_APP_PASSWORD: Final = re.compile(r"[a-z2-7]{4}(-[a-z2-7]{4}){3}")


class _Expired(TrawlError):  # noqa: N818 (as its siblings)
    """The access token is older than its two hours."""


@dataclass(slots=True)
class Login:
    """What a login gave, for all that ask at once: access and refresh tokens, and where to ask."""

    tokens: tuple[str, str] | None = None
    base: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)


class Session:
    """Asks methods of Bluesky's API. Use as a context manager; safe to use from several threads."""

    def __init__(self, request: Request, run: Run) -> None:
        given = request.credentials
        self._name, self._password = (str(given.get(part) or "") for part in ("login", "password"))
        self._connection = request.connection
        self._named = bool(given.get("host"))
        self._run = run
        self.login: Login = request.shared.setdefault("login", Login())
        base = LOGIN if self._name else PUBLIC
        # Logins are counted apart from questions: the last of them must not end the asking.
        self._door = Client.of("Bluesky's login", base, request, run)
        self._client = Client.of(
            "Bluesky", base, request, run, rate=rate_of(request, *RATE), judge=self._judge
        )

    @property
    def is_account(self) -> bool:
        """Whether there is somebody to log in as."""
        return bool(self._name and self._password)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._door.__exit__()
        self._client.__exit__()

    def get(self, method: str, params: Mapping[str, Any]) -> Answer:
        """The JSON answer to a query, logged in where there is an account. Raises RetryLater and Stop."""
        path = f"/xrpc/{method}"
        if not self.is_account:
            return self._client.get_json(path, params)
        tokens = self._current(None)
        try:
            return self._client.get_json(path, params, headers=_bearer(tokens[0]))
        except _Expired:
            tokens = self._current(tokens)
        try:
            return self._client.get_json(path, params, headers=_bearer(tokens[0]))
        except _Expired as problem:
            raise RetryLater("Bluesky calls a login expired that it has just given.") from problem

    def _judge(self, answer: Answer) -> None:
        """What Bluesky says of tokens; it says it with 400, like of a bad query."""
        error = _error(answer)
        if error == "ExpiredToken":
            raise _Expired("the login has expired")
        if error == "InvalidToken":
            raise RetryLater(f"Bluesky no longer knows the login of this run ({said(answer)}).")

    def _current(self, old: tuple[str, str] | None) -> tuple[str, str]:
        """Tokens other than `old`: those that another thread got, refreshed ones, or a new login's."""
        login = self.login
        with login.lock:
            if login.tokens is None or login.tokens is old:
                login.tokens = (old and self._refreshed(old[1])) or self._logged_in()
            self._client.base = login.base or self._client.base
            return login.tokens

    def _logged_in(self) -> tuple[str, str]:
        if not _APP_PASSWORD.fullmatch(self._password):
            self._run.log.warning(
                "The password in %s is no app password, and opens more than Trawl needs: make one in"
                " Bluesky under Settings, Privacy and security, App passwords.",
                f"the connection {self._connection}" if self._connection else "the source connection",
            )
        answer = self._door.post_json(
            "/xrpc/com.atproto.server.createSession",
            {"identifier": self._name.removeprefix("@"), "password": self._password},
        )
        self.login.base = home(answer.value, self._client.base, named=self._named)
        return _tokens(answer)

    def _refreshed(self, token: str) -> tuple[str, str] | None:
        """New tokens for the long-lived one; None when it is no good any more either."""
        answer = self._door.post_json(
            "/xrpc/com.atproto.server.refreshSession",
            {},
            form=True,  # no body at all, which it insists on
            headers=_bearer(token),
            accept={400},
        )
        return _tokens(answer) if answer.status == 200 else None  # noqa: PLR2004


def home(session: Any, base: str, *, named: bool) -> str:
    """Where an account lives, as its login says; `base` where a connection names a host itself."""
    if named:
        return base
    try:
        services = session["didDoc"]["service"]
        found = next(one["serviceEndpoint"] for one in services if one["id"].endswith("#atproto_pds"))
    except (LookupError, TypeError, AttributeError, StopIteration):
        return base
    url = urlsplit(str(found))
    return f"https://{url.netloc}" if url.scheme == "https" and url.hostname else base


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _tokens(answer: Answer) -> tuple[str, str]:
    try:
        return str(answer.value["accessJwt"]), str(answer.value["refreshJwt"])
    except (LookupError, TypeError) as problem:
        raise Stop(f"{answer.url} is no login of Bluesky: correct the host of the source connection.") from (
            problem
        )


def _error(answer: Answer) -> str:
    """The name of an error of the kind that is about the question."""
    if answer.status != 400:  # noqa: PLR2004
        return ""
    try:
        return str(decode(answer.body)["error"])
    except (ValueError, LookupError, TypeError):
        return ""
