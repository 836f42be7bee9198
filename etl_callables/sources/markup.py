"""Texts that services write as HTML, as people read them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final, NamedTuple

_PARAGRAPHS: Final = {"p", "blockquote", "pre", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "table"}
_LINES: Final = {"br", "li", "div", "tr", "dt", "dd"}
_KEPT: Final = "\0"
"""Stands for a space that is not to be collapsed; no text has it."""

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
    reader = _Reader()
    reader.feed(html)
    reader.close()
    text = re.sub(r"[ \t]*\n[ \t]*", "\n", "".join(reader.parts))
    text = re.sub(r"\n{3,}", "\n\n", text).strip().replace(_KEPT, " ")
    return Plain(text, tuple(dict.fromkeys(reader.links)), tuple(dict.fromkeys(reader.media)))


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
            self.parts.append(data.replace(" ", _KEPT) if self._kept else re.sub(r"[ \t\r\n\f]+", " ", data))

    def _break(self, tag: str) -> None:
        if tag in _LINES:
            self.parts.append("\n")
        elif tag in _PARAGRAPHS:
            self.parts.append("\n\n")
