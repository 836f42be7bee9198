"""Addresses as messages show them: without what may be secret.

Who logs in by an address, or has a token in its question, has it in the job file or in a connection; whoever
reads errors, logs or pages need not.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

HIDDEN: Final = "…"

PRIVATE: Final = (
    r"(?:[\w.%-]{0,60}[_.%-])?(?:key|auth|authorization|pass|pwd|sig|jwt|bearer|credentials?)"
    r"|[\w.%-]{0,60}(?:token|secret|password|passwd|signature|api[_-]?key|access[_-]?key|auth[_-]?key)"
)
"""The names of parameters whose values are secret, in any case of letters, as a regular expression."""

_ADDRESS: Final = re.compile(r"\b[a-z][a-z0-9+.-]{0,20}://[^\s\"'<>]+", re.IGNORECASE)
_LOGIN: Final = re.compile(r"(?<=//)(?:[^/?#]*@|[^/?#:@\[]*:(?!\d*(?:[/?#]|$)).*@)")
"""What stands before the host. A password with a slash in it is none, and is shown as little."""

_PARAMETER: Final = re.compile(r"([?&;#])([^?&;#=]*)=([^&;#]*)")
_NAME: Final = re.compile(PRIVATE, re.IGNORECASE)


def veiled(text: str) -> str:
    """A text whose addresses name nobody who logs in, with dots for the values of secret parameters."""
    return _ADDRESS.sub(lambda found: _veiled(found[0]), text) if "://" in text else text


def shown(url: str) -> str:
    """An address as a message names it, with its question, in one short line."""
    return line(_veiled(url), 300)


def bare(url: str) -> str:
    """An address without its question, in one short line."""
    return line(re.split("[?#]", _veiled(url), maxsplit=1)[0], 200)


def secrets_of(url: str) -> list[str]:
    """What `veiled` leaves out of an address: logins, and the values of secret parameters."""
    found = [login[0][:-1].rpartition(":")[2] for login in [_LOGIN.search(url)] if login]
    found += [value for _, name, value in _PARAMETER.findall(url) if _is_secret(name)]
    return [form for one in found for form in {one, unquote(one)} if form]


def _veiled(url: str) -> str:
    return _PARAMETER.sub(
        lambda found: f"{found[1]}{found[2]}={HIDDEN}" if _is_secret(found[2]) else found[0],
        _LOGIN.sub("", url),
    )


def _is_secret(name: str) -> bool:
    return _NAME.fullmatch(unquote(name)) is not None


def line(text: str, most: int) -> str:
    """A text of others on one line that can be printed, cut where it is long."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:most]
