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


class _Form(NamedTuple):
    """What it is, in words; one of `signs`, in lower case, is in every text that has it; the form itself."""

    what: str
    signs: tuple[str, ...]
    form: re.Pattern[str]


def _form(what: str, signs: str, form: str) -> _Form:
    return _Form(what, tuple(signs.split()), re.compile(form))


# The forms that the services themselves document, and words that say what follows them.
_FORMS: Final = (
    _form("an AWS access key", "akia asia", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    _form(
        "a GitHub token",
        "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_",
        r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})",
    ),
    _form("a Slack token", "xox", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    _form("a Google API key", "aiza", r"\bAIza[A-Za-z0-9_-]{35}"),
    _form("an X bearer token", "a" * 18, r"\bA{18,}[A-Za-z0-9%]{30,}"),
    _form(
        "a JSON web token",
        "eyj",
        r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
    ),
    _form("a private key", "-----begin", r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    _form(
        "a Bluesky app password",
        "-",
        r"(?<![\w-])(?=[a-z-]*\d)[a-z0-9]{4}(?:-[a-z0-9]{4}){3}(?![\w-])",
    ),
    _form(
        "an address with a password in it",
        "@",
        r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,100}:[^\s/@]{1,200}@",
    ),
    _form(
        "a password or token",
        "password passwd secret token key bearer",
        rf"(?i:{_NAMED})(?P<value>(?={_UP_TO}\d)(?={_UP_TO}[A-Za-z]){_WORD}{{12,}})",
    ),
)


class Secret(NamedTuple):
    """Something that looks like one: the 1-based line it is on, what it seems to be, in words, and itself."""

    line: int
    what: str
    itself: str


def secrets_in(text: str) -> list[Secret]:
    """What looks like a credential in a file, one for each line that has some."""
    forms = _possible(text)
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        for what, _, form in forms:
            if match := form.search(line):
                found.append(Secret(number, what, match[0]))
                break
    return found


def _possible(text: str) -> list[_Form]:
    """The forms that may be in a text: to look for their signs costs next to nothing."""
    lower = text.lower()
    return [form for form in _FORMS if any(sign in lower for sign in form.signs)]


def guarded(problem: Problem, secrets: Iterable[Secret]) -> Problem:
    """The problem; of a line that seems to hold a credential, without its words, which may hold a part."""
    if all(secret.line != problem.line for secret in secrets):
        return problem
    message = "something is wrong on this line, which is not shown: it looks like it holds a credential"
    return replace(problem, message=message, hint="")


def hide(text: str) -> str:
    """The text with every such credential taken out."""
    for _, _, form in _possible(text):
        text = form.sub(_hidden, text)
    return text


def _hidden(found: re.Match[str]) -> str:
    groups = found.groupdict()
    if "value" not in groups:
        return HIDDEN
    return found[0][: found.start("value") - found.start()] + HIDDEN
