"""The search language of sources that cannot search."""

from __future__ import annotations

import pytest

from etl_callables.errors import Stop
from etl_callables.sources.words import Words, parse

TEXT = "Second dose done! #COVID19 side effects: none, says Grüße"


@pytest.mark.parametrize(
    "query",
    [
        None,
        "",
        "   ",
        "covid",
        "COVID dose",
        "dose covid",
        '"side effects"',
        '"SIDE EFFECTS" dose',
        "-vaccine",
        '-"effects side"',
        "from:ada",
        "from:@Ada covid",
        "FROM:ADA",
        "-from:bob",
        "#covid19",
        "effects:",
        "GRÜSSE",
        '"effects: none"',
        "gru\u0308sse",
    ],
)
def test_a_post_matches(query: str | None) -> None:
    assert parse(query).match(TEXT, "Ada")


@pytest.mark.parametrize(
    "query",
    [
        "vaccine",
        "covid vaccine",
        '"effects side"',
        "-covid",
        '-"side effects"',
        "from:bob",
        "-from:ada",
        "@ada",
    ],
)
def test_a_post_does_not_match(query: str) -> None:
    assert not parse(query).match(TEXT, "Ada")


def test_a_post_without_text_or_author_matches_only_what_excludes() -> None:
    assert not parse("covid").match(None, None)
    assert not parse("from:ada").match(None, None)
    assert parse("-covid -from:ada").match(None, None)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("covid OR corona", "OR"),
        ("covid AND corona", "AND"),
        ("(covid", r"\(covid"),
        ("covid since:2021-07-05", "since:2021-07-05"),
        ("lang:en", "lang:en"),
        ("-is:retweet", "is:retweet"),
        ("min_faves:10", "min_faves:10"),
        ('"covid', "quotation mark"),
        ('covid"', "quotation mark"),
        ('""', "empty quotes"),
        ("from:ada from:bob", "from ada and from bob"),
    ],
)
def test_what_the_language_does_not_have_is_refused_by_name(query: str, named: str) -> None:
    with pytest.raises(Stop, match=named):
        parse(query)


def test_an_operator_in_quotes_and_an_address_are_texts() -> None:
    assert parse('"lang:en" https://example.org') == Words(present=("lang:en", "https://example.org"))


def test_from_and_nothing_is_refused() -> None:
    with pytest.raises(Stop):
        parse("from:")
