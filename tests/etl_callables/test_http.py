"""What every source promises when a service or the way to it misbehaves, for one client asks for all."""

from __future__ import annotations

import gzip
import json
import logging
import threading
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from etl_callables.errors import RetryLater, Stop
from etl_callables.http import (
    PATIENCE,
    Client,
    Rate,
    address,
    decode,
    one_line,
    rate_of,
    user_agent,
    version,
)
from etl_callables.http_bounds import LARGEST
from etl_callables.http_deadline import bounded, within
from etl_callables.run import Run
from etl_callables.sources import Request
from etl_callables.verdict import LONGEST_WAIT, come_back, exhausted, said
from schemas.window import Window
from tests.servers.authority import Authority
from tests.servers.fault_proxy import Fault, FaultProxy
from tests.servers.harm import LONG, TRICKLES, WHOLE, packed, trickling
from tests.servers.standin import Answer, StandIn

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
GOOD = Answer(b'{"posts": [1, 2, 3]}')


class Clock:
    """A clock that moves only when somebody sleeps on it."""

    def __init__(self) -> None:
        self.now = NOW
        self.slept: list[float] = []

    def seconds(self) -> float:
        return self.now.timestamp()

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service() -> Iterator[StandIn]:
    with StandIn(lambda _: GOOD) as service:
        yield service


def client(base: str, clock: Clock, **changes: Any) -> Client:
    run = Run(now=lambda: clock.now, sleep=clock.sleep, log=logging.getLogger("trawl.test"))
    return Client("Somewhere", base, run, timeout=changes.pop("timeout", 5), **changes)


# --- good answers ----------------------------------------------------------------------------------


def test_an_answer_comes_with_its_json_and_the_service_learns_who_asks(
    service: StandIn, clock: Clock
) -> None:
    with client(service.url, clock, headers={"Authorization": "Bearer x"}) as asking:
        answer = asking.get_json("/posts", {"q": "a b&c", "page": 2})
    assert (answer.value, answer.body, answer.status) == ({"posts": [1, 2, 3]}, GOOD.body, 200)
    (asked,) = service.asked
    assert (asked.path, asked.query) == ("/posts", {"q": "a b&c", "page": "2"})
    assert asked.headers["user-agent"] == user_agent() == version().split(" (")[0].replace(" ", "/")
    assert asked.headers["authorization"] == "Bearer x"
    assert clock.slept == []


def test_a_post_sends_json_or_a_form(service: StandIn, clock: Clock) -> None:
    with client(service.url, clock) as asking:
        asking.post_json("/login", {"user": "ä"})
        asking.post_json("/token", {"grant_type": "client_credentials"}, form=True)
    first, second = service.asked
    assert first.json == {"user": "ä"}
    assert second.form == {"grant_type": "client_credentials"}


def test_statuses_that_the_source_judges_itself_are_handed_over(service: StandIn, clock: Clock) -> None:
    service.answer = lambda _: Answer(b"", 304, headers={"ETag": '"1"'})
    with client(service.url, clock) as asking:
        answer = asking.get("/feed", headers={"If-None-Match": '"1"'}, accept={304})
    assert (answer.status, answer.headers["etag"]) == (304, '"1"')
    assert service.asked[0].headers["if-none-match"] == '"1"'


# --- faults that pass ------------------------------------------------------------------------------

PASSING = {
    "out of order": Answer(status=500),
    "bad gateway": Answer(b"<html>bad gateway</html>", 502, "text/html"),
    "unavailable": Answer(status=503),
    "a body cut in half": Answer(GOOD.body, fault="half"),
    "a reset in mid body": Answer(GOOD.body, fault="reset"),
    "malformed JSON": Answer(b'{"posts": [1, 2'),
    "nothing": Answer(b""),
    "no Unicode": Answer(b'{"posts": "\xff\xfe"}'),
    "JSON without end": Answer(b"[" * 200_000),
    "request timeout": Answer(status=408),
    "what calls itself gzip and is none": Answer(GOOD.body, headers={"Content-Encoding": "gzip"}),
    "half a gzip": Answer(gzip.compress(GOOD.body)[:20], headers={"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_a_fault_that_passes_costs_a_moment(service: StandIn, clock: Clock, fault: Answer) -> None:
    service.instead = {0: fault, 1: fault}
    with client(service.url, clock) as asking:
        assert asking.get_json("/posts").body == GOOD.body
    assert clock.slept == [0.5, 2.0]


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_a_fault_that_stays_is_for_later(service: StandIn, clock: Clock, fault: Answer) -> None:
    service.answer = lambda _: fault
    with client(service.url, clock) as asking, pytest.raises(RetryLater) as caught:
        asking.get_json("/posts")
    assert len(service.asked) == 3
    assert str(caught.value).startswith("Somewhere ")
    assert str(caught.value).endswith(".")
    assert caught.value.after is None


def test_silence_ends_after_the_timeout(service: StandIn, clock: Clock) -> None:
    service.answer = lambda _: Answer(GOOD.body, fault="stall")
    with client(service.url, clock, timeout=0.05) as asking, pytest.raises(RetryLater, match="timed out"):
        asking.get_json("/posts")


def test_nobody_there_is_for_later(clock: Clock) -> None:
    with FaultProxy(1, [Fault(refuse=True)]) as proxy, client(proxy.url, clock) as asking:
        with pytest.raises(RetryLater, match="did not answer"):
            asking.get_json("/posts")
        assert proxy.connections == 3


FAULTS = {
    "refused": Fault(refuse=True),
    "reset before the head": Fault(reset_after=0),
    "reset in the head": Fault(reset_after=30),
    "closed in the head": Fault(cut_after=30),
    "reset in the body": Fault(reset_after=-5),
    "closed in the body": Fault(cut_after=-5),
    "silent in the body": Fault(stall_after=-5),
    "silent from the start": Fault(stall_after=0),
    "a byte of the JSON's frame turned over": Fault(flip=-20),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_what_networks_do_costs_a_moment(service: StandIn, clock: Clock, fault: Fault) -> None:
    whole = len(httpx_head(service)) + len(GOOD.body)
    places = {name: getattr(fault, name) for name in ("reset_after", "cut_after", "stall_after", "flip")}
    from_end = {name: whole + at for name, at in places.items() if at is not None and at < 0}
    changed = Fault(**{"refuse": fault.refuse, **places, **from_end})
    with FaultProxy(service.port, [changed, Fault()]) as proxy:
        with client(proxy.url, clock, timeout=0.3) as asking:
            assert asking.get_json("/posts").value == {"posts": [1, 2, 3]}
        assert proxy.connections == (1 if fault.flip else 2)
    assert clock.slept == [0.5]


def httpx_head(service: StandIn) -> bytes:
    """The head of the answer as the server writes it."""
    import socket

    with socket.create_connection(("127.0.0.1", service.port)) as end:
        end.sendall(b"GET /posts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        data = b""
        while piece := end.recv(65536):
            data += piece
    return data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def test_a_slow_line_is_waited_for(service: StandIn, clock: Clock) -> None:
    with (
        FaultProxy(service.port, [Fault(latency=0.02, rate=20_000)]) as proxy,
        client(proxy.url, clock) as asking,
    ):
        assert asking.get_json("/posts").body == GOOD.body
    assert clock.slept == []


def test_a_byte_turned_over_under_tls_is_noticed_wherever_it_is(
    authority: Authority, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    text = Answer(json.dumps({"text": "x" * 5000}).encode())
    with (
        StandIn(lambda _: text, context=authority.serve("127.0.0.1")) as service,
        FaultProxy(service.port, [Fault(flip=6000), Fault()], "https") as proxy,
    ):
        with client(proxy.url, clock) as asking:
            assert asking.get_json("/posts").body == text.body
        assert proxy.connections == 2


@pytest.mark.parametrize("way", ["plain", "TLS", "a proxy"])
@pytest.mark.parametrize("pieces", TRICKLES.values(), ids=TRICKLES)
def test_an_answer_that_trickles_is_given_up_in_time(
    authority: Authority, clock: Clock, monkeypatch: pytest.MonkeyPatch, pieces: Sequence[bytes], way: str
) -> None:
    """Each wait for a byte is short: only all of them together are too long."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with trickling(pieces, authority.serve("127.0.0.1") if way == "TLS" else None) as (port, sent):
        base = f"{'https' if way == 'TLS' else 'http'}://127.0.0.1:{port}"
        if way == "a proxy":
            monkeypatch.setenv("http_proxy", base)
            base = "http://service.example"
        with (
            client(base, clock, deadline=0.1) as asking,
            pytest.raises(RetryLater, match=r"^Somewhere was still sending after"),
        ):
            asking.get_json("/posts")
    assert clock.slept == [0.5, 2.0]
    assert sent == [], "nobody listened to the end"


def test_what_time_a_question_had_is_not_taken_from_the_next(service: StandIn) -> None:
    with bounded(httpx.Client()) as asking:
        with within(0), pytest.raises(httpx.ReadTimeout):
            asking.get(service.url)
        assert asking.get(service.url).content == GOOD.body


def test_an_answer_that_trickles_and_comes_in_time_is_taken(clock: Clock) -> None:
    with (
        trickling([WHOLE[:20], WHOLE[20:], LONG[:5], LONG[5:]]) as (port, _),
        client(f"http://127.0.0.1:{port}", clock, deadline=60) as asking,
    ):
        assert asking.get_json("/posts").body == LONG


def test_a_service_is_asked_through_the_proxy_of_the_environment(
    authority: Authority, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    context = authority.serve("service.example")
    with StandIn(lambda _: GOOD, context=context, trust=str(authority.file)) as proxy:
        for name, value in proxy.environment.items():
            monkeypatch.setenv(name, value)
        with client("https://service.example", clock) as asking:
            assert asking.get_json("/posts").body == GOOD.body


# --- rate limits -----------------------------------------------------------------------------------

LATER = NOW + timedelta(minutes=10)
RESETS = {
    "Retry-After in seconds": {"Retry-After": "600"},
    "Retry-After as a date": {"Retry-After": format_datetime(LATER, usegmt=True)},
    "x-rate-limit-reset": {"x-rate-limit-reset": str(int(LATER.timestamp()))},
    "ratelimit-reset": {"ratelimit-reset": str(int(LATER.timestamp()))},
    "RateLimit-Reset in seconds": {"RateLimit-Reset": "600"},
    "X-RateLimit-Reset as ISO 8601": {"X-RateLimit-Reset": "2026-07-01T12:10:00.000000Z"},
    "x-ratelimit-reset in seconds with a fraction": {"x-ratelimit-reset": "600.0"},
    "the latest of two": {"Retry-After": "1", "x-rate-limit-reset": str(int(LATER.timestamp()))},
}


@pytest.mark.parametrize("headers", RESETS.values(), ids=RESETS)
@pytest.mark.parametrize("status", [429, 503])
def test_a_long_wait_is_handed_to_whoever_runs_this(
    service: StandIn, clock: Clock, status: int, headers: dict[str, str]
) -> None:
    service.answer = lambda _: Answer(b'{"error":"slow down"}', status, headers=headers)
    with client(service.url, clock) as asking, pytest.raises(RetryLater, match="slow down") as caught:
        asking.get_json("/posts")
    assert caught.value.after == LATER
    assert (len(service.asked), clock.slept) == (1, [])


def test_a_short_wait_is_waited_in_place(service: StandIn, clock: Clock) -> None:
    service.instead = dict.fromkeys(range(5), Answer(status=429, headers={"Retry-After": "7"}))
    with client(service.url, clock) as asking:
        assert asking.get_json("/posts").body == GOOD.body
    assert clock.slept == [7.0] * 5


def test_short_waits_without_end_are_a_long_one(service: StandIn, clock: Clock) -> None:
    service.answer = lambda _: Answer(status=429, headers={"Retry-After": "1"})
    with client(service.url, clock) as asking, pytest.raises(RetryLater) as caught:
        asking.get_json("/posts")
    assert len(service.asked) == 11
    assert caught.value.after == clock.now + timedelta(seconds=1)


def test_too_many_questions_without_a_word_how_long_are_not_followed_by_another(
    service: StandIn, clock: Clock
) -> None:
    service.answer = lambda _: Answer(status=429)
    with client(service.url, clock) as asking, pytest.raises(RetryLater) as caught:
        asking.get_json("/posts")
    assert (len(service.asked), caught.value.after) == (1, None)


def test_a_service_that_says_none_are_left_is_not_asked_before_it_takes_more(
    service: StandIn, clock: Clock
) -> None:
    headers = {"x-rate-limit-remaining": "0", "x-rate-limit-reset": str(int(LATER.timestamp()))}
    service.answer = lambda _: Answer(GOOD.body, headers=headers)
    with client(service.url, clock) as asking:
        assert asking.get_json("/posts").body == GOOD.body
        with pytest.raises(RetryLater) as caught:
            asking.get_json("/posts")
        assert caught.value.after == LATER
        clock.now = LATER - timedelta(seconds=10)
        asking.get_json("/posts")
    assert (len(service.asked), clock.slept) == (2, [10.0])


OFFSETS = st.builds(
    lambda minutes: timezone(timedelta(minutes=minutes)), st.integers(-24 * 60 + 1, 24 * 60 - 1)
)
ZONES = ("GMT", "UTC", "EST", "-0000", "+2359", "-9999", "+99999", "")
MOMENTS = st.datetimes(timezones=st.none() | OFFSETS)
WAITS = (
    MOMENTS.map(datetime.isoformat)
    | MOMENTS.map(format_datetime)
    | st.floats().map(str)
    | st.integers().map(str)
    | st.builds("Wed, {} Jul {} 12:{}:00 {}".format, *[st.integers(-1, 10**6)] * 3, st.sampled_from(ZONES))
)
LIMITS = (
    *("retry-after", "x-rate-limit-reset", "ratelimit-reset", "x-ratelimit-reset"),
    *("x-rate-limit-remaining", "ratelimit-remaining", "x-ratelimit-remaining"),
)


@given(st.dictionaries(st.sampled_from(LIMITS), st.text()))
def test_no_header_is_too_strange(headers: dict[str, str]) -> None:
    for moment in (come_back(headers, NOW), exhausted(headers, NOW)):
        assert moment is None or NOW <= moment <= NOW + LONGEST_WAIT


@given(st.dictionaries(st.sampled_from(LIMITS), WAITS))
@example({"retry-after": "0001-01-01T00:00:00+23:00"})
@example({"retry-after": "9999-12-31T23:59:59-23:00"})
def test_no_moment_is_too_far(headers: dict[str, str]) -> None:
    for moment in (come_back(headers, NOW), exhausted(headers, NOW)):
        assert moment is None or NOW <= moment <= NOW + LONGEST_WAIT


@pytest.mark.parametrize("wait", ["0", "0.0", str(int(NOW.timestamp()) - 5), "Wed, 01 Jul 2026 11:59:59 GMT"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_that_is_over_already_is_no_reason_to_hurry(
    service: StandIn, clock: Clock, status: int, wait: str
) -> None:
    service.answer = lambda _: Answer(status=status, headers={"Retry-After": wait})
    with client(service.url, clock) as asking, pytest.raises(RetryLater) as caught:
        asking.get_json("/posts")
    assert (len(service.asked), clock.slept, caught.value.after) == (3, [0.5, 2.0], None)


def test_moments_too_short_to_help_are_made_longer(service: StandIn, clock: Clock) -> None:
    service.answer = lambda _: Answer(status=429, headers={"Retry-After": "0.01"})
    with client(service.url, clock) as asking, pytest.raises(RetryLater):
        asking.get_json("/posts")
    assert clock.slept == [0.5] + [2.0] * 9


@pytest.mark.parametrize("text", ["99999999999999999999", "86401", "-5", "soon", "²", "1e9", "2026-13-45"])
def test_a_wait_that_cannot_be_meant_is_no_wait(text: str) -> None:
    assert come_back({"retry-after": text}, NOW) is None


def test_a_moment_that_has_passed_is_now() -> None:
    """Clocks differ, and a wait cannot be negative."""
    assert come_back({"x-rate-limit-reset": str(int(NOW.timestamp()) - 5)}, NOW) == NOW


def test_parts_of_one_request_keep_one_rate() -> None:
    whole = Request("covid", Window(NOW, NOW + timedelta(days=2)))
    part = replace(whole, window=Window(NOW, NOW + timedelta(days=1)))
    assert rate_of(whole, 10, 60.0) is rate_of(part, 10, 60.0)
    assert rate_of(whole, 10, 60.0) is not rate_of(whole, 1, 1.0)
    assert rate_of(Request("covid", whole.window), 10, 60.0) is not rate_of(whole, 10, 60.0)


@pytest.mark.parametrize("asked", [10, 25])
def test_a_rate_lets_so_many_through_and_then_one_as_each_leaves(asked: int) -> None:
    now = 0.0
    rate = Rate(10, 5.0, clock=lambda: now)
    waits = [rate.wait(PATIENCE) for _ in range(asked)]
    assert waits == [5.0 * (number // 10) for number in range(asked)]


def test_a_rate_far_off_takes_no_place() -> None:
    now = 0.0
    rate = Rate(1, 3600.0, clock=lambda: now)
    assert [rate.wait(PATIENCE) for _ in range(3)] == [0.0, 3600.0, 3600.0]
    now = 3600.0
    assert rate.wait(PATIENCE) == 0.0


def test_the_client_keeps_to_its_rate(service: StandIn, clock: Clock) -> None:
    rate = Rate(2, 10.0, clock=clock.seconds)
    with client(service.url, clock, rate=rate) as asking:
        for _ in range(5):
            asking.get_json("/posts")
    assert clock.slept == [10.0, 10.0]
    with client(service.url, clock, rate=Rate(1, 3600.0)) as asking:
        asking.get_json("/posts")
        with pytest.raises(RetryLater) as caught:
            asking.get_json("/posts")
    assert caught.value.after
    assert timedelta(minutes=59) < caught.value.after - clock.now <= timedelta(hours=1)


def test_a_rate_holds_for_all_threads_together() -> None:
    rate = Rate(50, 1000.0, clock=lambda: 0.0)
    free: list[float] = []

    def ask() -> None:
        free.extend(rate.wait(2000.0) for _ in range(20))

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(free) == [0.0] * 50 + [1000.0] * 50


# --- refusals --------------------------------------------------------------------------------------

CORRECT = ": correct the credentials in the connection some_api"
REFUSALS = {
    "401": (Answer(b'{"error":"bad token"}', 401), "accept who asks (HTTP 401: bad token)" + CORRECT),
    "403": (Answer(b'{"detail":"not for you"}', 403), "allow this (HTTP 403: not for you)" + CORRECT),
    "404": (Answer(b"{}", 404), "/posts (HTTP 404): correct the job's `query` or `options`"),
    "410": (Answer(b"gone away", 410, "text/plain"), "(HTTP 410: gone away)"),
    "400": (Answer(b'{"errors":[{"message":"bad"},{"message":"bad"}]}', 400), "(HTTP 400: bad): correct"),
    "a redirect": (
        Answer(status=302, headers={"Location": "https://else.where/"}),
        "to https://else.where/)",
    ),
    "a page that blocks": (Answer(b"<!DOCTYPE html><p>captcha", 403, "text/html"), "something in between"),
    "a page, no data": (Answer(b"<html>log in</html>", 200, "text/html"), "a web page instead of JSON"),
    "another kind": (Answer(b"GIF89a", 200, "image/gif"), "image/gif instead of JSON"),
}


@pytest.mark.parametrize(("answer", "message"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_stops_at_once_and_says_what_to_do(
    service: StandIn, clock: Clock, answer: Answer, message: str
) -> None:
    service.answer = lambda _: answer
    with (
        client(service.url, clock, connection="some_api") as asking,
        pytest.raises(Stop) as caught,
    ):
        asking.get_json("/posts", {"key": "SECRET"})
    assert message in str(caught.value)
    assert "SECRET" not in str(caught.value)
    assert (len(service.asked), clock.slept) == (1, [])


def test_without_a_connection_the_refusal_says_where_to_name_one(service: StandIn, clock: Clock) -> None:
    service.answer = lambda _: Answer(status=401)
    with client(service.url, clock) as asking, pytest.raises(Stop, match="`source_connection`"):
        asking.get_json("/posts")


def test_what_a_source_knows_better_comes_first(service: StandIn, clock: Clock) -> None:
    def judge(_: object) -> None:
        raise RetryLater("The quota is used up until midnight.", LATER)

    service.answer = lambda _: Answer(b'{"error":"quotaExceeded"}', 403)
    with client(service.url, clock, judge=judge) as asking, pytest.raises(RetryLater, match="midnight"):
        asking.get_json("/posts")


def test_redirects_are_followed_where_a_source_wants_that(service: StandIn, clock: Clock) -> None:
    service.answer = lambda asked: (
        Answer(b"<rss/>", kind="text/xml")
        if asked.path == "/new"
        else Answer(status=301, headers={"Location": "/new"})
    )
    with client(service.url, clock, follow=True) as asking:
        assert asking.get("/old").body == b"<rss/>"
    service.answer = lambda _: Answer(status=301, headers={"Location": "/old"})
    with client(service.url, clock, follow=True) as asking, pytest.raises(Stop, match="TooManyRedirects"):
        asking.get("/old")


PAGE = b"<html><head><title>301 Moved Permanently</title></head></html>"
MOVED = {
    "options say where": (
        {"server": "old.example"},
        {},
        "if that is its new address, write www.new.example as `server` in the job's `options`.",
    ),
    "the connection says where": (
        {"server": "old.example"},
        {"host": "https://old.example"},
        "write https://www.new.example as the host of the connection some_api.",
    ),
    "nobody but the source says where": (
        {},
        {},
        "write https://www.new.example as the host of the connection some_api.",
    ),
}


@pytest.mark.parametrize(("options", "given", "remedy"), MOVED.values(), ids=MOVED)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_service_that_has_moved_is_told_with_what_to_write_instead(
    clock: Clock, options: dict[str, Any], given: dict[str, Any], remedy: str, status: int
) -> None:
    headers = {"Content-Type": "text/html", "Location": "https://me:SECRET@www.new.example/posts?key=SECRET"}
    transport = httpx.MockTransport(lambda _: httpx.Response(status, headers=headers, content=PAGE))
    request = Request(
        None,
        Window(NOW, NOW + timedelta(days=1)),
        options=options,
        credentials=given,
        connection="some_api",
    )
    run = Run(now=lambda: clock.now, sleep=clock.sleep)
    with (
        Client.of("Somewhere", "https://old.example", request, run, transport=transport) as asking,
        pytest.raises(Stop) as caught,
    ):
        asking.get_json("/posts")
    assert f"(HTTP {status}, to https://www.new.example/posts): " in str(caught.value)
    assert str(caught.value).endswith(remedy)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("/login?next=posts", "/login): http://127.0.0.1:"),
        (None, "elsewhere without saying where (HTTP 302)."),
        ("http://[", "elsewhere without saying where (HTTP 302)."),
        ("ftp://else.where/1", "(HTTP 302, to ftp://else.where/1): http://127.0.0.1:"),
    ],
)
def test_a_redirect_that_names_no_other_server_names_none_to_write(
    service: StandIn, clock: Clock, location: str | None, message: str
) -> None:
    service.answer = lambda _: Answer(PAGE, 302, "text/html", {"Location": location} if location else {})
    with client(service.url, clock) as asking, pytest.raises(Stop) as caught:
        asking.get_json("/posts")
    assert message in str(caught.value)
    assert "write" not in str(caught.value)


def test_a_server_nobody_vouches_for_is_refused(authority: Authority, clock: Clock) -> None:
    with (
        StandIn(lambda _: GOOD, context=authority.serve("127.0.0.1")) as service,
        client(service.url, clock) as asking,
        pytest.raises(Stop, match="does not prove that it is"),
    ):
        asking.get_json("/posts")
    assert clock.slept == []


def test_an_answer_without_end_is_not_taken_into_memory(clock: Clock) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b" " * (1 << 20)

    transport = httpx.MockTransport(
        lambda _: httpx.Response(200, headers={"Content-Type": "application/json"}, content=endless())
    )
    with (
        client("http://127.0.0.1", clock, transport=transport) as asking,
        pytest.raises(Stop, match=f"{LARGEST >> 20} MiB"),
    ):
        asking.get_json("/posts")


BOMB = packed((LARGEST >> 20) * 4)


@pytest.mark.parametrize(
    ("body", "encoding", "message"),
    [
        (BOMB, "gzip", f"{LARGEST >> 20} MiB"),
        (packed(1, times=2), "gzip, gzip", "encoding that was not asked for (gzip, gzip)"),
        (zstandard.compress(b"{}"), "zstd", "encoding that was not asked for (zstd)"),
        (b"{}", "br", "encoding that was not asked for (br)"),
    ],
    ids=["gzip", "gzip twice", "zstd", "br"],
)
def test_no_answer_is_unpacked_beyond_what_one_may_hold(
    service: StandIn, clock: Clock, body: bytes, encoding: str, message: str
) -> None:
    service.answer = lambda _: Answer(body, headers={"Content-Encoding": encoding})
    tracemalloc.start()
    try:
        with client(service.url, clock) as asking, pytest.raises(Stop) as caught:
            asking.get_json("/posts")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert message in str(caught.value)
    assert peak < 3 * LARGEST
    assert service.asked[0].headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", "identity", "none", "UTF-8"])
def test_an_answer_is_unpacked_as_it_was_packed(service: StandIn, clock: Clock, encoding: str) -> None:
    body = gzip.compress(GOOD.body) if "gzip" in encoding.lower() else GOOD.body
    service.answer = lambda _: Answer(body, headers={"Content-Encoding": encoding})
    with client(service.url, clock) as asking:
        assert asking.get_json("/posts").body == GOOD.body


def test_an_answer_from_elsewhere_than_the_network_is_unpacked_too(clock: Clock) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = httpx.Response(200, headers=headers, content=gzip.compress(GOOD.body))
    with client("http://127.0.0.1", clock, transport=httpx.MockTransport(lambda _: answer)) as asking:
        assert asking.get_json("/posts").body == GOOD.body


def test_a_refusal_in_an_encoding_nobody_asked_for_means_what_it_means_else(
    service: StandIn, clock: Clock
) -> None:
    service.answer = lambda _: Answer(b"\x1b\0", 503, headers={"Content-Encoding": "br"})
    with client(service.url, clock) as asking, pytest.raises(RetryLater, match=r"out of order \(HTTP 503\)"):
        asking.get_json("/posts")


# --- secrets -----------------------------------------------------------------------------------------

SECRETS = st.builds(
    lambda before, middle, after: f"{before}sesame-{middle}-emases{after}", *[st.text(max_size=12)] * 3
) | st.from_regex(r"[ -~]{0,3}sesame-[!-~]{1,400}-emases[ \r\n]?", fullmatch=True)
"""Tokens as people copy them; half of them are such that a header can have them."""


def echo(asked: httpx.Request) -> httpx.Response:
    """Refuses, and repeats what it refuses, at any length and wherever messages look for words."""
    said = f"no good: {asked.headers.get('authorization')} {asked.headers.get('x-key')}"
    status = (301, 400, 401, 403, 404, 429, 503)[len(said) % 7]
    headers = [
        (b"Content-Type", b"application/json"),
        (b"Location", f"http://x/{said}".encode("ascii", "replace")),
    ]
    return httpx.Response(status, content=json.dumps({"error": said}), headers=headers)


@given(SECRETS)
@example("sesame-key-emases\n")
@example(" sesame-key-emases ")
@example("sésame-key-emases")
@example("sesame-\0key-emases")
@example("sesame-\ud800key-emases")
@example("sesame-" + "0123456789" * 60)
def test_whatever_ends_a_question_no_message_holds_a_piece_of_a_secret(secret: str) -> None:
    clock, transport = Clock(), httpx.MockTransport(echo)
    for own, more in (
        ({"Authorization": f"Bearer {secret}"}, {}),
        ({"X-Key": secret}, {}),
        ({}, {"Authorization": f"Bearer {secret}"}),
    ):
        with pytest.raises((Stop, RetryLater)) as caught:
            client("http://127.0.0.1", clock, headers=own, transport=transport).get_json("/x", headers=more)
        message = str(caught.value)
        told = secret.strip()
        pieces = {told[at : at + 8] for at in range(len(told) - 7)}
        assert not [piece for piece in pieces if piece in message]
        assert caught.value.__cause__ is None, "tracebacks show causes"


@pytest.mark.parametrize(
    "secret", ["sesame\n", "sésame", " sesame", "sesame\r\nHost: x", "\u200bsesame", "\0", "sesame\ud800"]
)
def test_a_credential_that_no_header_can_have_names_its_connection(clock: Clock, secret: str) -> None:
    with pytest.raises(Stop, match=r"^The connection some_api has .*: copy it again\.$") as caught:
        client("http://127.0.0.1", clock, headers={"X-Key": secret}, connection="some_api")
    assert "sesame" not in str(caught.value)
    assert caught.value.__context__ is None


def test_what_a_transport_cannot_send_is_never_for_later(clock: Clock) -> None:
    def unsendable(_: httpx.Request) -> httpx.Response:
        raise httpx.LocalProtocolError("Illegal header value b'sesame'")

    with (
        client("http://127.0.0.1", clock, transport=httpx.MockTransport(unsendable)) as asking,
        pytest.raises(Stop, match="characters that cannot be sent") as caught,
    ):
        asking.get_json("/posts")
    assert "sesame" not in str(caught.value)
    assert caught.value.__suppress_context__, "tracebacks show contexts"


def test_a_question_with_half_a_letter_stops(service: StandIn, clock: Clock) -> None:
    """As in a cursor that a service has cut in two."""
    with client(service.url, clock) as asking, pytest.raises(Stop, match="characters that cannot be sent"):
        asking.get_json("/posts", {"cursor": "\ud83d"})


def test_a_condition_that_cannot_be_said_is_left_out(service: StandIn, clock: Clock) -> None:
    """A service's own mark of what it sent may have any letters."""
    with client(service.url, clock) as asking:
        answer = asking.get("/feed", headers={"If-None-Match": '"é"', "If-Modified-Since": "yesterday"})
    assert answer.body == GOOD.body
    assert "if-none-match" not in service.asked[0].headers
    assert service.asked[0].headers["if-modified-since"] == "yesterday"


# --- addresses and JSON ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("credentials", "expected"),
    [
        ({}, "https://default.example"),
        ({"host": None}, "https://default.example"),
        ({"host": "mastodon.example"}, "https://mastodon.example"),
        ({"host": "mastodon.example/"}, "https://mastodon.example"),
        ({"host": "mastodon.example", "schema": "http"}, "http://mastodon.example"),
        ({"host": "mastodon.example", "port": 8443}, "https://mastodon.example:8443"),
        ({"host": "http://127.0.0.1:81", "password": "x", "port": 82}, "http://127.0.0.1:81"),
        ({"host": "http://localhost", "password": "x", "port": 82}, "http://localhost:82"),
        ({"host": "https://example.com/api/"}, "https://example.com/api"),
    ],
)
def test_the_connection_says_where_the_service_is(credentials: dict[str, Any], expected: str) -> None:
    assert address(credentials, "https://default.example") == expected


@pytest.mark.parametrize("host", ["ftp://example.com", "https://", "http://exa mple:x", "http://h:99999999"])
def test_a_host_that_is_no_address_stops(host: str) -> None:
    with pytest.raises(Stop, match="no address"):
        address({"host": host}, "")


def test_a_password_does_not_cross_the_network_in_clear() -> None:
    with pytest.raises(Stop, match="in clear"):
        address({"host": "http://example.com", "password": "x"}, "")


def test_half_surrogates_and_large_numbers_are_read() -> None:
    assert decode(b'{"text": "\\ud83d", "id": 123456789012345678901234567890}') == {
        "text": "\ud83d",
        "id": 123456789012345678901234567890,
    }


@given(st.recursive(st.none() | st.booleans() | st.text(), st.lists, max_leaves=10))
def test_on_one_line_json_says_the_same(value: Any) -> None:
    text = json.dumps(value, indent=1).replace("\n", "\r\n").encode()
    line = one_line(text)
    assert b"\n" not in line
    assert b"\r" not in line
    assert decode(line) == value


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le"])
def test_json_that_is_not_utf_8_is_none(encoding: str) -> None:
    """Its lines could not be told, nor kept."""
    with pytest.raises(ValueError, match=r"decode|utf-8|Expecting|malformed"):
        decode('{"text": "a\u010ab"}'.encode(encoding))


@given(st.binary(max_size=300))
def test_whatever_a_refusal_holds_becomes_one_short_printable_line(body: bytes) -> None:
    from etl_callables.verdict import Answer as Received

    for kind in ("application/json", "text/plain", "text/html"):
        line = said(Received(400, {"content-type": kind}, body, "http://x"))
        assert len(line) <= 300
        assert line == "" or line.isprintable()
