"""What requests takes from a service keeps to the bounds that all answers have."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest
import requests

from etl_callables.errors import RetryLater, Stop
from etl_callables.http_bounds import DEADLINE, LARGEST
from etl_callables.sources import snscrape_door
from etl_callables.sources.snscrape_session import Session
from tests.servers.authority import Authority
from tests.servers.fixtures import answering
from tests.servers.harm import LONG, TRICKLES, WHOLE, packed, trickling
from tests.servers.standin import Answer, Asked, StandIn

HOST = "t.me"
GOOD = b'{"posts": [1, 2, 3]}'

Start = Callable[[Callable[[Asked], Answer]], StandIn]


@pytest.fixture
def service(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    with answering(HOST, authority, monkeypatch) as start:
        yield start


def session(deadline: float = DEADLINE) -> Session:
    """One that connects as snscrape's scrapers do."""
    made = Session("Telegram", 5, deadline)
    scraper = snscrape_door.load("telegram").TelegramChannelScraper("news")
    made.adapters = scraper._session.adapters  # noqa: SLF001 - as the sources do
    return made


@pytest.mark.parametrize("way", ["plain", "TLS", "a proxy"])
@pytest.mark.parametrize("pieces", TRICKLES.values(), ids=TRICKLES)
def test_an_answer_that_trickles_is_given_up_in_time(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, pieces: Sequence[bytes], way: str
) -> None:
    """Each wait for a byte is short: only all of them together are too long."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    with trickling(pieces, authority.serve("127.0.0.1") if way == "TLS" else None) as (port, sent):
        base = f"{'https' if way == 'TLS' else 'http'}://127.0.0.1:{port}"
        if way == "a proxy":
            monkeypatch.setenv("http_proxy", base)
            base = "http://service.example"
        with (
            session(deadline=0.1) as asking,
            pytest.raises(RetryLater, match=r"^Telegram was still sending after 0 seconds\.$"),
        ):
            asking.get(base)
    assert sent == [], "nobody listened to the end"


def test_a_proxy_that_trickles_before_the_service_is_asked_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with trickling(TRICKLES["a head"]) as (port, sent):
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
        with session(deadline=0.1) as asking, pytest.raises(RetryLater, match="still sending"):
            asking.get(f"https://{HOST}/s/news")
    assert sent == []


def test_an_answer_that_trickles_and_comes_in_time_is_taken() -> None:
    with (
        trickling([WHOLE[:20], WHOLE[20:], LONG[:5], LONG[5:]]) as (port, _),
        session() as asking,
    ):
        assert asking.get(f"http://127.0.0.1:{port}").content == LONG


@pytest.mark.parametrize("head", [{}, {"Connection": "close"}])
def test_an_answer_is_whole_over_one_connection_or_several(service: Start, head: Mapping[str, str]) -> None:
    running = service(lambda _: Answer(GOOD, headers=head))
    with session() as asking:
        answers = [asking.get(f"https://{HOST}/s/news") for _ in range(2)]
    assert [answer.json() for answer in answers] == [{"posts": [1, 2, 3]}] * 2
    assert running.connected == (2 if head else 1)


@pytest.mark.parametrize("status", [200, 302])
def test_a_bomb_is_not_unpacked_beyond_what_an_answer_may_hold(service: Start, status: int) -> None:
    """Neither the body of a redirect, which requests reads before it goes on."""
    head = {"Content-Encoding": "gzip", **({"Location": "/s/else"} if status != requests.codes.ok else {})}
    bomb = packed((LARGEST >> 20) + 1)
    running = service(lambda _: Answer(bomb, status, headers=head))
    with (
        session() as asking,
        pytest.raises(Stop, match=f"^Telegram sent more than {LARGEST >> 20} MiB in one answer"),
    ):
        asking.get(f"https://{HOST}/s/news")
    assert [asked.headers["accept-encoding"] for asked in running.asked] == ["gzip"]


def test_an_answer_is_unpacked_once(service: Start) -> None:
    service(lambda _: Answer(gzip.compress(GOOD), headers={"Content-Encoding": "gzip"}))
    with session() as asking:
        assert asking.get(f"https://{HOST}/s/news").content == GOOD


def test_an_encoding_that_was_not_asked_for_stops(service: Start) -> None:
    service(lambda _: Answer(b"{}", headers={"Content-Encoding": "br"}))
    with session() as asking, pytest.raises(Stop, match=r"encoding that was not asked for \(br\)") as caught:
        asking.get(f"https://{HOST}/s/news?token=sesame")
    assert "https://t.me/s/news is not its address" in str(caught.value)
