"""Good job files, spoilt in the ways that hands, editors and disks spoil them.

`TRAWL_MUTATIONS` says how many tries a test makes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.schemas.conftest import JOBS

GOOD: Final = [path.read_bytes() for path in sorted((JOBS / "ok").glob("*.yaml"))]
TRIES: Final = int(os.environ.get("TRAWL_MUTATIONS", "200"))
mutated = settings(
    max_examples=TRIES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

WORD: Final = re.compile(rb"[^\s:,\[\]{}]+")
INDENTS: Final = [b"", b" ", b"  ", b"   ", b"    ", b"\t", b" \t", b"  - ", b"\xc2\xa0\xc2\xa0", b"        "]
QUOTES: Final = [b"'", b'"', b"''", b'""', b"\\", "\u201c".encode(), "\u2019".encode(), b"`", b"|\n", b">-\n"]
SIGNS: Final = [
    *(b":", b": ", b" #", b"#", b"- ", b"-", b"? ", b",", b"[", b"]", b"{", b"}", b"{{", b"&a ", b"*a"),
    *(
        b"<<: *a\n",
        b"<<: {owner: me}\n",
        b"!!int ",
        b"!!python/object:os.system ",
        b"|",
        b">",
        b"%",
        b"@",
        b"~",
    ),
    *(
        b"---\n",
        b"...\n",
        b"%YAML 1.1\n",
        b"=",
        b"\\x07",
        b"\\ud800",
        b"//",
        b"/../",
        b"{dat}",
        b"\xef\xbc\x9a",
    ),
]
BYTES: Final = [
    *(b"\x00", b"\x07", b"\x1b[31m", b"\x7f", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"),
    *(
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xe2\x80\xa8",
        b"\xc2\x85",
        b"\xc2\xa0",
        b"\xe2\x80\x8b",
        b"\xe2\x80\xae",
    ),
    *(b"\xf0\x9f\xa6\xa0", b"e\xcc\x81", b"\xef\xbf\xbe", b"\xd1\x81", b"\r", b"\r\n", b"\x0b", b"\x0c"),
]
NUMBERS: Final = [
    *(
        b"0",
        b"-1",
        b"1e999",
        b"-.inf",
        b".nan",
        b"0x1F",
        b"010",
        b"1_000",
        b"12:30:45",
        b"1.000",
        b"1e3",
        b"no",
    ),
    *(
        b"9" * 30,
        b"9" * 5000,
        b"1" + b"0" * 400 + b".5",
        b"yes",
        b"null",
        b"~",
        b"true",
        b"2021-02-30",
        b"'5'",
    ),
]
LONG: Final = [b"x" * 5000, b"word " * 3000, b"\xf0\x9f\xa6\xa0" * 2000, b"a: " * 500, b"/" * 3000]
KEYS: Final = sorted({key for data in GOOD for key in re.findall(rb"^\s*([a-z_]+):", data, re.MULTILINE)})
ENDS: Final = [b"\r\n", b"\r", b"\n\n", b"\xe2\x80\xa8", b"\xc2\x85", b"\n\r", b" \n", b"\t\n"]
PAIRS: Final = [b"''", b'""', b"[]", b"{}", b"()", b'"', b"[", b"{"]

Below = Callable[[int], int]
Mutation = Callable[[bytes, Below], bytes]


def _of(pieces: list[bytes], below: Below) -> bytes:
    return pieces[below(len(pieces))]


def _lines(change: Callable[[list[bytes], int, int, Below], None]) -> Mutation:
    """A change of lines, given two places in them."""

    def mutation(data: bytes, below: Below) -> bytes:
        lines = data.splitlines(keepends=True) or [b""]
        change(lines, below(len(lines)), below(len(lines)), below)
        return b"".join(lines)

    return mutation


def _swap(lines: list[bytes], one: int, other: int, _below: Below) -> None:
    lines[one], lines[other] = lines[other], lines[one]


def _indent(lines: list[bytes], one: int, _other: int, below: Below) -> None:
    lines[one] = _of(INDENTS, below) + lines[one].lstrip(b" ")


def _borrow(lines: list[bytes], one: int, _other: int, below: Below) -> None:
    lines.insert(one, _of(_of(GOOD, below).splitlines(keepends=True), below))


def _bomb(lines: list[bytes], one: int, _other: int, below: Below) -> None:
    """Aliases of aliases, and a merge of them."""
    for n in range(1 + below(12)):
        inner = b", ".join([b"*a%d" % (n - 1) if n else b"x"] * 9)
        lines.insert(one + n, b"a%d: &a%d [%s]\n" % (n, n, inner))
    lines.append(b"<<: *a0\n")


def _insert(pieces: list[bytes]) -> Mutation:
    def mutation(data: bytes, below: Below) -> bytes:
        at = below(len(data) + 1)
        return data[:at] + _of(pieces, below) + data[at:]

    return mutation


def _word(instead: Callable[[bytes, Below], bytes]) -> Mutation:
    """Something else instead of a word."""

    def mutation(data: bytes, below: Below) -> bytes:
        words = list(WORD.finditer(data))
        if not words:
            return data
        found = words[below(len(words))]
        return data[: found.start()] + instead(found[0], below) + data[found.end() :]

    return mutation


def _one_of(pieces: list[bytes]) -> Mutation:
    return _word(lambda _word, below: _of(pieces, below))


def _misspell(word: bytes, below: Below) -> bytes:
    """A letter less, twice, in the other case, or two in the wrong order."""
    at = below(len(word))
    letter, rest = word[at : at + 1], word[at + 1 :]
    wrong = [rest, letter * 2 + rest, letter.swapcase() + rest, rest[:1] + letter + rest[1:]]
    return word[:at] + _of(wrong, below)


def _wrap(word: bytes, below: Below) -> bytes:
    pair = _of(PAIRS, below)
    return pair[:1] + word + pair[1:]


def _nest(word: bytes, below: Below) -> bytes:
    depth = (2, 18, 21, 500, 20_000)[below(5)]
    opening, closing = ((b"[", b"]"), (b"{a: ", b"}"), (b"- ", b""), (b"? ", b""), (b"{", b""))[below(5)]
    return opening * depth + word + closing * depth


def _flip(data: bytes, below: Below) -> bytes:
    at = below(len(data))
    return data[:at] + bytes([data[at] ^ (1 << below(8))]) + data[at + 1 :] if data else data


def _end_otherwise(data: bytes, below: Below) -> bytes:
    at = below(2) * below(len(data) + 1)
    return data[:at] + data[at:].replace(b"\n", _of(ENDS, below))


def _encode(data: bytes, below: Below) -> bytes:
    text = data.decode("utf-8", "replace")
    saved = [b"\xef\xbb\xbf" + data, text.encode("latin-1", "replace"), data.decode("latin-1").encode()]
    return _of([*saved, text.encode("utf-16"), text.encode("utf-32")], below)


MUTATIONS: Final[list[Mutation]] = [
    _lines(lambda lines, one, _other, _below: lines.__delitem__(one)),
    _lines(lambda lines, one, other, _below: lines.insert(one, lines[other])),
    *(_lines(_swap), _lines(_indent), _lines(_borrow), _lines(_bomb)),
    *(_word(_misspell), _word(_wrap), _word(_nest), _flip, _end_otherwise, _encode),
    *(_one_of(NUMBERS), _one_of(KEYS), _one_of(QUOTES), _one_of(LONG)),
    *(_insert(QUOTES), _insert(SIGNS), _insert(BYTES), _insert(INDENTS), _insert(NUMBERS)),
    lambda data, below: data[: below(len(data) + 1)],
    lambda data, below: _of([b"", b"---\n", b"\n"], below).join([data] * (2 + below(3))),
]


@st.composite
def spoilt(draw: st.DrawFn, most: int = 4) -> bytes:
    """A good file after one to `most` mutations."""

    def below(bound: int) -> int:
        return draw(st.integers(0, max(0, bound - 1)))

    data = draw(st.sampled_from(GOOD))
    for mutation in draw(st.lists(st.sampled_from(MUTATIONS), min_size=1, max_size=most)):
        data = mutation(data, below)
    return data
