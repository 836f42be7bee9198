"""Python reprs are read, and never run."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_callables.sources.reprs import Unreadable, read_repr

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(plain)
def test_plain_data_comes_back_as_it_was(value: object) -> None:
    assert read_repr(repr(value)) == value


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(Unreadable):
        read_repr(text)


def test_a_dataclass_is_a_dict_of_its_fields_with_times_and_enums_inside() -> None:
    text = (
        "User(username='ada', id=7, created=datetime.datetime(2015, 3, 26, 21, 15, 14,"
        " tzinfo=datetime.timezone.utc), shape=<ProfileImageShape.CIRCLE: 'circle'>, label=None,"
        " link=snscrape.modules.twitter.TextLink(text='<a: b>', url='https://e.org', indices=(0, 23)))"
    )
    assert read_repr(text) == {
        "username": "ada",
        "id": 7,
        "created": datetime(2015, 3, 26, 21, 15, 14, tzinfo=UTC),
        "shape": "circle",
        "label": None,
        "link": {"text": "<a: b>", "url": "https://e.org", "indices": [0, 23]},
    }


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "open('/etc/passwd')",
        "[x for x in (1, 2)]",
        "lambda: 1",
        "name",
        "1 + 1",
        "{**{}}",
        "f(**{'a': 1})",
        "a.b",
        "datetime.datetime(2015, 13, 1)",
        "datetime.datetime('x')",
        "(" * 10_000,
        "[" * 300 + "]" * 300,
        "{[]: 1}",
        "1; 2",
        "\0",
        "",
    ],
)
def test_what_is_no_plain_data_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        read_repr(text)


def test_a_time_with_an_offset_other_than_utc_is_refused_rather_than_guessed() -> None:
    moment = datetime(2021, 7, 5, tzinfo=timezone(timedelta(hours=2)))
    with pytest.raises(Unreadable):
        read_repr(repr(moment))
