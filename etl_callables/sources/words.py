"""The small search language of sources that cannot search: a filter over text already there.

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

from etl_callables.errors import Stop

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
    """A query's words; Stop for what this language does not have, naming it."""
    found: dict[tuple[bool, bool], list[str]] = {}
    for match in _TOKEN.finditer(query or ""):
        word = match["phrase"] if match["word"] is None else match["word"]
        if match["word"] is not None and not match["author"]:
            _refuse_operator(word)
        if not word.strip():
            raise Stop(f"The query has empty quotes or an operator without a word: {query}")
        if '"' in word:
            raise Stop(f"The query has a quotation mark that opens or closes nothing: {query}")
        found.setdefault((bool(match["author"]), bool(match["minus"])), []).append(_folded(word))
    authors = tuple(found.get((True, False), ()))
    if len(set(authors)) > 1:
        raise Stop(f"The query asks for posts that are from {' and from '.join(authors)} at once.")
    return Words(
        present=tuple(found.get((False, False), ())),
        absent=tuple(found.get((False, True), ())),
        authors=authors,
        not_authors=tuple(found.get((True, True), ())),
    )


def _folded(text: str) -> str:
    return text.casefold() if text.isascii() else normalize("NFC", normalize("NFC", text).casefold())


def _refuse_operator(word: str) -> None:
    if word in _JOINERS or word.startswith("(") or word.endswith(")"):
        raise Stop(
            f"An archive is searched by words, phrases, -word and from:name; {word} is not among them"
            " (put it in quotes to search for the text itself)."
        )
    if _OPERATOR.fullmatch(word):
        raise Stop(
            f"An archive is searched by words, phrases, -word and from:name; the operator {word} is not"
            " among them (put it in quotes to search for the text itself)."
        )
