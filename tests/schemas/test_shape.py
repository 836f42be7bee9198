"""The schema is sound, and our interpreter judges by it as a full implementation does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.fault import Path as ValuePath
from schemas.shape import compile_schema, misfits, schema
from schemas.tree import read_tree
from schemas.wording import fault_of

VALIDATOR = jsonschema.Draft202012Validator(schema())
JOBS = Path(__file__).resolve().parents[1] / "jobs"
FILES = sorted(path for kind in ("ok", "err") for path in (JOBS / kind).rglob("*.yaml"))
VALUES = [read_tree(path.read_bytes()).value for path in FILES]

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 200),
    st.floats(-2, 200).map(lambda number: round(number, 1)),
    st.sampled_from(
        ["", "daily", "twitter", "archive", "covid", "10 minutes", "s3://b", "a@b", "text", "2021-07-05"]
    ),
    st.text(max_size=5),
)
NAMES = st.sampled_from(
    [*schema()["properties"], "since", "until", "each_run", "files", "layout", "mode", "x", ""]
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=8,
)


def theirs(value: Any) -> bool:
    return bool(VALIDATOR.is_valid(value))


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("value", VALUES, ids=[path.stem for path in FILES])
def test_it_agrees_on_every_file_of_the_corpora(value: Any) -> None:
    assert (misfits(value) == []) is theirs(value)


@settings(max_examples=600)
@given(st.sampled_from(VALUES), st.dictionaries(NAMES, ANYTHING, max_size=3), st.sets(NAMES, max_size=3))
def test_it_agrees_on_changed_jobs(base: dict[str, Any], changes: dict[str, Any], dropped: set[str]) -> None:
    value = {name: part for name, part in (base | changes).items() if name not in dropped}
    found = misfits(value)
    assert (found == []) is theirs(value)
    for misfit in found:
        fault = fault_of(misfit)
        assert fault.message
        assert "\n" not in fault.message


@settings(max_examples=300)
@given(ANYTHING)
def test_it_agrees_on_anything(value: Any) -> None:
    assert (misfits(value) == []) is theirs(value)


@settings(max_examples=300)
@given(st.dictionaries(NAMES, ANYTHING, max_size=4))
def test_it_points_inside_what_the_full_implementation_blames(changes: dict[str, Any]) -> None:
    value: dict[str, Any] = {
        "source": "twitter",
        "query": "covid",
        "bucket": "s3://b",
        "key": "k.csv",
    } | changes
    blamed: set[ValuePath] = {tuple(error.absolute_path) for error in VALIDATOR.iter_errors(value)}
    for misfit in misfits(value):
        assert any(misfit.path[: len(path)] == path for path in blamed)


def test_defaults_need_not_say_everything_but_what_they_say_is_checked() -> None:
    assert misfits({"owner": "me"}, partial=True) == []
    assert misfits({"source": "archive", "options": {"layout": "auto"}}, partial=True) == []
    assert [misfit.keyword for misfit in misfits({"source": "twitter", "via": "files"}, partial=True)] == [
        "enum"
    ]
    assert [misfit.keyword for misfit in misfits({"ownr": "me"}, partial=True)] == ["additionalProperties"]


def test_a_keyword_it_does_not_know_is_an_error_not_a_pass() -> None:
    with pytest.raises(ValueError, match="multipleOf"):
        compile_schema({}, {"multipleOf": 2})
