"""What is certain about a problem, done: a slip of the pen, quotes too many or too few, a slash too many.

A fix touches only the culprit: comments, order and everything else of a file stay as they are, to the
byte. It is kept only where the problem is gone after it and no other has come.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from schemas.folder import DEFAULTS
from schemas.problem import Problem
from schemas.reading import read_some
from schemas.zone import zone_names
from trawl.excerpt import token_at

_LINES: Final = re.compile("(\r\n|[\n\r\x85\u2028\u2029])")
_MEANT: Final = re.compile(r'did you mean "(?P<word>.*)"\?')
_WRITE: Final = re.compile(r"write (?P<word>true|false|[0-9]+)")
_SAME: Final = {"schedule_interval": "schedule", "cron": "schedule", "catchup": "backfill"}
"""Keys from elsewhere that mean just what ours do."""

_SHORTEST: Final = 4
"""A slip in a shorter word could be one of several words."""

_WORK: Final = 1 << 18
"""Bytes read again and again to mend one file: enough for hundreds of fixes in a file of a person, and an
end of a few seconds for what a machine has written."""

_TEXT: Final = re.compile(r"(?P<key>\s*(?:- )?[A-Za-z_]+:\s+)(?P<text>\S.*?)(?P<rest>\s+#.*|\s*)")
_OPENS: Final = re.compile(r":(?:\s+[|>][0-9+-]*)?$")
_PLAIN: Final = re.compile(r"[\w./@*+-][\w ./@*+-]*", re.ASCII)


class Fix(NamedTuple):
    """A problem that was mended, and what the line was and is."""

    problem: Problem
    before: str
    after: str


def mend(root: Path, problems: Iterable[Problem], jobs: Iterable[str]) -> list[Fix]:
    """Mend what is certain in the files of a project, on the disk; the fixes, in order.

    `problems` are what was found, their paths below `root`; `jobs` the names of the files read.
    """
    fixes: list[Fix] = []
    names = sorted(jobs)
    for file in dict.fromkeys(problem.path for problem in problems):
        path = root / file
        readers = [file] if Path(file).stem != DEFAULTS else _reached(file, names)
        if path.is_symlink() or not path.is_file() or not readers:
            continue
        data = path.read_bytes()
        mended, made = _mended(root, file, readers[0], data)
        if made:
            _replace(path, mended)
            fixes += made
    return fixes


def _reached(defaults: str, names: Iterable[str]) -> list[str]:
    folder = defaults.rpartition("/")[0] + "/"
    return [name for name in names if name.startswith(folder)]


def _mended(root: Path, file: str, reader: str, data: bytes) -> tuple[bytes, list[Fix]]:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return data, []
    fixes: list[Fix] = []
    problems = _problems(root, file, reader, text)
    work = len(data)
    while work < _WORK:
        lines = _Lines.of(text)
        for problem in problems:
            fixed = lines.mended(problem)
            if fixed is None:
                continue
            after = _problems(root, file, reader, fixed[0])
            work += len(data)
            if _better(problem, problems, after):
                text, problems = fixed[0], after
                fixes.append(Fix(problem, *fixed[1]))
                break
            if work >= _WORK:
                break
        else:
            break
    return text.encode("utf-8"), fixes


def _problems(root: Path, file: str, reader: str, text: str) -> list[Problem]:
    found = read_some([root / reader], root, {file: text.encode("utf-8")}).problems
    return [problem for problem in found if problem.path == file]


def _better(mended: Problem, before: list[Problem], after: list[Problem]) -> bool:
    """Whether the problem is gone and nothing came instead.

    A file that could not be read to its end shows the rest of its problems once it can.
    """
    if mended.kind in ("syntax", "tab"):
        return all(problem.kind not in ("syntax", "tab") or problem.line > mended.line for problem in after)
    old, new = Counter(map(_gist, before)), Counter(map(_gist, after))
    return new[_gist(mended)] < old[_gist(mended)] and new <= old


def _gist(problem: Problem) -> tuple[int, str, str]:
    return problem.line, problem.kind, problem.message


@dataclass(frozen=True, slots=True)
class _Lines:
    """A text in lines and, between them, their ends; with its byte order mark, if it has one."""

    bom: str
    pieces: list[str]

    @classmethod
    def of(cls, text: str) -> _Lines:
        return cls("\ufeff" if text.startswith("\ufeff") else "", _LINES.split(text.removeprefix("\ufeff")))

    def mended(self, problem: Problem) -> tuple[str, tuple[str, str]] | None:
        """The text with the problem mended, and its line before and after; None where nothing is certain."""
        place = 2 * (problem.line - 1)
        if place >= len(self.pieces):
            return None
        line = self.pieces[place]
        mended = _line(problem, line, self.pieces[place - 2] if place else "")
        if mended is None or mended == line:
            return None
        if (
            not mended
            and self.pieces[max(0, place - 1)] == "\r"
            and self.pieces[place + 1 : place + 2] == ["\n"]
        ):
            return None  # the two ends would be one
        pieces = [*self.pieces[:place], mended, *self.pieces[place + 1 :]]
        return self.bom + "".join(pieces), (line, mended)


def _line(problem: Problem, line: str, previous: str) -> str | None:
    if problem.kind == "tab":
        return _spaces(line, previous)
    if problem.kind == "syntax":
        return _quoted_rest(problem, line)
    start = problem.column - 1
    token = token_at(line, problem.column)
    if not token:
        return None
    if problem.hint == 'write a single "/"':
        return _single_slashes(line, start, token)
    quote = token[0] if token[0] in "\"'" and token[-1] == token[0] and len(token) > 1 else ""
    word = token[1:-1] if quote else token
    instead = _instead(problem, word, quote)
    return None if instead is None else line[:start] + instead + line[start + len(token) :]


def _single_slashes(line: str, start: int, token: str) -> str | None:
    """The line with all slashes that follow another left out, from the first such on."""
    if line[start - 1] == ":":
        return None  # what looks like an address was meant for something else
    return line[:start] + re.sub("/{2,}", "/", token) + line[start + len(token) :]


def _instead(problem: Problem, word: str, quote: str) -> str | None:
    """What to write instead of a key or a value, quotes included."""
    hint = problem.hint
    if found := _MEANT.fullmatch(hint):
        meant = found["word"]
        return _with(quote, meant) if _certain(problem.kind, word, meant) else None
    if problem.kind == "typographic-quotes":
        # Around a query they may have been meant for a phrase.
        certain = hint == "write straight quotes, or none" and not quote and '"' not in word
        return f'"{word[1:-1]}"' if certain else None
    if problem.kind == "wrong-type":
        return _of_another_type(hint, word, quote)
    if problem.kind == "bad-key" and word.startswith("/"):
        return _with(quote, word.lstrip("/"))
    return None


def _of_another_type(hint: str, word: str, quote: str) -> str | None:
    if hint == "put it in quotes" and not quote:
        return f'"{word}"'
    if hint == "leave the quotes out" and quote:
        return word
    if found := _WRITE.fullmatch(hint):
        return found["word"]
    if hint == f"write [{word}]" and _PLAIN.fullmatch(word):
        return f"[{quote}{word}{quote}]"
    return None


def _with(quote: str, word: str) -> str:
    """A word in the quotes that it had, or in such as it needs."""
    if quote:
        return f"{quote}{word}{quote}"
    return word if word[:1] not in ("{", "[", "*", "&") else f'"{word}"'


def _certain(kind: str, word: str, meant: str) -> bool:
    """Whether nobody could have meant anything else."""
    if kind == "bad-bucket":
        return word.startswith(("/", "s3")) and word.lower().replace("\\", "/").endswith(
            meant.rpartition("//")[2]
        )
    if kind not in ("unknown-key", "unknown-value", "unknown-via", "unknown-timezone"):
        return False
    if kind == "unknown-key" and _SAME.get(word) == meant:
        return True
    if kind == "unknown-timezone" and "/" not in word:
        cities = [name for name in zone_names() if name.rpartition("/")[2].lower() == word.lower()]
        return cities == [meant]
    one, other = _plain(word), _plain(meant)
    return one == other or (min(len(one), len(other)) >= _SHORTEST and _one_slip(one, other))


def _plain(word: str) -> str:
    return word.lower().strip().replace("-", "_").replace(" ", "_")


def _one_slip(word: str, meant: str) -> bool:
    """Whether a letter more, less or wrong, or two in the wrong order, is all that differs."""
    if abs(len(word) - len(meant)) > 1:
        return False
    start = next(
        (at for at, (a, b) in enumerate(zip(word, meant, strict=False)) if a != b), min(len(word), len(meant))
    )
    a, b = word[start:], meant[start:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])


def _spaces(line: str, previous: str) -> str:
    """A line that a tab indents, indented as the line above it asks for."""
    indent = len(previous) - len(previous.lstrip(" "))
    deeper = _OPENS.search(previous.split(" #", maxsplit=1)[0].rstrip()) is not None
    return " " * (indent + 2 * deeper) + line.lstrip(" \t")


def _quoted_rest(problem: Problem, line: str) -> str | None:
    """A line whose text, read as YAML, begins or goes on with something else than text, in quotes."""
    found = _TEXT.fullmatch(line)
    if found is None:
        return None
    key, text, rest = found["key"], found["text"], found["rest"]
    begins = problem.message.startswith("a value cannot begin")
    colon = problem.message.startswith('a second ":"')
    more = problem.message.startswith("more text follows")
    # Placeholders that YAML takes for a mapping, and words of which the first is in quotes.
    mapping = problem.message.startswith('a value that begins with "{"')
    goes_on = (more and text[0] in "\"'") or (mapping and text[0] == "{" and key.strip() == "key:")
    if not (begins or colon or goes_on):
        return None
    return key + "'" + text.replace("'", "''") + "'" + rest


def _replace(path: Path, data: bytes) -> None:
    """Put a file in another's place at once, with its rights."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".trawl-", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).chmod(path.stat().st_mode & 0o7777)
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
