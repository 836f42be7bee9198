"""Where in a file a character of a value was written: behind its quote, its escapes, its spaces."""

from __future__ import annotations

import re
from typing import Final

from schemas.fault import Place

_BREAKS: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_ESCAPE: Final = re.compile(r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)|[^\\]", re.DOTALL)
_SINGLE: Final = re.compile(r"''|[^']")


def lines_of(text: str) -> list[str]:
    """The lines of a file as YAML ends them, without their ends."""
    return _BREAKS.split(text)


def place_inside(text: str, place: Place, value: str, offset: int) -> Place:
    """The place of `value[offset]` in the file `text`, where the value begins at `place`.

    The place itself where the value goes over several lines, for folding has moved its characters.
    """
    lines = _BREAKS.split(text, maxsplit=place.line)
    if not 0 < offset < len(value) or place.line > len(lines):
        return place
    rest = lines[place.line - 1][place.column - 1 :]
    opening = rest[:1]
    if opening not in ("'", '"'):
        return Place(place.line, place.column + offset) if rest.startswith(value) else place
    written = list((_SINGLE if opening == "'" else _ESCAPE).finditer(rest, 1))
    if len(written) <= offset:
        return place
    return Place(place.line, place.column + written[offset].start())


def offset_in(text: str, offset: int) -> int:
    """Where in `text` the character is that `" ".join(text.split())` has at `offset`."""
    plain = " ".join(text.split())[:offset]
    words = [found.start() for found in re.finditer(r"\S+", text)]
    number = plain.count(" ")
    return words[number] + offset - (plain.rfind(" ") + 1) if number < len(words) else 0
