"""The line a problem is on, with the culprit marked."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from schemas.words import printable

_BREAKS: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""Where YAML ends a line."""

_QUOTED: Final = re.compile(r"""\"(?:[^"\\]|\\.)*\"?|'(?:[^']|'')*'?""")
_BLOCK: Final = re.compile(r".+?(?=\s*(?::(?:\s|$)|\s#|$))")
_FLOW: Final = re.compile(r".+?(?=\s*(?::(?:\s|$)|\s#|[,\]}]|$))")
_BEGINS: Final = "_./-+@%`$~\u201c\u201e\xab\u2018\u201a"
"""What a key or value can begin with besides letters and digits."""

_LONG: Final = 4000
"""As far as a line is looked at: no problem is to cost more than a glance, however many there are."""

_CLOSING: Final = {"[": "]", "{": "}"}


def lines_of(text: str) -> list[str]:
    """The lines of a file as problems count them, without their ends."""
    return list(_split(text))


@lru_cache(maxsize=8)
def _split(text: str) -> tuple[str, ...]:
    """The lines of a text; problems come many to a file, one after the other."""
    return tuple(_BREAKS.split(text.removeprefix("\ufeff")))


def token_at(line: str, column: int) -> str:
    """The key or value that begins at the 1-based column of a line; a character where there is neither."""
    rest = line[column - 1 : column - 1 + _LONG]
    if not rest:
        return ""
    if rest[0] in "\"'" and (found := _QUOTED.match(rest)):
        return found[0]
    if rest[0] in _CLOSING:
        return _collection(rest)
    if not (rest[0].isalnum() or rest[0] in _BEGINS):
        return rest[0]
    found = (_FLOW if _in_flow(line[: column - 1]) else _BLOCK).match(rest)
    return found[0] if found else rest[0]


def _collection(text: str) -> str:
    """A list or mapping in brackets, up to its end or that of the line."""
    depth, place = 0, 0
    while place < len(text):
        if text[place] in "\"'" and (found := _QUOTED.match(text, place)):
            place = found.end()
            continue
        depth += (text[place] in "[{") - (text[place] in "]}")
        place += 1
        if depth == 0:
            break
    return text[:place]


def _in_flow(before: str) -> bool:
    if len(before) > _LONG:
        return True  # nothing else goes on for so long, and its beginning is too far to be looked for
    plain = _QUOTED.sub("", before)
    return plain.count("[") + plain.count("{") > plain.count("]") + plain.count("}")


def excerpt(text: str, line: int, column: int, width: int) -> list[str]:
    """The line with a marker under the culprit, in at most `width` columns; nothing where there is none."""
    lines = _split(text)
    if not 1 <= line <= len(lines) or not lines[line - 1] or text.startswith("\ufffd\ufffd"):
        return []
    whole = lines[line - 1]
    token = token_at(whole, column) or " "
    gutter = f"{line:>4} | "
    shown, before = _cropped(whole, column - 1, max(20, width - len(gutter) - 1))
    marks = _width(token[: max(1, len(shown) - before)])
    # A culprit that goes on beyond what is shown is marked as far as it is shown.
    marks = max(1, min(marks, _width(shown) - _width(shown[:before])))
    return [f"{gutter}{shown}", f"     | {' ' * _width(shown[:before])}{'^' * marks}"]


def _cropped(line: str, place: int, width: int) -> tuple[str, int]:
    """A line cut around `place` where it is too wide, and where that place is now."""
    # Characters that combine take no column, so that more than are shown may be looked at.
    cut = max(0, place - 2 * width)
    if cut or len(line) > place + 8 * width:
        head = "…" if cut else ""
        return _cropped_to(head + line[cut : place + 8 * width], place - cut + len(head), width)
    return _cropped_to(line, place, width)


def _cropped_to(line: str, place: int, width: int) -> tuple[str, int]:
    plain = printable(line.replace("\t", " ")).rstrip()
    if _width(plain) <= width:
        return plain, min(place, len(plain))
    start = max(0, place - width // 3)
    head = "…" if start else ""
    end, left = start, width - 1 - len(head)
    while end < len(plain) and (left := left - _columns(plain[end])) >= 0:
        end += 1
    end = max(end, place)
    tail = "…" if end < len(plain) else ""
    return head + plain[start:end] + tail, place - start + len(head)


def _width(text: str) -> int:
    """Columns of a terminal."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
