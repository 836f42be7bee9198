"""YAML is read without surprises, and no bytes whatever end in a trace."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.reading import Reading, read_jobs
from schemas.tree import MAX_BYTES, plain, read_tree

JOBS = Path(__file__).resolve().parents[1] / "jobs"
GOOD = [path.read_bytes() for path in sorted((JOBS / "ok").glob("*.yaml"))]
_WORDS = b"""\t| |: |- |[|]|{|}|"|'|#|&a |*a|!!x |>|%|@|`|\\|? |<<: |\x00|\xff|\xc2\x85|\xe2\x80\xa8
\xef\xbb\xbf|0o17|~|,|{{|\xf0\x9f\xa6\xa0"""
SPICE = [*re.split(rb"[|\n]", _WORDS), b"|", b"\n", b"\r", b"\r\n", b"---\n", b"...\n", b"%YAML 1.1\n"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("tRue", "tRue"),
        ("null", None),
        ("~", None),
        ("", None),
        ("2021-07-05", "2021-07-05"),
        ("2021-07-05T06:00:00Z", "2021-07-05T06:00:00Z"),
        ("12:30:45", "12:30:45"),
        ("150", 150),
        ("-1", -1),
        ("+1", 1),
        ("0", 0),
        ("010", "010"),
        ("0o17", "0o17"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("1,000", "1,000"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        (".inf", ".inf"),
        ("9" * 200, "9" * 200),
        ("=", "="),
        ("-", "-"),
    ],
)
def test_plain_words_are_what_they_look_like(text: str, value: Any) -> None:
    assert plain(text) == value
    assert type(plain(text)) is type(value)


def test_every_key_and_value_knows_its_place() -> None:
    tree = read_tree("a: 1\nb:\n  - x\n  - {c: 'é', d: y}\n".encode())
    assert tree.value == {"a": 1, "b": ["x", {"c": "é", "d": "y"}]}
    assert tree.keys[("b",)] == (2, 1)
    assert tree.places[("b", 0)] == (3, 5)
    assert tree.keys[("b", 1, "d")] == (4, 14)
    assert tree.places[("b", 1, "d")] == (4, 17)


def test_a_byte_order_mark_and_carriage_returns_move_no_place() -> None:
    tree = read_tree("\ufeffa: 1\r\nb: 2\r\n".encode())
    assert (tree.places[("a",)], tree.places[("b",)]) == ((1, 4), (2, 4))
    assert tree.text == "a: 1\r\nb: 2\r\n"
    assert read_tree("\ufeffa: \x07\r\n".encode()).faults[0].place == (1, 4)
    assert tree.faults == []


def test_a_file_of_more_than_a_mebibyte_is_not_read() -> None:
    assert read_tree(b"a: b\n#" + b"x" * (MAX_BYTES - 6)).faults == []
    assert [fault.kind for fault in read_tree(b"a: b\n#" + b"x" * (MAX_BYTES - 5)).faults] == ["too-large"]


@pytest.mark.parametrize("opening", [b"[", b"{a: ", b"- ", b"? ", b'"', b"[{"])
def test_endless_nesting_neither_hangs_nor_overflows(opening: bytes) -> None:
    assert read_tree(b"a: " + opening * 100_000).faults


def check(data: bytes, folder: Path) -> Reading:
    (folder / "pipelines").mkdir(exist_ok=True)
    (folder / "pipelines" / "job.yaml").write_bytes(data)
    reading = read_jobs(folder / "pipelines")
    assert reading.files == 1
    assert len(reading.jobs) == (0 if reading.problems else 1)
    for problem in reading.problems:
        assert problem.line >= 1
        assert problem.column >= 1
        assert str(problem).isprintable(), repr(str(problem))
    return reading


@settings(max_examples=500, deadline=2000)
@given(
    st.sampled_from(GOOD),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), st.sampled_from(SPICE)), min_size=1, max_size=4),
)
def test_a_good_file_spoilt_anywhere_is_a_job_or_has_problems(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, spoils: list[tuple[float, int, bytes]]
) -> None:
    for where, removed, added in spoils:
        at = int(where * len(data))
        data = data[:at] + added + data[at + removed :]
    check(data, tmp_path_factory.getbasetemp())


@settings(max_examples=300, deadline=2000)
@given(st.one_of(st.binary(max_size=60), st.lists(st.sampled_from(SPICE), max_size=12).map(b"".join)))
def test_any_bytes_are_a_job_or_have_problems(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    check(data, tmp_path_factory.getbasetemp())
