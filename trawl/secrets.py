"""Text that looks like a credential: found, and never shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final, NamedTuple

from schemas.problem import Problem

HIDDEN: Final = "•••"

_WORD: Final = r"[^\s\"'#]"
_UP_TO: Final = _WORD + "{0,200}"
_NAMED: Final = (
    r"\b(?:\w{0,30}(?:password|passwd|secret|token|api[_-]?key|access[_-]?key)|bearer)\b"
    r"[\"']?\s{0,5}[:= ]\s{0,5}[\"']?"
)

# The forms that the services themselves document, and words that say what follows them.
_FORMS: Final = (
    ("an AWS access key", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    ("a GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})"),
    ("a Slack token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    ("a Google API key", r"\bAIza[A-Za-z0-9_-]{35}"),
    ("an X bearer token", r"\bA{18,}[A-Za-z0-9%]{30,}"),
    ("a JSON web token", r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    ("a private key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    ("a Bluesky app password", r"(?<![\w-])(?=[a-z-]*\d)[a-z0-9]{4}(?:-[a-z0-9]{4}){3}(?![\w-])"),
    ("an address with a password in it", r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,100}:[^\s/@]{1,200}@"),
    ("a password or token", rf"(?i:{_NAMED})(?P<value>(?={_UP_TO}\d)(?={_UP_TO}[A-Za-z]){_WORD}{{12,}})"),
)
_ALL: Final = tuple((what, re.compile(form)) for what, form in _FORMS)


class Secret(NamedTuple):
    """Something that looks like one: the 1-based line it is on, what it seems to be, in words, and itself."""

    line: int
    what: str
    itself: str


def secrets_in(text: str) -> list[Secret]:
    """What looks like a credential in a file, one for each line that has some."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        for what, form in _ALL:
            if match := form.search(line):
                found.append(Secret(number, what, match[0]))
                break
    return found


def guarded(problem: Problem, secrets: Iterable[Secret]) -> Problem:
    """The problem; of a line that seems to hold a credential, without its words, which may hold a part."""
    if all(secret.line != problem.line for secret in secrets):
        return problem
    message = "something is wrong on this line, which is not shown: it looks like it holds a credential"
    return replace(problem, message=message, hint="")


def hide(text: str) -> str:
    """The text with every such credential taken out."""
    for _, form in _ALL:
        text = form.sub(_hidden, text)
    return text


def _hidden(found: re.Match[str]) -> str:
    groups = found.groupdict()
    if "value" not in groups:
        return HIDDEN
    return found[0][: found.start("value") - found.start()] + HIDDEN
