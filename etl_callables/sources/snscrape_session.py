"""How snscrape's scrapers ask, where their own ways to wait and to try again are not wanted."""

from __future__ import annotations

import re
from typing import Any

import requests

from etl_callables.errors import RetryLater
from etl_callables.run import Run
from etl_callables.verdict import Answer, Service, verdict


class Session(requests.Session):
    """What fails between here and a service is for later; what is decided of it is not snscrape's."""

    def __init__(self, service: str, timeout: float) -> None:
        super().__init__()
        self.service = service
        self.timeout = timeout

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        try:
            return super().send(request, **{**kwargs, "timeout": self.timeout})
        except requests.RequestException as problem:
            raise RetryLater(f"{self.service} did not answer ({_cause(problem)}).") from problem


def _cause(problem: BaseException) -> str:
    """The innermost reason, in its own words and without addresses of objects."""
    while problem.__context__ is not None:
        problem = problem.__context__
    return f"{type(problem).__name__}: {re.sub(r'<[^>]*>:? ?', '', str(problem))[:200]}"


def received(answer: requests.Response, service: str, url: str, run: Run) -> Answer:
    """An answer that is a refusal, for its source to say what it means; RetryLater where that passes."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    found = Answer(answer.status_code, headers, answer.content, url)
    problem = verdict(found, Service(service), run.now())
    if isinstance(problem, RetryLater):
        raise problem
    return found
