"""Mastodon's statuses as posts: however odd a status is, counting it and reading it agree."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from etl_callables.post import Post
from etl_callables.sources import mastodon_items
from etl_callables.sources.fields import identifier, moment
from tests.servers.made import Made
from tests.servers.mastodon import status

NOON = datetime(2026, 6, 30, 12, tzinfo=UTC)
STATUS = status(Made(7, NOON))

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "x", "\ud800", "2026-06-30", "2026-06-30T12:00:00", "2026-06-30T12:00:00+02:00"]),
    st.sampled_from(['<a href="http://[">x</a>', '<a href="https://a.example/tags/x">#x</a>']),
    st.sampled_from([[], {}, [{}], {"id": "1"}, [{"name": "x"}], [{"name": 1}], [{"acct": None}], [None]]),
    st.sampled_from([[{"name": "x", "url": []}], [{"acct": "x", "url": {}}], {"quoted_status": 1}]),
    st.just(STATUS),
)


@given(
    changes=st.lists(st.dictionaries(st.sampled_from(sorted(STATUS)), ODD, max_size=2), max_size=3),
    missing=st.sets(st.sampled_from(sorted(STATUS)), max_size=2),
    is_search=st.booleans(),
)
@example(changes=[{"content": '<a href="http://[">x</a>'}], missing=set(), is_search=False)
@example(changes=[{"tags": [{"name": "x", "url": []}]}], missing=set(), is_search=True)
@example(changes=[{"reblog": {"tags": [{"name": 1, "url": []}]}}], missing=set(), is_search=False)
def test_counting_and_reading_agree_on_any_status(
    changes: list[dict[str, Any]], missing: set[str], is_search: bool
) -> None:
    found = [{**STATUS, **change} for change in changes]
    for one in found[:1]:
        for name in missing:
            one.pop(name, None)
    body = json.dumps({"statuses": found} if is_search else found).encode()
    read = list(mastodon_items.posts(body, NOON))
    counted = list(mastodon_items.brief(body, NOON))
    assert [type(item) for item in read] == [type(item) for item in counted]
    for whole, part in zip(read, counted, strict=True):
        if isinstance(whole, Post):
            assert (whole[:2], whole[6], whole[9:15]) == (part[:2], part[6], part[9:15])
        else:
            assert whole[0] == part[0]  # the reason; what exactly tripped the reader up may differ

    ends = mastodon_items.ends(body)
    assert ends is not None
    names = [name for one in found if (name := identifier(one.get("id")))]
    assert ends.last == (names[-1] if names else None)
    assert ends.newest == _newest(found)


def _newest(found: list[dict[str, Any]]) -> datetime | None:
    """The time of the newest; None where the time of one is unknown, for that one may be newer."""
    try:
        return max((moment(one.get("created_at")) for one in found), default=None)
    except ValueError:
        return None


def test_a_link_that_is_no_address_loses_no_post() -> None:
    odd = {**STATUS, "content": '<p>look <a href="http://[">here</a></p>'}
    (post,) = mastodon_items.posts(json.dumps([odd]).encode(), NOON)
    assert isinstance(post, Post)
    assert (post.text, post.urls) == ("look here", ("http://[",))
