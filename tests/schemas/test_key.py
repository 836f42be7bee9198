"""A key is a pure function of window and job, and nothing but its placeholders is looked at."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.key import PLACEHOLDERS, key_faults, parse_key, render_key, suffix_of
from schemas.window import Window

WINDOW = Window(datetime(2021, 7, 4, 22, tzinfo=UTC), datetime(2021, 7, 5, 22, tzinfo=UTC))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("covid/{date}/tweets.csv", "covid/2021-07-05/tweets.csv"),
        ("{year}/{month}/{day}/{hour}.csv", "2021/07/05/00.csv"),
        ("{start}_{end}.csv", "20210704T220000Z_20210705T220000Z.csv"),
        ("{job}.csv", "team/covid.csv"),
        ("{date}{date}.csv", "2021-07-052021-07-05.csv"),
        ("plain $HOME %(x)s.csv", "plain $HOME %(x)s.csv"),
    ],
)
def test_placeholders_are_the_start_in_the_zone_and_the_ends_in_utc(template: str, expected: str) -> None:
    assert render_key(template, WINDOW, "team.covid", "Europe/Berlin") == expected


@pytest.mark.parametrize(
    "template", ["{dat}", "{{date}}", "{date", "date}", "{}", "{ date }", "{date!r}", "{0}", "{date.x}"]
)
def test_any_other_brace_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match=r"placeholder|brace"):
        render_key(template, WINDOW, "a", "UTC")


@given(st.text().filter(lambda text: "{" not in text and "}" not in text))
def test_text_without_braces_is_kept_as_it_is(text: str) -> None:
    assert render_key(text, WINDOW, "a", "UTC") == text


@given(
    st.lists(st.one_of(st.sampled_from(PLACEHOLDERS).map("{{{}}}".format), st.sampled_from(["a", "-", "/"])))
)
def test_pieces_alternate_and_add_up_to_the_template(parts: list[str]) -> None:
    template = "".join(parts)
    pieces = parse_key(template)
    assert len(pieces) % 2 == 1
    assert "".join(f"{{{piece}}}" if n % 2 else piece for n, piece in enumerate(pieces)) == template


def test_the_longest_key_is_counted_in_bytes_with_its_placeholders_filled() -> None:
    assert key_faults("é" * 443 + "{date}.csv", "a") == []
    assert [fault.kind for fault in key_faults("é" * 444 + "{date}.csv", "a")] == ["bad-key"]
    assert key_faults("x" * 700 + "{job}.csv", "j" * 196) == []
    assert [fault.kind for fault in key_faults("x" * 700 + "{job}.csv", "j" * 197)] == ["bad-key"]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("a/b.csv", ("csv", None)),
        ("a/b.CSV", ("csv", None)),
        ("a.csv.gz", ("csv", "gzip")),
        ("a.jsonl.zst", ("jsonl", "zstd")),
        ("a.parquet", ("parquet", None)),
        ("a.parquet.gz", ("parquet", "gzip")),
        ("a.csv/b", (None, None)),
        ("a.gz", (None, "gzip")),
        ("csv", (None, None)),
        ("a.csv.bak", (None, None)),
    ],
)
def test_the_suffix_says_format_and_compression(key: str, expected: tuple[str | None, str | None]) -> None:
    assert suffix_of(key) == expected
