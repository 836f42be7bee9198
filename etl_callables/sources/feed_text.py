"""The text of a feed, whatever encoding its server says it has.

Servers name their own default for files they know nothing of, so the first bytes and the XML declaration
count for more where what the server says cannot be right.

Where UTF-8 is named or nothing is, a text is UTF-8 as long as it has at least twice as many characters of
UTF-8 beyond ASCII as faults, each of which is read as U+FFFD: one bad byte spoils no other letter. With fewer
it is in the next encoding that is named, or in windows-1252, whose letters are hardly ever UTF-8 by chance.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16's, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WIDE: Final = (
    (re.compile(rb"\0\0\0[^\0]"), "utf-32-be"),
    (re.compile(rb"[^\0]\0\0\0"), "utf-32-le"),
    (re.compile(rb"\0[^\0]"), "utf-16-be"),
    (re.compile(rb"[^\0]\0"), "utf-16-le"),
)
"""How a text begins whose first character is of ASCII, as each feed's is."""

_DECLARED: Final = re.compile(rb"""\s*<\?xml[^>]*?\sencoding\s*=\s*["']([\w.:-]+)["']""")
_CHARSET: Final = re.compile(r""";\s*charset\s*=\s*["']?([\w.:-]+)""", re.IGNORECASE)
_DEFAULTS: Final = {"ascii", "iso8859-1", "iso8859-15", "cp1252"}
"""What servers and old programs say of any text: what is UTF-8 to the last letter, is UTF-8."""

_FAITH: Final = 2
"""Characters of UTF-8 beyond ASCII that outweigh one fault."""

_PLAIN: Final = "<?xml +ADw-"
"""A text that is the same bytes in each encoding of single bytes that a feed can have."""

_SUPERSETS: Final = {"gb2312": "gb18030"}
_SPACE: Final = "\ufeff \t\r\n"


def text_of(data: bytes, kind: str) -> str:
    """The text of bytes that were served as a kind, from its first sign on."""
    return _decoded(data, kind).lstrip(_SPACE)


def _decoded(data: bytes, kind: str) -> str:
    mark = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    begun = mark or next((name for form, name in _WIDE if form.match(data)), None)
    if begun:
        return data.decode(begun, "replace")
    served, declared = _CHARSET.search(kind), _DECLARED.match(data)
    named = [served[1] if served else "", declared[1].decode("ascii", "replace") if declared else ""]
    encodings = [encoding for name in named if (encoding := _encoding(name))]
    if not encodings or "utf-8" in encodings or encodings[0] in _DEFAULTS:
        encodings.insert(0, "utf-8")
    for encoding in (*encodings, "utf-8", "cp1252"):
        try:
            return data.decode(encoding)
        except ValueError:
            if encoding == "utf-8" and (written := _mostly_utf_8(data)):
                return written
    return data.decode("latin-1")


def _mostly_utf_8(data: bytes) -> str | None:
    """The text of what is UTF-8 but for some faults; None where these are too many."""
    written = data.decode("utf-8", "replace")
    faults = written.count("\N{REPLACEMENT CHARACTER}") - data.count("\N{REPLACEMENT CHARACTER}".encode())
    beyond = len(written) - len(written.encode("ascii", "ignore"))
    return written if beyond - faults >= _FAITH * faults else None


def _encoding(name: str) -> str | None:
    """Python's name of an encoding; None where it knows none, or none that a feed can have."""
    try:
        found = codecs.lookup(name).name
        # Python's own ways of writing, and encodings of wide letters, which it would have begun with.
        if found == "idna" or "unicode" in found or _PLAIN.encode().decode(found) != _PLAIN:
            return None
    except (LookupError, ValueError):
        return None
    return _SUPERSETS.get(found, found)
