"""Texts that services write as HTML, as people read them."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from typing import Final, NamedTuple

_PARAGRAPHS: Final = {"p", "blockquote", "pre", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "table"}
_LINES: Final = {"br", "li", "div", "tr", "dt", "dd"}
_KEPT: Final = "\0"
"""Stands for a space that is not to be collapsed; no text has it."""

_AROUND: Final = re.compile(r"[ \t]*\n[ \t]*")
_MANY: Final = re.compile(r"\n{3,}")
_SPACES: Final = re.compile(r"[ \t\r\n\f]+")
_PIECES: Final = re.compile(
    r"""<(/?(?:p|br|a|span|i|b|em|strong)(?=[\s/>]))((?:[^<>"']|"[^"<>]*"|'[^'<>]*')*)>""", re.IGNORECASE
)
_HREF: Final = re.compile(r"""\bhref="([^"]*)\"""")

_SILENT: Final = {"script", "style", "head", "template", "noscript"}


class Plain(NamedTuple):
    """The text of some HTML, the addresses it links to, and the pictures and films it shows."""

    text: str
    links: tuple[str, ...]
    media: tuple[str, ...]


def plain(html: str) -> Plain:
    """Any text, HTML or not, well formed or not: tags out, entities resolved, paragraphs kept.

    White space is collapsed as a browser does, but for paragraphs (an empty line), line breaks and
    what stands in `<pre>`. A link shows its own text, in full where a service shortens it by
    hiding part of it (Mastodon's `invisible`).
    """
    if "<" not in html and "&" not in html:
        return Plain(html.strip(), (), ())
    simple = _simple(html)
    if simple is not None:
        return simple
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return _plain(reader.parts, reader.links, reader.media)


def _plain(parts: list[str], links: list[str], media: list[str]) -> Plain:
    text = _AROUND.sub("\n", "".join(parts))
    if "\n\n\n" in text:
        text = _MANY.sub("\n\n", text)
    text = text.strip().replace(_KEPT, " ")
    return Plain(text, tuple(dict.fromkeys(links)), tuple(dict.fromkeys(media)))


def _simple(html: str) -> Plain | None:
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
                if link.startswith(("http://", "https://")):
                    links.append(link)
            elif tag in {"p", "/p"}:
                parts.append("\n\n")
            elif tag == "br":
                parts.append("\n")
    return _plain(parts, links, [])


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.links: list[str] = []
        self.media: list[str] = []
        self._silent = 0
        self._kept = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent += 1
        self._break(tag)
        if tag == "pre":
            self._kept += 1
        values = dict(attrs)
        if tag == "a" and (link := values.get("href")) and link.startswith(("http://", "https://")):
            self.links.append(link)
        if tag in {"img", "video", "audio", "source"} and (link := values.get("src")):
            self.media.append(link)

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        if tag == "pre":
            self._kept = max(0, self._kept - 1)
        if tag != "br":
            self._break(tag)

    def handle_data(self, data: str) -> None:
        if not self._silent:
            data = data.replace(_KEPT, "")
            self.parts.append(data.replace(" ", _KEPT) if self._kept else _SPACES.sub(" ", data))

    def _break(self, tag: str) -> None:
        if tag in _LINES:
            self.parts.append("\n")
        elif tag in _PARAGRAPHS:
            self.parts.append("\n\n")
