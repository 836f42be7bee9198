"""The stand-in for the X API is true: to the published document, to X's own client and to X's prices."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from werkzeug.datastructures import Headers, ImmutableMultiDict
from xdk import Client

from tests.servers.fixtures import DATA
from tests.servers.x_api import XApi, broken, overloaded
from tests.servers.x_api_posts import AUTHORS, Post, User, made_up, new_spelling, snowflake

NEWEST = datetime(2026, 7, 5, 23, 59, tzinfo=UTC)
NOW = NEWEST + timedelta(hours=1)
HIDDEN = User("7999", "sample_hidden", "Hidden", protected=True)
DOCUMENT = DATA / "x-api-v2" / "openapi.json"


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def corpus() -> list[Post]:
    first, *rest = made_up(250, NEWEST)
    answer = Post(snowflake(NEWEST, 4000), AUTHORS[1], NEWEST, "covid @sample_ada", reply=rest[0].id)
    quote = Post(
        snowflake(NEWEST, 4001), AUTHORS[2], NEWEST, "covid RT", repost=rest[1].id, note="long covid"
    )
    return [first, answer, quote, *rest]


@pytest.fixture
def x() -> Iterator[XApi]:
    with XApi(corpus(), [HIDDEN], now=lambda: NOW) as server:
        yield server


class _Request:
    """A question, as the checker of the document wants to see it."""

    def __init__(self, path: str, query: Mapping[str, str], token: str) -> None:
        self.host_url, self.path, self.method = "https://api.x.com", path, "get"
        self.content_type, self.body = "", None
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(query), header=Headers({"Authorization": f"Bearer {token}"})
        )


class _Response:
    def __init__(self, answer: httpx.Response) -> None:
        self.status_code, self.data = answer.status_code, answer.content
        self.content_type = answer.headers["content-type"].partition(";")[0]
        self.headers = answer.headers


@cache
def document(path: Path) -> Any:
    """X's published document, asked with a bearer token; it repeats itself where OpenAPI forbids it."""
    described = json.loads(path.read_bytes())
    for operations in described["paths"].values():
        for operation in operations.values():
            operation["security"] = [{"BearerToken": []}]
    config = Config(
        spec_validator_cls=None, extra_media_type_deserializers={"application/problem+json": json.loads}
    )
    return OpenAPI.from_dict(described, config=config)


EVERYTHING = {
    "post.fields": "attachments,conversation_id,created_at,entities,lang,note_post,public_metrics,source",
    "expansions": "author_id,attachments.media_keys,referenced_posts",
    "user.fields": "username,name",
    "media.fields": "url,preview_image_url,variants",
}
SEARCH, ALL = "/2/tweets/search/recent", "/2/tweets/search/all"
TIMELINE, LOOKUP = f"/2/users/{AUTHORS[0].id}/tweets", "/2/users/by/username/sample_ada"
DAY = {"start_time": stamp(NOW - timedelta(days=1)), "end_time": stamp(NOW - timedelta(minutes=1))}

QUESTIONS: list[tuple[int, str, dict[str, str]]] = [
    (200, SEARCH, {"query": "covid"}),
    (200, SEARCH, {"query": "covid", "max_results": "100", **DAY, **EVERYTHING}),
    (200, SEARCH, {"query": "nothing of that kind"}),
    (200, ALL, {"query": "from:sample_ada covid", "max_results": "500", **DAY, **EVERYTHING}),
    (200, TIMELINE, {"max_results": "5", "exclude": "replies,retweets", **DAY, **EVERYTHING}),
    (200, TIMELINE, {"end_time": stamp(NOW - timedelta(days=100))}),
    (200, f"/2/users/{HIDDEN.id}/tweets", {}),
    (200, "/2/users/4/tweets", {}),
    (200, LOOKUP, {"user.fields": "public_metrics"}),
    (200, "/2/users/by/username/sample_nobody", {}),
    (200, "/2/tweets/counts/recent", {"query": "covid", "granularity": "hour", **DAY}),
    (
        200,
        "/2/tweets/counts/all",
        {"query": "covid", "granularity": "day", "start_time": "2026-01-01T00:00:00Z"},
    ),
    (400, SEARCH, {"query": "covid", "max_results": "9"}),
    (400, SEARCH, {"query": "covid", "max_results": "101"}),
    (400, ALL, {"query": "covid", "max_results": "501"}),
    (400, TIMELINE, {"max_results": "4"}),
    (400, SEARCH, {"query": "(covid"}),
    (400, SEARCH, {"query": "c" * 513}),
    (400, SEARCH, {}),
    (400, SEARCH, {"query": "covid", "next_token": "b26v89c19zqg8o3fo7gesq314"}),
    (400, SEARCH, {"query": "covid", "start_time": stamp(NOW - timedelta(days=8))}),
    (400, SEARCH, {"query": "covid", "end_time": stamp(NOW)}),
    (400, SEARCH, {"query": "covid", "start_time": "yesterday"}),
    (400, SEARCH, {"query": "covid", "start_time": DAY["end_time"], "end_time": DAY["start_time"]}),
    (400, SEARCH, {"query": "covid", "tweet.fields": "created_at"}),
    (400, "/2/tweets/counts/recent", {"query": "covid", "granularity": "week"}),
]


def ask(x: XApi, path: str, query: Mapping[str, str], token: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {x.token if token is None else token}"}
    return httpx.get(x.url + path, params=query, headers=headers)


def fits(path: str, query: Mapping[str, str], answer: httpx.Response, *, asked: bool = True) -> None:
    """The question, where it is to be a good one, and the answer are as the published document says."""
    if not DOCUMENT.exists():
        pytest.skip(f"X's published document is not in {DOCUMENT}")
    checker = document(DOCUMENT)
    request = _Request(path, query, "made-up")
    if asked:
        checker.validate_request(request)
    checker.validate_response(request, _Response(answer))


@pytest.mark.parametrize(("status", "path", "query"), QUESTIONS, ids=lambda value: str(value)[:40])
def test_every_answer_is_as_the_published_document_says(
    x: XApi, status: int, path: str, query: dict[str, str]
) -> None:
    answer = ask(x, path, query)
    assert answer.status_code == status, answer.text
    fits(path, query, answer, asked=status == 200)


@pytest.mark.parametrize("kind", ["token", "limit", "credits", "archive", "overloaded", "broken"])
def test_every_refusal_is_as_the_published_document_says(x: XApi, kind: str) -> None:
    expected = {"token": 401, "limit": 429, "credits": 402, "archive": 403, "overloaded": 503, "broken": 500}
    if kind == "limit":
        x.limits[SEARCH] = [(1, 900)]
        ask(x, SEARCH, {"query": "covid"})
    x.credits = Decimal(0) if kind == "credits" else None
    x.archive = kind != "archive"
    if kind in {"overloaded", "broken"}:
        x.instead[0] = overloaded() if kind == "overloaded" else broken()
    path = ALL if kind == "archive" else SEARCH
    answer = ask(x, path, {"query": "covid"}, token="wrong" if kind == "token" else None)
    assert answer.status_code == expected[kind]
    fits(path, {"query": "covid"}, answer)


def test_before_posts_were_renamed_the_answers_are_the_same_but_for_their_names(x: XApi) -> None:
    new = ask(x, SEARCH, {"query": "covid", "max_results": "100", **EVERYTHING})
    old_query = {
        "query": "covid",
        "max_results": "100",
        "tweet.fields": EVERYTHING["post.fields"].replace("note_post", "note_tweet"),
        "expansions": "author_id,attachments.media_keys,referenced_tweets.id",
    }
    with XApi(corpus(), now=lambda: NOW, spelling="tweet") as before:
        old = ask(before, SEARCH, old_query).json()
    assert old["data"][0]["public_metrics"]["retweet_count"] == 1
    assert new_spelling(old)["data"] == new.json()["data"]
    assert [post["referenced_tweets"] for post in old["data"] if "referenced_tweets" in post] != []
    fits(SEARCH, {}, httpx.Response(200, json=new_spelling(old)), asked=False)


@pytest.mark.parametrize("size", [10, 100])
def test_xs_own_client_reads_every_post_of_a_search_once(x: XApi, size: int) -> None:
    client = Client(base_url=x.url, bearer_token=x.token)
    pages = list(
        client.posts.search_recent(
            "covid",
            max_results=size,
            start_time=DAY["start_time"],
            end_time=DAY["end_time"],
            post_fields=["created_at", "public_metrics"],
            expansions=["author_id"],
        )
    )
    posts = [post for page in pages for post in page.data or ()]
    assert [post.id for post in posts] == [post.id for post in x.posts]
    assert len(pages) == -(-len(posts) // size)
    assert posts[0].public_metrics.repost_count == 1
    assert x.charged["post"] == len(posts)
    assert x.bill == Decimal("0.005") * len(posts) + Decimal("0.010") * x.charged["user"]


def test_xs_own_client_reads_a_timeline_a_user_and_counts(x: XApi) -> None:
    client = Client(base_url=x.url, bearer_token=x.token)
    user = client.users.get_by_username("sample_ada")
    assert user.data is not None
    pages = client.users.get_posts(user.data.id, max_results=7)
    own = [post.id for page in pages for post in page.data or ()]
    assert own == [post.id for post in x.posts if post.author == AUTHORS[0]]
    counts = client.posts.get_counts_recent("covid", start_time=DAY["start_time"], end_time=DAY["end_time"])
    total = sum(page.meta.total_post_count for page in _pages(counts))
    assert total == len(x.posts)


def _pages(given: Any) -> list[Any]:
    return [given] if hasattr(given, "meta") else list(given)


def test_questions_beyond_the_limit_are_refused_until_the_moment_that_the_refusal_names() -> None:
    clock = [NOW]
    with XApi(corpus(), now=lambda: clock[0]) as x:
        first = [ask(x, ALL, {"query": "covid"}) for _ in range(2)]
        assert [answer.status_code for answer in first] == [200, 429]
        assert (first[0].headers["x-rate-limit-limit"], first[0].headers["x-rate-limit-remaining"]) == (
            "300",
            "299",
        )
        back = datetime.fromtimestamp(int(first[1].headers["x-rate-limit-reset"]), UTC)
        assert back == NOW + timedelta(seconds=1)
        clock[0] = back
        assert ask(x, ALL, {"query": "covid"}).status_code == 200
        assert x.charged == {"post": 20}


def test_a_token_is_good_for_its_own_question_only(x: XApi) -> None:
    token = ask(x, SEARCH, {"query": "covid"}).json()["meta"]["next_token"]
    assert ask(x, SEARCH, {"query": "covid", "next_token": token, "max_results": "50"}).status_code == 200
    assert ask(x, SEARCH, {"query": "covid -ada", "next_token": token}).status_code == 400
    assert ask(x, ALL, {"query": "covid", "next_token": token}).status_code == 400
