"""The Bluesky network of the tests: real, on this machine alone, with a search that knows its parameters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.airflow.served import listening
from tests.servers.bluesky_network import Network

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("bluesky")]

MARCH = datetime(2026, 3, 1, tzinfo=UTC)


def search(network: Network, **asked: Any) -> list[str]:
    answer = httpx.get(f"{network.appview}/xrpc/app.bsky.feed.searchPosts", params={"limit": 100, **asked})
    assert answer.status_code == 200, answer.text
    return [hit["record"]["text"] for hit in answer.json()["posts"]]


def test_it_listens_on_loopback_only_and_asks_nobody_else(bluesky: Network) -> None:
    bluesky.join("fence")
    addresses = listening([bluesky.process])
    assert len(addresses) >= 4
    assert {address.rpartition(":")[0] for address in addresses} == {"127.0.0.1"}
    assert [
        one for one in bluesky.order("refused") if "example.org" not in one and "192.0.2.1" not in one
    ] == []


def test_what_would_go_further_than_loopback_is_refused_and_written_down(bluesky: Network) -> None:
    ended = bluesky.order("reach", host="fence.example.org", address="192.0.2.1")
    assert ended == ["rejected"] * 4
    refused = bluesky.order("refused")
    assert [one for one in refused if "fence.example.org" in one or "192.0.2.1" in one] == [
        "resolveTxt fence.example.org",
        "lookup fence.example.org",
        "fence.example.org:80",
        "192.0.2.1:80",
    ]


def test_the_search_knows_the_parameters_of_its_lexicon(bluesky: Network) -> None:
    ada, bob = bluesky.join("ada"), bluesky.join("bob")
    link = {
        "index": {"byteStart": 0, "byteEnd": 4},
        "features": [{"$type": "app.bsky.richtext.facet#link", "uri": "https://news.example.org/a?b=c"}],
    }
    mention = {
        "index": {"byteStart": 0, "byteEnd": 4},
        "features": [{"$type": "app.bsky.richtext.facet#mention", "did": bob.did}],
    }
    ada.post("quokka one", MARCH, langs=["en", "de"])
    ada.post("quokka two", MARCH + timedelta(seconds=1), facets=[link])
    ada.post("quokka three", MARCH + timedelta(seconds=2), facets=[mention])
    bob.post("quokka four 100%", MARCH + timedelta(seconds=3), tags=["zoo"])
    bluesky.settle()
    everything = ["quokka four 100%", "quokka three", "quokka two", "quokka one"]
    assert search(bluesky, q="quokka") == everything
    assert search(bluesky, q="QUOKKA two") == ["quokka two"]
    assert search(bluesky, q='quokka "0%"') == ["quokka four 100%"]
    assert search(bluesky, q="quokka", since="2026-03-01T00:00:01Z", until="2026-03-01T00:00:03Z") == [
        "quokka three",
        "quokka two",
    ]
    assert search(bluesky, q="quokka", author=bob.handle) == ["quokka four 100%"]
    assert search(bluesky, q=f"quokka from:{ada.did}") == everything[1:]
    assert search(bluesky, q="quokka", lang="de") == ["quokka one"]
    assert search(bluesky, q="quokka", domain="example.org") == ["quokka two"]
    assert search(bluesky, q="quokka", url="https://news.example.org/a?b=c") == ["quokka two"]
    assert search(bluesky, q="quokka", mentions=bob.handle) == ["quokka three"]
    assert search(bluesky, q="quokka", tag="zoo") == ["quokka four 100%"]
    assert search(bluesky, q="quokka", mentions="nobody.test") == []


def test_the_search_ends_at_its_depth_whatever_lies_below(bluesky: Network) -> None:
    ada = bluesky.join("ada")
    ada.write(
        [
            {"$type": "app.bsky.feed.post", "text": "numbat", "createdAt": f"2026-03-01T00:00:{second:02}Z"}
            for second in range(60)
        ]
    )
    bluesky.settle()
    bluesky.order("depth", depth=50)
    try:
        pages, cursor = [], ""
        while cursor is not None:
            answer = httpx.get(
                f"{bluesky.appview}/xrpc/app.bsky.feed.searchPosts",
                params={"q": "numbat", "limit": 20, **({"cursor": cursor} if cursor else {})},
            ).json()
            pages.append(len(answer["posts"]))
            cursor = answer.get("cursor")
    finally:
        bluesky.order("depth", depth=10_000)
    assert pages == [20, 20, 10]
