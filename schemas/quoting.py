"""Typographic quotes where straight ones were meant: what a text processor makes of them when pasted.

YAML knows nothing of them, so they become part of the text: a bucket with them is none, and a search
for “open data” looks for no phrase, which nobody would see. An apostrophe is one and stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from schemas.fault import Fault, Path
from schemas.words import short

_DOUBLE: Final = "\u201c\u201d\u201e\u201f\xab\xbb"
_SINGLE: Final = "\u2018\u201a\u201b"
_AROUND: Final = re.compile(
    f"[{_DOUBLE}{_SINGLE}](?P<text>[^{_DOUBLE}{_SINGLE}]*)[{_DOUBLE}\u2018\u2019]", re.DOTALL
)
_PHRASE: Final = re.compile(
    rf"(?:^|(?<=[\s(:\-]))[{_DOUBLE}](?P<text>[^{_DOUBLE}]*)[{_DOUBLE}](?=$|[\s),.;!?])", re.DOTALL
)
_PROSE: Final = frozenset({"description", "columns"})
"""What people read as it is: their own words, and headers."""

_QUERY: Final = "query"


def quoting_faults(value: dict[str, Any]) -> Iterator[Fault]:
    """A fault for each text of a job that typographic quotes were taken into."""
    for path, text in _texts(value, ()):
        if path == (_QUERY,):
            if found := _PHRASE.search(text) or _AROUND.fullmatch(text.strip()):
                inside = short(found["text"])
                message = f"the quotes around “{inside}” are typographic, and make no phrase of it"
                hint = f"""for a phrase write query: '"{inside}"', for its words no quotes"""
                offset = text.index(found[0])
                yield Fault(message, "typographic-quotes", _hint_of(text, found, hint), path, offset=offset)
        elif found := _AROUND.fullmatch(text.strip()):
            message = f"the quotes around “{short(found['text'])}” are typographic, and part of the text"
            yield Fault(message, "typographic-quotes", "write straight quotes, or none", path)


def _hint_of(text: str, found: re.Match[str], whole: str) -> str:
    return whole if found[0] == text.strip() else 'write straight quotes ("), all of the query in single ones'


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if path or key not in _PROSE:
                yield from _texts(inner, (*path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _texts(inner, (*path, place))
