"""Words for people: the nearest of several, lists of choices, names of types."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_LONGEST_SHOWN = 60


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that was probably meant, if there is one."""
    import difflib  # noqa: PLC0415  for hints only

    plain = {_plain(choice): choice for choice in choices}
    said = _plain(word[:100])
    # One and many of a thing, and letters in the wrong order, are nearer than letters can tell.
    for same in (_one, sorted):
        for name, choice in plain.items():
            if same(name) == same(said):
                return choice
    found = difflib.get_close_matches(said, plain, n=1, cutoff=0.7)
    return plain[found[0]] if found else None


def _one(word: str) -> str:
    """A word without the ending of its plural."""
    return f"{word[:-3]}y" if word.endswith("ies") else word.removesuffix("s")


def _plain(word: str) -> str:
    return word.lower().strip().replace("-", "_").replace(" ", "_")


def either(choices: Iterable[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    *most, last = choices
    return f"{', '.join(most)} or {last}" if most else last


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """A question where one choice is near, otherwise the choices; empty where there are too many."""
    known = list(choices)
    near = nearest(word, known)
    if near is not None:
        return f'did you mean "{near}"?'
    return f"choose {either(known)}" if 0 < len(known) <= 12 else ""  # noqa: PLR2004  a line's worth


def shown(value: Any) -> str:
    """A value as a person wrote it, cut where it is long; safe on a terminal."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'the text "{short(value)}"'
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    return f"the number {short(str(value))}"


def printable(text: str) -> str:
    """Text with nothing in it that moves a cursor or hides."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "·" for c in text)


def short(text: str) -> str:
    """Text on one line, cut where it is long, with nothing in it that moves a cursor."""
    line = printable(text)
    return line if len(line) <= _LONGEST_SHOWN else line[: _LONGEST_SHOWN - 1] + "…"


def counted(number: int, thing: str) -> str:
    """`1 job`, `1,000 jobs`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
