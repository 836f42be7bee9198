"""Line and column are on the culprit, in every bad file, as people who read it have said."""

from __future__ import annotations

import sys

import pytest

from tests.schemas.culprits import judge, place_of, said


def test_every_place_that_is_printed_is_on_its_culprit(capsys: pytest.CaptureFixture[str]) -> None:
    """No place is off, no culprit is left out, and the table knows every file of the corpus."""
    verdict = judge(said())
    with capsys.disabled():
        sys.stdout.write(f"\n{len(verdict.off)} of {verdict.places} places are off the culprit\n")
    assert verdict.off == []
    assert verdict.places > 200


@pytest.mark.parametrize(
    ("culprit", "text", "place"),
    [
        ("query: «@who»", "a: 1\nquery: @who\n", (2, 8)),
        ("2: «a»", "a: 1\r\na: 2\r\n", (2, 1)),
        ("(the file)", "", (1, 1)),
        ("a«␀»b", "\ufeffx: a\0b", (1, 5)),
        ("(2:7, by counting)", "", (2, 7)),
    ],
)
def test_a_culprit_is_found_where_it_is_written(culprit: str, text: str, place: tuple[int, int]) -> None:
    assert place_of(culprit, text.encode()) == place


@pytest.mark.parametrize(("culprit", "text"), [("«a»", "a: a\n"), ("«b»", "a: 1\n"), ("a: 1", "a: 1\n")])
def test_a_culprit_that_could_be_anywhere_is_refused(culprit: str, text: str) -> None:
    with pytest.raises(AssertionError):
        place_of(culprit, text.encode())


@pytest.mark.parametrize(
    ("file", "other"),
    [
        ("query_with_dates.yaml", "«covid since:2021-07-05"),
        ("unknown_key.yaml", "querry: «covid»"),
        ("encoding_latin1.yaml", "(the file)"),
        ("same_object_job/b.yaml", "(2:1, beside it)"),
    ],
)
def test_a_place_beside_its_culprit_is_off(file: str, other: str) -> None:
    """One that is shown elsewhere is counted, as what is shown and as what is not."""
    off = judge(said() | {file: [other]}).off
    assert [line.partition(":")[0] for line in off] == [file, file]


def test_a_culprit_nobody_has_named_is_off() -> None:
    table = said()
    del table["unknown_key.yaml"]
    assert judge(table).off == ["unknown_key.yaml:2:1 is not on a culprit that tests/jobs/culprits.txt names"]
    assert judge(said() | {"gone.yaml": ["(the file)"]}).off == [
        "gone.yaml is in the table and not in the corpus"
    ]
