"""Which posts a run keeps."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_callables.post import FIELDS, Post, Skipped
from etl_callables.selection import Selection, Tally, flaw
from tests.etl_callables.jobs import NOON, WINDOW


def post(number: int, **changes: Any) -> Post:
    values = dict.fromkeys(FIELDS)
    return Post(
        **{**values, "platform": "p", "id": str(number), "created_at": NOON, "scraped_at": NOON, **changes}
    )


numbers = st.integers(0, 9)
anything = st.one_of(
    st.builds(post, numbers),
    st.builds(post, numbers, platform=st.sampled_from(["p", "q"])),
    st.builds(
        post,
        numbers,
        created_at=st.sampled_from([WINDOW.start, WINDOW.end, WINDOW.end - timedelta(seconds=1)]),
    ),
    st.builds(post, numbers, likes=st.sampled_from([-1, 0, 2**63 - 1, 2**63])),
    st.just(Skipped("odd", "")),
)


@given(st.lists(anything, max_size=40), st.none() | st.integers(1, 12))
def test_what_is_kept_is_sound_inside_unique_and_within_the_limit_and_all_is_counted(
    items: list[Post | Skipped], limit: int | None
) -> None:
    selection = Selection(WINDOW, limit)
    kept = list(selection.keep(items))
    sound = [one for one in items if isinstance(one, Post) and flaw(one) is None and one.created_at in WINDOW]
    first = list({(one.platform, one.id): one for one in reversed(sound)}.values())
    unique = sorted(first, key=sound.index)
    assert kept == unique[:limit]
    tally = selection.tally
    assert tally.kept == len(kept)
    assert tally.fetched == len(items)
    lost = tally.duplicate + tally.outside + tally.over_limit + sum(tally.skipped.values())
    assert tally.fetched == tally.kept + lost
    times = [one.created_at for one in kept]
    assert (tally.oldest, tally.newest) == (min(times, default=None), max(times, default=None))
    assert selection.full == (limit is not None and len(kept) == limit)


@given(st.lists(anything, max_size=40), st.integers(1, 12), st.integers(0, 40))
def test_it_does_not_matter_how_the_items_are_cut_into_pages(
    items: list[Post | Skipped], limit: int, cut: int
) -> None:
    whole, parts = Selection(WINDOW, limit), Selection(WINDOW, limit)
    assert list(whole.keep(items)) == [*parts.keep(items[:cut]), *parts.keep(items[cut:])]
    assert whole.tally == parts.tally


def test_duplicates_pass_where_they_are_not_looked_for() -> None:
    selection = Selection(WINDOW, distinct=False)
    assert list(selection.keep([post(1), post(1)])) == [post(1), post(1)]
    assert selection.tally == Tally(fetched=2, kept=2, oldest=NOON, newest=NOON)


def test_a_limit_without_looking_for_duplicates_is_refused() -> None:
    with pytest.raises(ValueError, match="exact only where"):
        Selection(WINDOW, 1, distinct=False)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": ""}, "no-id"),
        ({"platform": ""}, "no-id"),
        ({"created_at": NOON.replace(tzinfo=None)}, "no-time-zone"),
        *[
            ({name: -1}, "impossible-count")
            for name in ("likes", "reposts", "replies", "quotes", "bookmarks", "views")
        ],
        ({"views": 2**63}, "impossible-count"),
        ({"likes": 0, "views": 2**63 - 1}, None),
        ({}, None),
    ],
)
def test_a_post_that_cannot_be_a_row_has_a_flaw_with_a_name(
    changes: dict[str, Any], reason: str | None
) -> None:
    assert flaw(post(1, **changes)) == reason
