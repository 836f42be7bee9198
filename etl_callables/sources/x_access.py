"""Who asks the X API, and what its refusals mean that no other service gives."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from etl_callables.errors import Stop
from etl_callables.http import Client
from etl_callables.run import Run
from etl_callables.sources import Request
from etl_callables.verdict import Answer
from etl_callables.verdict import said as told

HOME: Final = "https://api.x.com"
VARIABLE: Final = "X_BEARER_TOKEN"
"""The environment variable with the bearer token, for jobs without a connection."""


class OtherSpelling(Exception):  # noqa: N818 - says what to do next
    """X does not know the new names of fields."""


class StaleToken(Stop):
    """X does not know the token of a page any more: it forgets them after a while."""


def client(request: Request, run: Run) -> Client:
    """A client with the job's bearer token: its connection's, else the environment's. Stop without one."""
    token, source = _token(request)
    headers = {"Authorization": f"Bearer {token}"}
    return Client.of("X", HOME, request, run, headers=headers, judge=_judge(request.connection, source))


def _token(request: Request) -> tuple[str, str]:
    """The bearer token, and where it comes from, in words."""
    extra = request.credentials.get("extra")
    inside = extra.get("bearer_token") if isinstance(extra, Mapping) else None
    token = str(request.credentials.get("password") or inside or "").strip()
    if token:
        return _checked(token), ""
    if request.connection:
        raise Stop(f"The connection {request.connection} has no bearer token: write it as its password.")
    token = os.environ.get(VARIABLE, "").strip()
    if not token:
        raise Stop(
            "X needs a bearer token: name a connection that has it as password in the job's"
            f" `source_connection`, or set the environment variable {VARIABLE}."
        )
    return _checked(token), f"the environment variable {VARIABLE}"


def _checked(token: str) -> str:
    if not token.isascii() or not token.isprintable() or " " in token:
        raise Stop("The bearer token for X has characters that no token has: copy it again.")
    return token


def _judge(connection: str, source: str) -> Callable[[Answer], None]:
    def judge(answer: Answer) -> None:
        if answer.status < 400 or answer.is_page:  # noqa: PLR2004
            return
        said = answer.body.decode(errors="replace")
        if answer.status == 400 and "[post.fields]" in said:  # noqa: PLR2004
            raise OtherSpelling
        if answer.status == 400 and re.search(r"\b(next|pagination)_token\b", said):  # noqa: PLR2004
            raise StaleToken(
                f"X does not know the token of a page any more (HTTP 400: {told(answer)}): run it again."
            )
        if answer.status == 402:  # noqa: PLR2004
            raise Stop("X has no credits left for this account (HTTP 402): buy some at console.x.com.")
        if answer.status == 429 and ("usage-capped" in said or "UsageCapExceeded" in said):  # noqa: PLR2004
            raise Stop(
                "X has given this account all that it may read in this month (HTTP 429): raise its spending"
                " limit at console.x.com, or wait."
            )
        if answer.status in {401, 403} and source:
            what = "accept" if answer.status == 401 else "allow this to"  # noqa: PLR2004
            raise Stop(f"X does not {what} the token in {source} (HTTP {answer.status}).")
        if answer.status == 403 and answer.url.endswith("/search/all"):  # noqa: PLR2004
            raise Stop(
                f"X does not let the account of the connection {connection} search the archive (HTTP 403):"
                " write `options: {search: recent}` for the last 7 days, or ask X for access."
            )

    return judge


def reason(page: Mapping[str, Any]) -> str:
    """What an answer without posts says of itself."""
    errors = page.get("errors")
    said = [
        str(error.get("detail") or error.get("title") or "")
        for error in (errors if isinstance(errors, list) else [])
        if isinstance(error, dict)
    ]
    return "; ".join(filter(None, said))[:300] or "without saying why"
