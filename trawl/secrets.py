"""Text that looks like a credential: found, and never shown."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any, Final, NamedTuple

from etl_callables.url import PRIVATE
from schemas.inside import lines_of
from schemas.problem import Problem

HIDDEN: Final = "•••"

CREDENTIAL: Final = "credential"
"""The kind of problem that a check makes of one."""

_INSTEAD: Final = (
    "put it into an Airflow connection, which source_connection or bucket_connection names, and replace one "
    'that was committed before; if it is none, end the line with "# pragma: allowlist secret"'
)

_WORD: Final = r"[^\s\"'#]"
_UP_TO: Final = _WORD + "{0,200}"
_NAMED: Final = (
    r"\b(?:\w{0,30}(?:password|passwd|secret|token|api[_-]?key|access[_-]?key)|bearer)\b"
    r"[\"']?\s{0,5}[:= ]\s{0,5}[\"']?"
)


class _Form(NamedTuple):
    """What it is, in words; one of `signs`, in lower case, is in every text that has it; the form itself.

    `core` is a part of the form that is found quickly, where signs say little.
    """

    what: str
    signs: tuple[str, ...]
    form: re.Pattern[str]
    core: re.Pattern[str] | None = None


def _form(what: str, signs: str, form: str, core: str | None = None) -> _Form:
    return _Form(what, tuple(signs.split()), re.compile(form), re.compile(core) if core else None)


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
        r"-[a-z0-9]{4}-[a-z0-9]{4}-",
    ),
    _form(
        "an address with a password in it",
        "@",
        r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,100}:[^\s/@]{1,200}@",
    ),
    _form(
        "an address with a key or token in it",
        "://",
        rf"(?i:\b[a-z][a-z0-9+.-]{{1,20}}://[^\s\"'?#]{{1,500}}[?#](?:[^\s\"'#]{{0,500}}[&;])?"
        rf"(?:{PRIVATE})=)(?P<value>[^\s\"'&;#]{{3,}})",
        r"://[^\s\"'?#]{1,500}[?#]",
    ),
    _form(
        "a password or token",
        "password passwd secret token apikey api_key api-key accesskey access_key access-key bearer",
        rf"(?i:{_NAMED})(?P<value>(?={_UP_TO}\d)(?={_UP_TO}[A-Za-z]){_WORD}{{12,}})",
    ),
)


_ALLOWED: Final = re.compile(r"(?:^|\s)#\s*pragma:\s*allowlist secret\s*$")
"""A comment at the end of a line, by which its author says that it holds none; other tools know it too."""

_PIECE: Final = 6
"""As many characters of a credential in a row are too many to be shown."""


class Secret(NamedTuple):
    """Something that looks like one: its 1-based line and column, what it seems to be, in words, and itself.

    `allowed` where its author says on the same line that it is none.
    """

    line: int
    column: int
    what: str
    itself: str
    allowed: bool = False


def secrets_in(text: str) -> list[Secret]:
    """What looks like a credential in a file, one for each line that has some."""
    forms = [one for one in _possible(text) if one.form.search(text)]
    if not forms:
        return []
    found = []
    for number, line in enumerate(lines_of(text.removeprefix("\ufeff")), 1):
        for one in forms:
            if match := one.form.search(line):
                group = match.lastgroup or 0
                column = match.start(group) + 1
                allowed = _ALLOWED.search(line) is not None
                # How an address begins is no part of its secret, and others have that in common.
                itself = match[group].rpartition("://")[2]
                found.append(Secret(number, column, one.what, itself, allowed))
                break
    return found


def _possible(text: str) -> list[_Form]:
    """The forms that may be in a text: to look for their signs costs next to nothing."""
    lower = text.lower()
    found = []
    for form in _FORMS:
        for sign in form.signs:
            if sign in lower:
                if form.core is None or form.core.search(text):
                    found.append(form)
                break
    return found


def credentials(path: str, secrets: Iterable[Secret]) -> Iterator[Problem]:
    """A problem for each that its author does not allow, without a word of it."""
    for secret in secrets:
        if not secret.allowed:
            message = f"this line is not shown: it looks like it holds {secret.what}"
            yield Problem(path, secret.line, secret.column, message, CREDENTIAL, _INSTEAD)


def guarded(problem: Problem, secrets: Collection[Secret]) -> Problem:
    """The problem; of what seems to be a credential, without its words, which may hold a part."""
    if problem.kind == CREDENTIAL:
        return problem
    said = f"{problem.message} {problem.hint}"
    if any(secret.line == problem.line for secret in secrets):
        place = "on this line"
    elif hide(said) != said or any(_piece_of(secret.itself, said) for secret in secrets):
        place = "here"
    else:
        return problem
    message = f"something is wrong {place}, which is not shown: it looks like it holds a credential"
    return replace(problem, message=message, hint="")


def _piece_of(secret: str, text: str) -> bool:
    """Whether a text shows a part of a credential that was cut."""
    ends = range(_PIECE, len(secret) + 1)
    return any(secret[end - _PIECE : end] in text for end in ends)


def looks_secret(value: Any) -> bool:
    """Whether a credential seems to be anywhere in a value: a text, or texts in lists and mappings."""
    if isinstance(value, str):
        return any(form.form.search(value) for form in _possible(value))
    if isinstance(value, dict):
        return any(looks_secret(part) for pair in value.items() for part in pair)
    return isinstance(value, list | tuple) and any(map(looks_secret, value))


def hide(text: str) -> str:
    """The text; dots instead of all of it where a part looks like a credential.

    What stands beside one is often the other half of it.
    """
    return HIDDEN if looks_secret(text) else text
