"""Texts that services write as HTML, as people read them.

Whatever a text is, reading it takes time in proportion to its length: `html.parser` looks for the end of
each thing that has none up to the end of the text, which holds a machine for hours on one megabyte.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from html import unescape
from typing import Final, NamedTuple
from urllib.parse import urljoin

_PARAGRAPHS: Final = {"p", "blockquote", "pre", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "table"}
_LINES: Final = {"br", "li", "div", "tr", "dt", "dd"}
_KEPT: Final = "\0"
"""Stands for a space that is not to be collapsed; no text has it."""

_MANY: Final = re.compile(r"\n{3,}")
_SPACES: Final = re.compile(r"[ \t\r\n\f]+")
_PIECES: Final = re.compile(
    r"""<(/?(?:p|br|a|span|i|b|em|strong)(?=[\s/>]))((?:[^<>"']|"[^"<>]*"|'[^'<>]*')*)>""", re.IGNORECASE
)
_HREF: Final = re.compile(r"""\bhref="([^"]*)\"""")

_REFERENCE: Final = re.compile(r"&#(?:[xX]([0-9a-fA-F]+)|([0-9]+));?")
_DIGITS: Final = 7
"""Those of the largest character there is, written as a decimal."""

_HALVES: Final = range(0xD800, 0xE000)

_TAG: Final = re.compile(r"[a-zA-Z][^\s/>\0]*")
_BETWEEN: Final = re.compile(r"[\s/]*")
_ATTRIBUTE: Final = re.compile(r"[^\s/>][^\s/>=]*")
_EQUALS: Final = re.compile(r"\s*=+\s*")
_BARE: Final = re.compile(r"[^\s>]*")
_BLANK: Final = re.compile(r"\s*")
_COMMENT_END: Final = re.compile(r"--\s*>")
_VERBATIM: Final = {tag: re.compile(rf"</\s*{tag}\s*>", re.IGNORECASE) for tag in ("script", "style")}
"""Elements in which nothing is a tag but their own end."""

_SILENT: Final = {"script", "style", "head", "template", "noscript"}


class Plain(NamedTuple):
    """The text of some HTML, the addresses it links to, and the pictures and films it shows."""

    text: str
    links: tuple[str, ...]
    media: tuple[str, ...]


def plain(html: str, base: str = "") -> Plain:
    """Any text, HTML or not, well formed or not: tags out, entities resolved, paragraphs kept.

    White space is collapsed as a browser does, but for paragraphs (an empty line), line breaks and
    what stands in `<pre>`. A link shows its own text, in full where a service shortens it by
    hiding part of it (Mastodon's `invisible`). Addresses are absolute ones of http or https, those that are
    not made so by `base`.
    """
    if "<" not in html and "&" not in html:
        return Plain(html.strip(), (), ())
    html = mended(html)
    simple = _simple(html, base)
    if simple is not None:
        return simple
    return _whole(html, base)


def mended(written: str) -> str:
    """A text with numeric references that every parser takes.

    An emoji that is written as two halves is itself; halves without the other, and numbers that are no
    character's, are U+FFFD.
    """
    if "&#" not in written:
        return written
    changed = _REFERENCE.sub(_mended, written)
    return changed.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _mended(reference: re.Match[str]) -> str:
    """The reference, or the half or the sign that stands for it."""
    written = reference[1] or reference[2]
    digits = written.lstrip("0") or "0"
    number = int(digits, 16 if reference[1] else 10) if len(digits) <= _DIGITS else sys.maxunicode + 1
    if number > sys.maxunicode:
        return "\N{REPLACEMENT CHARACTER}"
    if number in _HALVES:
        return chr(number)
    return reference[0] if digits == written else f"&#{number};"


def absolute(written: object, base: str) -> str | None:
    """An address of http or https, made whole by that of the page it stands on; None for anything else."""
    if not isinstance(written, str) or not written.strip() or written.startswith("#"):
        return None
    if written.startswith(("http://", "https://")):
        return written
    try:
        whole = urljoin(base, written.strip())
    except ValueError:  # people write what they like, `//[` too
        return None
    return whole if whole.startswith(("http://", "https://")) else None


def _whole(html: str, base: str = "") -> Plain:
    reader = _Reader(base)
    _read(html, reader)
    return _plain(reader.parts, reader.links, reader.media)


def _plain(parts: list[str], links: list[str], media: list[str]) -> Plain:
    text = "\n".join(line.strip(" \t") for line in "".join(parts).split("\n"))
    if "\n\n\n" in text:
        text = _MANY.sub("\n\n", text)
    text = text.strip().replace(_KEPT, " ")
    return Plain(text, tuple(dict.fromkeys(links)), tuple(dict.fromkeys(media)))


def _simple(html: str, base: str = "") -> Plain | None:
    """As the parser reads it, ten times as fast, where there are only the tags that posts are made of."""
    pieces = _PIECES.split(html)
    if any("<" in text for text in pieces[::3]):
        return None  # a tag that is not whole, a comment, or one that needs the parser
    parts: list[str] = []
    links: list[str] = []
    # Text, tag, attributes, text, tag, attributes, ... text.
    for place in range(0, len(pieces), 3):
        text = pieces[place]
        if text:
            text = unescape(text) if "&" in text else text
            parts.append(_SPACES.sub(" ", text.replace(_KEPT, "")))
        if place + 1 < len(pieces):
            tag, rest = pieces[place + 1].lower(), pieces[place + 2]
            if tag == "a":
                found = _HREF.findall(rest)
                if len(found) != 1:
                    return None
                link = unescape(found[0]) if "&" in found[0] else found[0]
                if whole := absolute(link, base):
                    links.append(whole)
            elif tag in {"p", "/p"}:
                parts.append("\n\n")
            elif tag == "br":
                parts.append("\n")
    return _plain(parts, links, [])


class _Reader:
    """What becomes of tags and text."""

    def __init__(self, base: str = "") -> None:
        self._base = base
        self.parts: list[str] = []
        self.links: list[str] = []
        self.media: list[str] = []
        self._silent = 0
        self._kept = 0

    def start(self, tag: str, values: Mapping[str, str]) -> None:
        if tag in _SILENT:
            self._silent += 1
        self._break(tag)
        if tag == "pre":
            self._kept += 1
        if tag == "a" and (link := absolute(values.get("href"), self._base)):
            self.links.append(link)
        if tag in {"img", "video", "audio", "source"} and (link := absolute(values.get("src"), self._base)):
            self.media.append(link)

    def end(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        if tag == "pre":
            self._kept = max(0, self._kept - 1)
        if tag != "br":
            self._break(tag)

    def text(self, written: str) -> None:
        if written and not self._silent:
            data = unescape(written).replace(_KEPT, "")
            self.parts.append(data.replace(" ", _KEPT) if self._kept else _SPACES.sub(" ", data))

    def _break(self, tag: str) -> None:
        if tag in _LINES:
            self.parts.append("\n")
        elif tag in _PARAGRAPHS:
            self.parts.append("\n\n")


def _read(html: str, reader: _Reader) -> None:
    """Tell a reader the tags and texts of some HTML; what has no end is text.

    Each character is looked at a few times at most: where something ends is looked for only where that
    is known to be found, and what was read is not read again.
    """
    at, last = 0, html.rfind(">")
    passes = _Passing(html)
    while (start := html.find("<", at)) >= 0 and start < last:
        reader.text(html[at:start])
        if _TAG.match(html, start + 1):
            tag = passes.tag(start)
            at = tag.end
            if not tag.name:
                reader.text(html[start:at])
                continue
            reader.start(tag.name, tag.values)
            if tag.is_closed:
                reader.end(tag.name)
            elif tag.name in _VERBATIM:
                closing = _VERBATIM[tag.name].search(html, at)
                if closing is None:
                    return
                at = closing.start()
        elif html.startswith("/", start + 1):
            at = html.index(">", start) + 1
            place = _past(_BLANK, html, start + 2)
            if name := html[place : _past(_TAG, html, place)]:
                reader.end(name.lower())
        else:
            at = passes.other(start)
            if at == start + 1:
                reader.text("<")
    reader.text(html[at:])


class _Tag(NamedTuple):
    """A start tag and where it ends; without a name it is none, and its text ends there."""

    end: int
    name: str = ""
    values: Mapping[str, str] = {}
    is_closed: bool = False


class _Passing:
    """Finds where what begins at a place ends, and keeps in mind what is known to have no end any more."""

    def __init__(self, html: str) -> None:
        self._html = html
        self._last_section = html.rfind("]]>")
        self._has_comments = self._has_tags = True

    def other(self, start: int) -> int:
        """After what is neither tag nor text, such as a comment; after its `<` where it is text."""
        html = self._html
        if html.startswith("<!--", start):
            found = _COMMENT_END.search(html, start + 4) if self._has_comments else None
            self._has_comments = found is not None
            return found.end() if found else start + 1
        if html.startswith("<![CDATA[", start) and start < self._last_section:
            return html.index("]]>", start) + 3
        return html.index(">", start) + 1 if html.startswith(("<!", "<?"), start) else start + 1

    def tag(self, start: int) -> _Tag:
        """The start tag at a place; none any more after one that had no end."""
        if self._has_tags:
            tag = _tag(self._html, start + 1)
            self._has_tags = bool(tag.name) or tag.end < len(self._html)
        return tag if self._has_tags else _Tag(start + 1)


def _tag(html: str, start: int) -> _Tag:
    """The start tag whose name begins at a place."""
    at = _past(_TAG, html, start)
    name = html[start:at].lower()
    values: dict[str, str] = {}
    while True:
        between = html[at : (at := _past(_BETWEEN, html, at))]
        if html.startswith(">", at):
            return _Tag(at + 1, name, values, is_closed=between.endswith("/"))
        attribute = html[at : (at := _past(_ATTRIBUTE, html, at))]
        if not attribute:
            return _Tag(at)
        value = ""
        if (after := _past(_EQUALS, html, at)) > at:
            at = after
            if html.startswith(('"', "'"), at):
                end = html.find(html[at], at + 1)
                if end < 0:
                    return _Tag(at)
                value, at = html[at + 1 : end], end + 1
            else:
                value = html[at : (at := _past(_BARE, html, at))]
        values[attribute.lower()] = unescape(value)


def _past(pattern: re.Pattern[str], html: str, at: int) -> int:
    """After what a pattern matches at a place, which may be nothing."""
    found = pattern.match(html, at)
    return found.end() if found else at
