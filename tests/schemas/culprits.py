"""Where the culprit is in every bad file, as people have said it, held against what is printed.

`python -m tests.schemas.culprits` prints how many places are off, and which.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from schemas.reading import read_jobs
from tests.schemas.conftest import JOBS, cases

TABLE = JOBS / "culprits.txt"
_LINE = re.compile(r"(?P<file>[^:]+): (?P<said>.+)")
_PLACE = re.compile(r"\((?P<line>\d+):(?P<column>\d+), .*\)")
_NUMBERED = re.compile(r"(?P<line>\d+): (?P<text>.*)")
_BREAKS = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_DRAWN = {code: 0x2400 + code for code in range(32) if code not in (10, 13)} | {0x7F: 0x2421}

Place = tuple[int, int]


class Verdict(NamedTuple):
    """How many places were compared, and a line for each that is off."""

    places: int
    off: list[str]


def said() -> dict[str, list[str]]:
    """What the table says, by file."""
    table: dict[str, list[str]] = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            found = _LINE.fullmatch(line)
            assert found is not None, line
            table.setdefault(found["file"], []).append(found["said"])
    return table


def place_of(culprit: str, data: bytes) -> Place:
    """The 1-based line and column of a culprit in a file; AssertionError where it is not there just once."""
    if culprit == "(the file)":
        return 1, 1
    if found := _PLACE.fullmatch(culprit):
        return int(found["line"]), int(found["column"])
    text = data.decode("utf-8-sig", "replace").translate(_DRAWN)
    lines = list(enumerate(_BREAKS.split(text), 1))
    if (found := _NUMBERED.fullmatch(culprit)) and lines[int(found["line"]) - 1][1]:
        lines, culprit = [lines[int(found["line"]) - 1]], found["text"]
    before, opening, rest = culprit.partition("«")
    fragment = before + rest.replace("»", "", 1)
    assert opening, f"{culprit} marks no culprit"
    found_at = [
        (number, at + 1 + len(before)) for number, line in lines for at in _occurrences(line, fragment)
    ]
    assert len(found_at) == 1, f"{culprit} is {len(found_at)} times in the file"
    return found_at[0]


def _occurrences(line: str, fragment: str) -> Iterator[int]:
    """Where a fragment begins in a line; one that ends as the line does is meant to, if there are more."""
    starts = [found.start() for found in re.finditer(f"(?={re.escape(fragment)})", line)]
    # A long run of one letter holds a short one many times; the first is meant.
    return iter(starts[:1] if len(set(fragment.rpartition(" ")[2])) == 1 and len(starts) > 100 else starts)


def printed(case: Path, folder: Path) -> dict[str, list[Place]]:
    """The places of a case's problems, by the name of the file in the corpus."""
    pipelines = folder / "pipelines"
    if case.is_dir():
        shutil.copytree(case, pipelines)
    else:
        pipelines.mkdir()
        shutil.copy(case, pipelines)
    places: dict[str, list[Place]] = {}
    for problem in read_jobs(pipelines).problems:
        name = problem.path.removeprefix("pipelines/")
        name = f"{case.name}/{name}" if case.is_dir() else name
        places.setdefault(name, []).append((problem.line, problem.column))
    return places


def judge(said_of: dict[str, list[str]]) -> Verdict:
    """Compare all the corpus with what is said of its files."""
    table = dict(said_of)
    count, off = 0, []
    for case in cases("err"):
        with tempfile.TemporaryDirectory() as folder:
            places = printed(case, Path(folder))
        files = {name for name in table if name == case.name or name.startswith(f"{case.name}/")}
        for name in sorted(files | set(places)):
            file = JOBS / "err" / name
            is_at = Counter(places.get(name, []))
            should_be_at = Counter(place_of(one, file.read_bytes()) for one in table.pop(name, []))
            count += max(is_at.total(), should_be_at.total())
            off += [
                f"{name}:{line}:{column} is not on a culprit that tests/jobs/culprits.txt names"
                for line, column in is_at - should_be_at
            ]
            off += [
                f"{name}:{line}:{column} is a culprit and not shown" for line, column in should_be_at - is_at
            ]
    off += [f"{name} is in the table and not in the corpus" for name in table]
    return Verdict(count, off)


def main() -> int:
    """Print the count, and what is off."""
    verdict = judge(said())
    lines = [*verdict.off, f"{len(verdict.off)} of {verdict.places} places are off the culprit"]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 1 if verdict.off else 0


if __name__ == "__main__":
    sys.exit(main())
