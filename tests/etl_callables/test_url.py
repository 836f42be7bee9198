"""No message shows what an address has that is secret."""

from __future__ import annotations

import re

import pytest
from botocore.exceptions import EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from etl_callables.errors import Stop
from etl_callables.http import address
from etl_callables.store_s3_errors import explain
from etl_callables.url import bare, secrets_of, shown, veiled

NAMES = ["token", "TOKEN", "access_token", "accessToken", "key", "apiKey", "api_key", "api-key", "auth"]
NAMES += ["X-Amz-Signature", "X-Amz-Security-Token", "sig", "password", "client_secret", "tok%65n", "pwd"]


@pytest.mark.parametrize(
    ("url", "whole", "short"),
    [
        ("https://h.example/a?b=1#c", "https://h.example/a?b=1#c", "https://h.example/a"),
        ("https://me:sesame@h.example:81/a", "https://h.example:81/a", "https://h.example:81/a"),
        ("https://sesame@h.example/a", "https://h.example/a", "https://h.example/a"),
        ("https://me:sesa/me@h.example/a", "https://h.example/a", "https://h.example/a"),
        ("https://m@il:sesame@h.example/a", "https://h.example/a", "https://h.example/a"),
        ("http://me:sesame@[::1]:81/a", "http://[::1]:81/a", "http://[::1]:81/a"),
        ("https://h.example/@ana?at=@bob", "https://h.example/@ana?at=@bob", "https://h.example/@ana"),
        ("https://h.example:81/@ana", "https://h.example:81/@ana", "https://h.example:81/@ana"),
        ("//me:sesame@h.example/a", "//h.example/a", "//h.example/a"),
        ("https://h.example/a#id_token=sesame", "https://h.example/a#id_token=…", "https://h.example/a"),
        ("https://h.example/\n\x1b[1mb", "https://h.example/ [1mb", "https://h.example/ [1mb"),
    ],
)
def test_an_address_is_shown_without_who_logs_in(url: str, whole: str, short: str) -> None:
    assert (shown(url), bare(url)) == (whole, short)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("before", ["?", "?a=1&", "?a=1;", "#"])
def test_the_value_of_a_secret_parameter_is_three_dots(name: str, before: str) -> None:
    url = f"https://h.example/a{before}{name}=sesame%20&b=2"
    assert shown(url) == f"https://h.example/a{before}{name}=…&b=2"
    assert set(secrets_of(url)) == {"sesame%20", "sesame "}


@pytest.mark.parametrize("name", ["keyword", "monkey", "author", "page", "key_id", "design", "passage", ""])
def test_other_parameters_are_shown(name: str) -> None:
    url = f"https://h.example/a?{name}=1"
    assert (shown(url), secrets_of(url)) == (url, [])


def test_addresses_in_a_text_are_shown_as_little() -> None:
    text = 'GET "https://me:sesame@h.example/?token=sesame" failed, <http://h.example?key=sesame> too: a@b'
    assert veiled(text) == 'GET "https://h.example/?token=…" failed, <http://h.example?key=…> too: a@b'


@given(st.text(), st.sampled_from(NAMES), st.from_regex(r"sesame[^\s\"'<>&;#?/@:]{0,20}", fullmatch=True))
def test_no_text_shows_a_secret(text: str, name: str, secret: str) -> None:
    assert "sesame" not in veiled(f"{text} https://me:{secret}@h.example/a?{name}={secret} {text}")


@pytest.mark.parametrize("login", ["me:sesame", "me:sesa/me", "sesame"])
@pytest.mark.parametrize("rest", ["h.example:99999999", "exa mple:x", ":x", ""])
def test_a_host_that_is_no_address_is_told_without_its_login(login: str, rest: str) -> None:
    for scheme in ("https://", "ftp://", ""):
        with pytest.raises(Stop, match="no address") as caught:
            address({"host": f"{scheme}{login}@{rest}"}, "")
        assert not re.search("sesame|sesa|me@", str(caught.value))


def test_a_login_in_a_host_does_not_cross_the_network_in_clear() -> None:
    with pytest.raises(Stop, match=r"to http://h\.example in clear"):
        address({"host": "http://me:sesame@h.example"}, "")


def test_the_endpoint_of_a_bucket_is_shown_without_its_login() -> None:
    closed = EndpointConnectionError(endpoint_url="http://me:sesame@h.example/bucket")
    said = str(explain(closed, "s3:GetObject", "s3://bucket/a"))
    assert "http://h.example/bucket" in said
    assert "sesame" not in said
