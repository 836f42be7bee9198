"""Whatever becomes of a good file: it is read in time, its problems are in it, and mending harms nothing.

`TRAWL_MUTATIONS=10000 pytest tests/trawl/test_mutated.py` tries as many files.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given

from schemas.inside import lines_of
from schemas.reading import Reading, read_jobs
from schemas.tree import read_tree
from tests.schemas.mutations import mutated, spoilt
from trawl.checking import printed
from trawl.mending import mend

FILE = "pipelines/job.yaml"
SECONDS = 5.0
"""Of the processor, for a file to be read, shown and mended; most take a thousandth of it."""

OURS = re.compile(
    r"Traceback|\b[A-Z]\w*(?:Error|Exception|Event|Warning)\b|<class|object at 0x|NoneType|yaml\."
)
"""What a message of Python's would have in it."""

LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (600 << 20,) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
sys.argv[:1] = ["trawl"]
from trawl.cli import main
main()
"""
"""The command line with 600 MiB of addresses and 30 seconds."""


def read(project: Path, data: bytes) -> Reading:
    (project / "pipelines").mkdir(exist_ok=True)
    (project / FILE).write_bytes(data)
    return read_jobs(project / "pipelines")


@mutated
@given(spoilt())
def test_a_spoilt_file_is_a_job_or_has_problems_that_are_in_it(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    """No trace, no hang, no word of Python's; and each place is one in the file."""
    began = time.process_time()
    reading = read(tmp_path_factory.getbasetemp(), data)
    assert (reading.files, len(reading.jobs)) == (1, 0 if reading.problems else 1)
    text = data.decode("utf-8-sig", "replace")
    lines = lines_of(text)
    for problem in reading.problems:
        assert 1 <= problem.line <= len(lines), problem
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1, problem
        assert str(problem).isprintable()
        said = OURS.search(f"{problem.message} {problem.hint}")
        assert said is None or said[0] in text, problem
    assert printed(reading.problems, 100) or not reading.problems
    assert time.process_time() - began < SECONDS


@mutated
@given(spoilt(2))
def test_mending_makes_no_spoilt_file_worse(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Only lines that it names change, order and comments stay, no problem comes, and twice is as once."""
    project = tmp_path_factory.getbasetemp()
    before = read(project, data)
    began = time.process_time()
    fixes = mend(project, before.problems, [FILE])
    assert time.process_time() - began < SECONDS
    after = (project / FILE).read_bytes()
    if not fixes:
        assert after == data
        return
    assert before.problems
    old, new = lines_of(data.decode()), lines_of(after.decode())
    assert len(old) == len(new)
    changed = {number for number, pair in enumerate(zip(old, new, strict=True), 1) if pair[0] != pair[1]}
    assert changed <= {fix.problem.line for fix in fixes}
    for one, other in zip(old, new, strict=True):
        assert one.lstrip() == other.lstrip() or not one.lstrip().startswith("#")
    assert read_tree(after).whole or not read_tree(data).whole
    reading = read_jobs(project / "pipelines")
    if all(fix.problem.kind not in ("syntax", "tab") for fix in fixes):
        assert len(reading.problems) <= len(before.problems) - len(fixes)
    assert mend(project, reading.problems, [FILE]) == []
    assert (project / FILE).read_bytes() == after


LAUGHS = b"".join(
    b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9 if n else [b"x"])) for n in range(30)
)
JOB = b"source: twitter\nquery: covid\nbucket: s3://my-bucket\nkey: 'covid/{date}.csv'\n"
MUCH = 1_000_000
BOMBS = {
    "aliases": LAUGHS + JOB,
    "merges": b"a: &a {owner: me}\n" + b"<<: *a\n" * 5000 + JOB,
    "fifty megabytes in a line": JOB + b"description: " + b"x" * (50 << 20),
    "fifty megabytes of brackets": b"a: " + b"[" * (50 << 20),
    "fifty megabytes in quotes": JOB + b'description: "' + b"\\u0041" * (50 << 20 >> 3),
    "brackets": b"a: " + b"[" * MUCH,
    "mappings": b"a: " + b"{b: " * (MUCH // 4),
    "question marks": b"? " * (MUCH // 2),
    "documents": b"---\n" * (MUCH // 4),
    "digits": JOB + b"limit: " + b"9" * MUCH,
    "slashes": b"source: twitter\nquery: covid\nbucket: s3://my-bucket\nkey: " + b"/a" * (MUCH // 2),
    "braces": b"source: twitter\nquery: covid\nbucket: s3://my-bucket\nkey: 'a" + b"{" * MUCH + b"'\n",
    "quotes": b"source: twitter\nquery: " + "\u201c ".encode() * (MUCH // 4) + b"\n",
    "words of a schedule": JOB + b"schedule: " + b"every " * (MUCH // 6),
    "stars": JOB + b"schedule: " + b"*," * (MUCH // 2),
    "a key": JOB + b"k" * MUCH + b": 1\n",
    "many wrong values": JOB + b"tags: [" + b"1," * 9900 + b"]\n",
    "many wrong keys": JOB + b"".join(b"owne%d: 1\n" % n for n in range(4900)),
    "the same key": JOB + b"owner: me\n" * 4900,
    "spaces": JOB + b"owner: me" + b" " * MUCH + b"\n",
    "tabs": JOB + b"\t" * MUCH,
    "empty lines": JOB + b"\n" * MUCH + b"limit: 0\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("words", [["check"], ["check", "--fix"]], ids=["check", "fix"])
@pytest.mark.parametrize("bomb", BOMBS)
def test_no_bomb_takes_the_memory_or_the_time_of_a_machine(
    tmp_path: Path, bomb: str, words: list[str]
) -> None:
    """The command line ends by itself, within LIMITED's bounds, and says what is wrong."""
    (tmp_path / "pipelines").mkdir()
    (tmp_path / FILE).write_bytes(BOMBS[bomb])
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *words],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    assert done.returncode == 0 or done.stdout.startswith(FILE)
