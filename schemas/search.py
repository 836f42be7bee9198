"""The small search language of archives and feeds, which cannot search: a filter over text already there.

    covid vaccine            both words, in any order, also inside longer words (#covid19)
    "side effects"           the words together
    -joke  -"april fools"    not these
    from:ada  -from:bot      only, or not, posts of this author

Upper and lower case are the same everywhere, as Unicode folds them, and so are an é of one character and
of two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from unicodedata import normalize

from schemas.fault import Slip

_TOKEN = re.compile(r'(?P<minus>-?)(?:(?P<author>(?i:from):@?)?(?:"(?P<phrase>[^"]*)"|(?P<word>\S+)))')
_OPERATOR = re.compile(r"[a-z_]+:(?!//)\S+|from:", re.IGNORECASE)
_JOINERS = frozenset({"OR", "AND", "NOT"})


@dataclass(frozen=True, slots=True)
class Words:
    """A query taken apart; everything is case-folded. All four empty: everything matches."""

    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    not_authors: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.present or self.absent or self.authors or self.not_authors)

    def match(self, text: str | None, author: str | None) -> bool:
        """Whether a post matches. No text contains no word; an unknown author is nobody."""
        folded = _folded(text or "")
        if not all(word in folded for word in self.present) or any(word in folded for word in self.absent):
            return False
        who = _folded(author or "")
        return (not self.authors or who in self.authors) and who not in self.not_authors


def parse(query: str | None) -> Words:
    """A query's words; Slip at what this language does not have."""
    found: dict[tuple[bool, bool], list[str]] = {}
    for match in _TOKEN.finditer(query or ""):
        word = match["phrase"] if match["word"] is None else match["word"]
        if match["word"] is not None and not match["author"]:
            _refuse_operator(word, match.start("word"))
        if not word.strip():
            raise Slip("the query has empty quotes or an operator without a word", match.start())
        if '"' in word:
            raise Slip("the query has a quotation mark that opens or closes nothing", match.start())
        found.setdefault((bool(match["author"]), bool(match["minus"])), []).append(_folded(word))
        if len(set(found.get((True, False), ()))) > 1:
            authors = " and from ".join(found[True, False])
            raise Slip(f"the query asks for posts that are from {authors} at once", match.start())
    return Words(
        present=tuple(found.get((False, False), ())),
        absent=tuple(found.get((False, True), ())),
        authors=tuple(found.get((True, False), ())),
        not_authors=tuple(found.get((True, True), ())),
    )


def _folded(text: str) -> str:
    return text.casefold() if text.isascii() else normalize("NFC", normalize("NFC", text).casefold())


def _refuse_operator(word: str, offset: int) -> None:
    if word in _JOINERS or word.startswith("(") or word.endswith(")") or _OPERATOR.fullmatch(word):
        raise Slip(
            f"archives and feeds are searched by words, phrases, -word and from:name, and not by {word}",
            offset,
            "leave it out, or put it in double quotes to search for the text itself",
        )
