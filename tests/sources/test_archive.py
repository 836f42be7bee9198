"""Archives: every layout, every way to be broken, and every real file this machine has."""

from __future__ import annotations

import csv
import gzip
import html
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from etl_callables import raw
from etl_callables.errors import Stop
from etl_callables.post import Post, Skipped
from etl_callables.run import Run
from etl_callables.sources import Page, Request, archive, archive_lines, files
from etl_callables.sources.files import File
from etl_callables.store import store_at
from schemas.window import Window
from tests.etl_callables.jobs import NOON, WINDOW, tweet
from tests.servers.tweets import entry_2026
from tests.servers.x_search import search_page

EVER = Window(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
RUN = Run(now=lambda: NOON)


def pages(
    what: Path | str | list[str],
    query: str | None = None,
    *,
    cursor: str | None = None,
    window: Window = EVER,
    layout: str = "auto",
    folder: str = "/nowhere",
) -> list[Page]:
    named = what if isinstance(what, list) else str(what)
    request = Request(query, window, options={"files": named, "layout": layout}, folder=folder)
    return list(archive.pages(request, cursor, RUN))


def items(found: Iterable[Page]) -> list[Post | Skipped]:
    return [item for page in found for body in page.bodies for item in archive.posts(body, NOON)]


def names(found: Iterable[Page]) -> list[str]:
    return [item.id if isinstance(item, Post) else item.reason for item in items(found)]


def written(path: Path, *lines: bytes, end: bytes = b"\n") -> Path:
    path.write_bytes(b"".join(line + end for line in lines))
    return path


def response(*numbers: int, **changes: Any) -> bytes:
    """A response of the X API v2."""
    data = [
        {"id": str(n), "created_at": "2021-07-05T12:00:00.000Z", "text": f"covid {n}", "author_id": "7"}
        for n in numbers
    ]
    includes = {"users": [{"id": "7", "username": "sample_ada", "name": "Ada"}]}
    return json.dumps({"data": data, "includes": includes, **changes}).encode()


# --- real files ------------------------------------------------------------------------------------

RECORDED = {
    "snscrape/tweets.jsonl": (538, {}),
    "snscrape/tweets.csv": (1689, {}),
    "snscrape/search_timeline_2026-07.json": (20, {}),
    "x-api-v2/brexit.jsonl": (100, {}),
    "x-api-v2/cashtags.jsonl": (1, {}),
    "x-api-v2/cotweet.jsonl": (1, {}),
    "x-api-v2/counts.jsonl": (0, {"counts": 1}),
    "x-api-v2/edited.jsonl": (1, {}),
    "x-api-v2/empty.json": (0, {}),
    "x-api-v2/geo_tweets.jsonl": (2, {}),
    "x-api-v2/noflat.jsonl": (100, {}),
    "x-api-v2/openapi.json": (0, {"unknown-shape": 1}),
    "x-api-v2/streaming_output_with_error.jsonl": (7, {"broken-json": 1}),
    "x-api-v2/tweets_compliance.jsonl": (0, {"compliance": 2}),
    "x-api-v2/two_tweets.jsonl": (1, {}),
    "x-api-v2/withheld.jsonl": (215, {}),
}


UNNAMED = {"x-api-v2/withheld.jsonl": 6}
"""Posts whose authors a response was asked for without including them."""


@pytest.mark.parametrize("name", RECORDED)
def test_every_post_of_a_recorded_file_is_read_and_nothing_is_dropped_in_silence(
    data: Path, name: str
) -> None:
    found = items(pages(data / name))
    posts = [item for item in found if isinstance(item, Post)]
    assert (len(posts), Counter(item.reason for item in found if isinstance(item, Skipped))) == RECORDED[name]
    assert len({post.id for post in posts}) == len(posts)
    assert all(post.id.isdecimal() and post.text is not None and post.author_id for post in posts)
    assert all(post.created_at.utcoffset() == timedelta(0) for post in posts)
    named = sum(post.author is not None for post in posts)
    assert named == len(posts) - UNNAMED.get(name, 0)


def test_every_recorded_file_is_in_the_table_above(data: Path) -> None:
    there = {path.relative_to(data).as_posix() for path in data.glob("*/*")}
    assert there == set(RECORDED)


def test_the_same_tweet_as_line_and_as_table_is_the_same_post(data: Path, tmp_path: Path) -> None:
    """As pandas writes one: nested values as Python reprs, identifiers with gaps as floats."""
    lines = (data / "snscrape/tweets.jsonl").read_bytes().splitlines()
    table = io.StringIO()
    rows = [json.loads(line) for line in lines]
    writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: "" if value is None else value for key, value in row.items()} for row in rows)
    (tmp_path / "tweets.csv").write_text(table.getvalue(), encoding="utf-8")
    assert items(pages(tmp_path / "tweets.csv")) == items(pages(data / "snscrape/tweets.jsonl"))


# --- snscrape --------------------------------------------------------------------------------------


def test_a_line_is_kept_as_it_was_written(tmp_path: Path) -> None:
    odd = b'  {"_type": "snscrape.modules.twitter.Tweet",  "id":1 , "date":"2021-07-05T12:00:00+02:00"}'
    (page,) = pages(written(tmp_path / "a.jsonl", odd, end=b"\r\n"))
    assert page.bodies == (odd.strip(),)
    (post,) = items([page])
    assert isinstance(post, Post)
    assert post.created_at == NOON - timedelta(hours=2)
    assert post.hashtags is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"_type":"snscrape.modules.twitter.Tweet","id":1', "broken-json"),
        (b"\xff\xfe", "broken-json"),
        (b'"text"', "unknown-shape"),
        (b"17", "unknown-shape"),
        (b"{}", "unknown-shape"),
        (b"NaN", "broken-json"),
        (b'{"a":' * 100_000, "broken-json"),
        (b'{"_type":"snscrape.modules.twitter.Tombstone","id":1}', "unavailable"),
        (
            b'{"_type":"snscrape.modules.telegram.TelegramPost","date":"2021-07-05T12:00:00+00:00"}',
            "not-a-tweet",
        ),
        (b'{"_type":"snscrape.modules.twitter.Tweet","id":1,"date":"yesterday"}', "unknown-shape"),
        (
            b'{"_type":"snscrape.modules.twitter.Tweet","id":1,"date":"0001-01-01T00:00:00+05:00"}',
            "unknown-shape",
        ),
        (
            b'{"_type":"snscrape.modules.twitter.Tweet","id":1,"date":"2021-07-05T12:00:00Z","likeCount":"many"}',
            "unknown-shape",
        ),
        (b'{"_type":"snscrape.modules.twitter.Tweet","id":1.2e18,"date":"2021-07-05T12:00:00Z"}', "lossy-id"),
        (tweet(1).replace(b"made up text", b"\xff\xfe"), "broken-json"),
    ],
)
def test_a_line_that_is_no_tweet_is_skipped_with_a_reason_and_costs_no_other(
    tmp_path: Path, line: bytes, reason: str
) -> None:
    found = pages(written(tmp_path / "a.jsonl", tweet(1), line, tweet(2)))
    assert names(found) == ["1", reason, "2"]
    for body in found[0].bodies:
        json.loads(body)  # whatever the line was, what is kept of it is JSON
        assert b"\n" not in body


def test_half_a_surrogate_in_a_text_is_still_a_tweet(tmp_path: Path) -> None:
    line = tweet(1).replace(b"made up", b"\\ud83d up")
    (post,) = items(pages(written(tmp_path / "a.jsonl", line)))
    assert isinstance(post, Post)
    assert post.text == "\ud83d up text 1"


@given(st.lists(st.binary(max_size=60) | st.just(tweet(1)) | st.just(response(1, 2)), max_size=8))
def test_whatever_the_lines_are_each_is_read_or_skipped(tmp_path_factory: Any, lines: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("hostile") / "a.jsonl"
    found = pages(written(path, *lines), layout="snscrape-jsonl")
    meant = b"".join(line + b"\n" for line in lines).split(b"\n")
    assert names(found).count("1") == meant.count(tweet(1)) + meant.count(response(1, 2))
    for page in found:
        for body in page.bodies:
            json.loads(body)


@example(["search_by_raw_query"])  # what tells a page of X's own search is a text here
@given(st.lists(st.text(max_size=40), min_size=1, max_size=8))
def test_any_text_survives_a_table(tmp_path_factory: Any, texts: list[str]) -> None:
    path = tmp_path_factory.mktemp("table") / "a.csv"
    texts = [text.replace("\r", "").encode("utf-8", "ignore").decode() for text in texts]
    with path.open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table)
        writer.writerow(["id", "date", "content", "hashtags"])
        for number, text in enumerate(texts, 1):
            # As X sends it, which snscrape leaves as it is.
            sent = html.escape(text, quote=False)
            writer.writerow([number, "2021-07-05 12:00:00+00:00", sent, repr([text])])
    found = [item for item in items(pages(path)) if isinstance(item, Post)]
    assert [post.text or "" for post in found] == texts
    assert [post.hashtags for post in found] == [(text,) for text in texts]


def table(path: Path, *rows: str, head: str = "id,date,content,hashtags") -> Path:
    path.write_text("".join(f"{row}\n" for row in (head, *rows)), encoding="utf-8", newline="")
    return path


GOOD = "1,2021-07-05 12:00:00+00:00,hello,"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('2,2021-07-05 12:00:00+00:00,"never closed,', "broken-row"),
        ('2,2021-07-05 12:00:00+00:00,"closed"early,', "broken-row"),
        ("2,2021-07-05 12:00:00+00:00", "wrong-columns"),
        ("2,2021-07-05 12:00:00+00:00,a,,,", "wrong-columns"),
        ("2,yesterday,a,", "broken-row"),
        ("2,0001-01-01 00:00:00+05:00,a,", "unknown-shape"),
        ("2,2021-07-05 12:00:00+00:00,a,exit()", "broken-row"),
        ("2,2021-07-05 12:00:00+00:00,a,17", "broken-row"),
        ("1.4e+18,2021-07-05 12:00:00+00:00,a,", "lossy-id"),
        (",2021-07-05 12:00:00+00:00,a,", "broken-row"),
        ("2,2021-07-05 12:00:00+00:00," + "x" * 200_000 + ",", "broken-row"),
    ],
    ids=str,
)
def test_a_record_that_is_no_tweet_is_skipped_and_the_next_one_is_read(
    tmp_path: Path, row: str, reason: str
) -> None:
    assert names(pages(table(tmp_path / "a.csv", GOOD, row, GOOD))) == ["1", reason, "1"]


def test_bytes_of_another_encoding_cost_their_own_record(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", GOOD, GOOD)
    path.write_bytes(path.read_bytes().replace(b"hello", b"\xe9t\xe9", 1))
    assert names(pages(path)) == ["not-utf-8", "1"]


def test_a_reference_that_lost_its_digits_in_a_float_is_null_and_never_a_wrong_one(tmp_path: Path) -> None:
    head = "id,date,inReplyToTweetId,conversationId,likeCount"
    row = "1,2021-07-05 12:00:00+00:00,1.2995582423438868e+18,12.0,3.0"
    (post,) = items(pages(table(tmp_path / "a.csv", row, head=head)))
    assert isinstance(post, Post)
    assert (post.in_reply_to, post.conversation_id, post.likes) == (None, "12", 3)


def test_a_table_of_something_else_stops_the_run_and_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(Stop, match="has no column date"):
        pages(table(tmp_path / "a.csv", "1,2", head="id,price"))


# --- X API v2 --------------------------------------------------------------------------------------


def test_both_spellings_of_the_x_api_are_read_alike(tmp_path: Path) -> None:
    common = {"id": "9", "created_at": "2021-07-05T12:00:00Z", "text": "short", "author_id": "7"}
    old = common | {
        "public_metrics": {"retweet_count": 4, "like_count": 3},
        "referenced_tweets": [{"type": "retweeted", "id": "1"}, {"type": "replied_to", "id": "2"}],
        "note_tweet": {"text": "long"},
    }
    new = common | {
        "public_metrics": {"repost_count": 4, "like_count": 3},
        "referenced_posts": [{"type": "reposted", "id": "1"}, {"type": "replied_to", "id": "2"}],
        "note_post": {"text": "long"},
    }
    one, two = items(
        pages(written(tmp_path / "a", *(json.dumps({"data": [item]}).encode() for item in (old, new))))
    )
    assert one == two
    assert isinstance(one, Post)
    assert (one.reposts, one.likes, one.text, one.reposted, one.in_reply_to) == (4, 3, "long", "1", "2")
    assert (one.author, one.source_label, one.hashtags, one.media) == (None, None, None, None)


def repost(original: dict[str, Any] | None, **more: Any) -> Post:
    """What is read of a repost, on a page that has the original or does not."""
    item = {"id": "9", "created_at": "2021-07-05T12:00:00Z", "text": "RT @ada: A long &amp; cut…"} | more
    item["referenced_posts"] = [{"type": "reposted", "id": "1"}]
    page = {"data": [item], "includes": {"posts": [original] if original else []}}
    (post,) = archive.posts(json.dumps(page).encode(), NOON)
    assert isinstance(post, Post)
    return post


def test_a_repost_has_the_whole_text_of_the_original_where_that_is_on_the_page() -> None:
    cut = {"hashtags": [], "mentions": [{"username": "ada"}, {"username": "bo"}]}
    entities = {
        "hashtags": [{"tag": "end"}],
        "mentions": [{"username": "bo"}],
        "urls": [{"url": "https://e"}],
    }
    noted = {"text": "cut", "note_post": {"text": "A long & whole one"}}
    for whole in ({"text": "A long &amp; whole one"}, noted):
        post = repost({"id": "1", "entities": entities} | whole, entities=cut)
        assert (post.text, post.reposted) == ("RT @ada: A long & whole one", "1")
        assert (post.hashtags, post.mentions, post.urls) == (("end",), ("ada", "bo"), ("https://e",))


@pytest.mark.parametrize("original", [None, {"id": "2", "text": "another"}, {"id": "1"}])
def test_a_repost_without_its_original_has_the_text_that_x_cut(original: dict[str, Any] | None) -> None:
    post = repost(original, entities={"mentions": [{"username": "ada"}]})
    assert (post.text, post.mentions) == ("RT @ada: A long & cut…", ("ada",))


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("R&amp;D is &lt;fun&gt;", "R&D is <fun>"),
        ("&amp;lt; is how < is written", "&lt; is how < is written"),
        ("fish &amp;amp; chips &quot;&#39;&nbsp;", "fish &amp; chips &quot;&#39;&nbsp;"),
        ("a & b", "a & b"),
    ],
)
def test_a_text_of_x_is_what_its_author_wrote_whichever_way_it_came(
    tmp_path: Path, sent: str, meant: str
) -> None:
    """X escapes three characters, once."""
    line = tweet(1).replace(b"made up text 1", sent.encode())
    page = {"data": [{"id": "1", "created_at": "2021-07-05T12:00:00Z", "text": sent}]}
    record = f'1,2021-07-05 12:00:00+00:00,"{sent}"'
    bodies = [line, json.dumps(page).encode()]
    bodies += [b for p in pages(table(tmp_path / "a.csv", record, head="id,date,content")) for b in p.bodies]
    for body in bodies:
        (post,) = archive.posts(body, NOON)
        assert isinstance(post, Post)
        assert (post.text or "").removeprefix("made up ") == meant
    batch = archive.columns([line], NOON, ["text"])
    assert batch is not None
    assert batch.to_pylist() == [{"text": meant}]


def test_authors_and_media_come_from_what_the_response_includes(tmp_path: Path) -> None:
    includes = {
        "users": [{"id": 7}, {"id": "7", "username": "sample_ada", "name": "Ada"}],
        "media": [
            {"media_key": "m1", "type": "photo", "url": "https://example.org/p.jpg"},
            {"media_key": "m2", "variants": [{"url": "s", "bit_rate": 1}, {"url": "l", "bit_rate": 2}, {}]},
            {"media_key": "m3", "preview_image_url": "https://example.org/still.jpg"},
        ],
    }
    item = {
        "id": "9",
        "created_at": "2021-07-05T12:00:00Z",
        "author_id": "7",
        "attachments": {"media_keys": ["m1", "m2", "m3", "m4"]},
        "entities": {
            "hashtags": [{"tag": "covid"}],
            "urls": [{"url": "t", "expanded_url": "e"}, {"url": "t"}],
        },
    }
    (post,) = items(pages(written(tmp_path / "a", json.dumps({"data": item, "includes": includes}).encode())))
    assert isinstance(post, Post)
    assert (post.author, post.author_name) == ("sample_ada", "Ada")
    assert post.url == "https://twitter.com/sample_ada/status/9"
    assert post.media == ("https://example.org/p.jpg", "l", "https://example.org/still.jpg")
    assert (post.hashtags, post.urls, post.mentions) == (("covid",), ("e", "t"), ())


@pytest.mark.parametrize(
    ("body", "reasons"),
    [
        (response(1, errors=[{"parameter": "referenced_tweets.id", "detail": "gone"}]), ["1"]),
        (response(1, errors=[{"parameter": "ids", "detail": "gone"}]), ["1", "x-error"]),
        (b'{"errors":[{"title":"Unauthorized"},{"message":"b"}]}', ["x-error", "x-error"]),
        # What explains posts and cannot be read costs none.
        (response(1, errors=[{"title": ["a"]}]), ["1"]),
        (response(1, errors=["gone"]), ["1"]),
        (response(1, errors={}), ["1"]),
        (response(1, includes=["a"]), ["1"]),
        (response(1, includes=None), ["1"]),
        (
            (
                b'{"data":[{"id":"1","username":"ada","created_at":"2021-07-05T12:00:00Z"},'
                b'{"id":"2","text":"a","created_at":"2021-07-05T12:00:00Z"}]}'
            ),
            ["1", "2"],
        ),
        (
            (
                b'{"data":[{"id":"1","text":"a","start":"a","end":"b","created_at":"2021-07-05T12:00:00Z"},'
                b'{"id":"2","text":"a","created_at":"2021-07-05T12:00:00Z"}]}'
            ),
            ["1", "2"],
        ),
        (b'{"data":[{"id":"1","text":"a","created_at":"0001-01-01T00:00:00+05:00"}]}', ["unknown-shape"]),
        (b'{"meta":{"result_count":0}}', []),
        (b'{"data":[],"meta":{}}', []),
        (b'{"data":null}', []),
        (b'{"data":[{"id":"1","text":"a"}]}', ["no-created-at"]),
        (
            b'{"data":[{"id":1},{"id":"2","created_at":"2021-07-05T12:00:00Z"},7]}',
            ["unknown-shape", "2", "unknown-shape"],
        ),
        (b'{"data":7}', ["unknown-shape"]),
        (b'{"data":[{"start":"a","end":"b","post_count":1}],"meta":{}}', ["counts"]),
        (b'{"id":"1","action":"delete"}', ["compliance"]),
    ],
)
def test_what_a_response_says_besides_posts_is_counted(
    tmp_path: Path, body: bytes, reasons: list[str]
) -> None:
    assert names(pages(written(tmp_path / "a.jsonl", body))) == reasons


# --- raw pages of Trawl ----------------------------------------------------------------------------


def raw_page(path: Path, source: str, via: str, bodies: Sequence[bytes], fetched_at: datetime) -> Path:
    """A raw page as extract writes it, at a path of its own."""
    store = store_at(str(path.parent))
    envelope = raw.Envelope(
        source=source,
        via=via,
        version="1",
        page=0,
        cursor=None,
        next=None,
        previous=None,
        fetched_at=fetched_at,
        bodies=len(bodies),
        truncated=None,
        fingerprint="f",
    )
    key = raw.write_page(store, "p", "a", envelope, bodies)
    (path.parent / key).rename(path)
    return path


def test_raw_pages_are_read_by_the_source_that_fetched_them_and_keep_their_time(tmp_path: Path) -> None:
    before = NOON - timedelta(days=100)
    body = search_page([entry_2026(1, NOON), entry_2026(2, NOON, "else")], None).body
    raw_page(tmp_path / "0.jsonl.zst", "twitter", "snscrape", [body], before)
    raw_page(tmp_path / "1.jsonl.zst", "archive", "files", [tweet(3), tweet(4)], before)
    raw_page(tmp_path / "2.jsonl.zst", "gone", "by", [tweet(5)], before)
    found = pages(tmp_path / "*.zst")
    assert names(found) == ["1", "2", "3", "4", "unknown-source"]
    assert {item.scraped_at for item in items(found) if isinstance(item, Post)} == {before}
    assert names(pages(tmp_path / "*.zst", "covid from:sample_ada")) == ["1", "unknown-source"]


@pytest.mark.parametrize(
    ("source", "via", "body"),
    [("hackernews", "algolia", b'{"hits":5}'), ("bluesky", "api", b'{"posts":5}'), ("lemmy", "api", b"[]")],
)
def test_an_odd_raw_page_costs_no_other(tmp_path: Path, source: str, via: str, body: bytes) -> None:
    raw_page(tmp_path / "0.jsonl.zst", source, via, [body], NOON)
    raw_page(tmp_path / "1.jsonl.zst", "archive", "files", [tweet(3)], NOON)
    assert names(pages(tmp_path / "*.zst")) == ["unknown-shape", "3"]


def test_several_raw_pages_in_one_file_are_read_and_a_missing_end_is_told(tmp_path: Path) -> None:
    one = raw_page(tmp_path / "0.zst", "archive", "files", [tweet(1), tweet(2)], NOON).read_bytes()
    (tmp_path / "both.zst").write_bytes(one + one)
    assert names(pages(tmp_path / "both.zst")) == ["1", "2", "1", "2"]
    lines = zstandard.ZstdDecompressor().decompressobj().decompress(one).splitlines(keepends=True)
    (tmp_path / "cut.jsonl").write_bytes(b"".join(lines[:-1]))
    assert names(pages(tmp_path / "cut.jsonl")) == ["1", "damaged-file"]


# --- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gz", "zst"])
def test_packed_files_are_read_in_several_members_and_to_where_they_break(tmp_path: Path, pack: Any) -> None:
    kind = "gz" if pack is gzip.compress else "zst"
    first, second = (
        pack(b"".join(tweet(n) + b"\n" for n in numbers)) for numbers in (range(1, 40), range(40, 80))
    )
    path = tmp_path / f"a.jsonl.{kind}"
    path.write_bytes(first + second)
    assert names(pages(path)) == [str(number) for number in range(1, 80)]
    path.write_bytes(first + second[:-1])
    *whole, last = names(pages(path))
    assert last == "damaged-file"
    assert whole[:39] == [str(number) for number in range(1, 40)]
    path.write_bytes(b"not packed at all")
    assert names(pages(path)) == ["damaged-file"]


def test_zeros_between_members_are_padding(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(tweet(1) + b"\n") + b"\0" * 1000 + gzip.compress(tweet(2)) + b"\0" * 9)
    assert names(pages(path)) == ["1", "2"]


def test_a_json_text_over_many_lines_or_a_list_is_its_elements(tmp_path: Path) -> None:
    values = [json.loads(tweet(1)), json.loads(tweet(2))]
    (tmp_path / "many.json").write_text("\ufeff" + json.dumps(values, indent=2), encoding="utf-8")
    (tmp_path / "one.json").write_text(json.dumps(values))
    (tmp_path / "each.json").write_bytes(b"[" + tweet(1) + b",\n" + tweet(2) + b"]\n")
    assert names(pages(tmp_path / "each.json")) == ["1", "2"]
    assert names(pages(tmp_path / "many.json")) == ["1", "2"]
    assert names(pages(tmp_path / "one.json")) == ["1", "2"]


def test_a_packed_file_is_known_by_its_ending_in_capitals_too(tmp_path: Path) -> None:
    (tmp_path / "A.JSONL.GZ").write_bytes(gzip.compress(tweet(1)))
    assert names(pages(tmp_path / "A.JSONL.GZ")) == ["1"]


def test_a_list_on_one_line_is_never_cut_by_a_page(tmp_path: Path) -> None:
    values = b"[" + b",".join(tweet(number) for number in range(1, 1502)) + b"]"
    found = pages(written(tmp_path / "a.json", values, tweet(9000)))
    assert [len(page.bodies) for page in found] == [1501, 1]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.csv"])
def test_any_cursor_leads_to_exactly_the_rest(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("csv"):
        table(path, *(f'{n},2021-07-05 12:00:00+00:00,"two\nlines ""{n}""",' for n in range(1, 3200)))
    else:
        text = b"".join(tweet(n) + b"\n" for n in range(1, 3200))
        pack = {"gz": gzip.compress, "zst": zstandard.compress}.get(name.rpartition(".")[2], bytes)
        path.write_bytes(pack(text))
    written(tmp_path / "b.jsonl", *(tweet(n) for n in range(5000, 6500)))
    found = pages(str(tmp_path / "*"))
    assert len(found) == 5
    assert found[-1].cursor is None
    for number, page in enumerate(found[:-1], 1):
        assert pages(str(tmp_path / "*"), cursor=page.cursor) == found[number:]


def test_a_page_is_about_a_mebibyte_where_bodies_are_large(tmp_path: Path) -> None:
    large = [tweet(n, rawContent="x" * 100_000) for n in range(1, 31)]
    sizes = [sum(map(len, page.bodies)) for page in pages(written(tmp_path / "a.jsonl", *large))]
    assert max(sizes) < 1.2 * (1 << 20)
    assert len(sizes) == 3


def test_a_line_too_long_to_hold_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("wb") as out:
        out.write(tweet(1) + b"\n")
        out.truncate(out.tell() + files.LONGEST + (1 << 20))
        out.seek(0, 2)
        out.write(b"\n" + tweet(2) + b"\n")
    assert names(pages(path)) == ["1", "too-long", "2"]


def test_files_are_found_by_path_pattern_address_and_list_each_once(tmp_path: Path) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    for number, name in enumerate(["a.jsonl", "b b.jsonl", "deep/c.jsonl", "deep/er/d.jsonl", "e.txt"], 1):
        written(tmp_path / name, tweet(number))
    folder = str(tmp_path)
    assert names(pages("a.jsonl", folder=folder)) == ["1"]
    assert names(pages("*.jsonl", folder=folder)) == ["1", "2"]
    assert names(pages("**/*.jsonl", folder=folder)) == ["1", "2", "3", "4"]
    assert names(pages("deep/?.jsonl", folder=folder)) == ["3"]
    assert names(pages("../*/../a.jsonl", folder=str(tmp_path / "deep"))) == ["1"]
    assert names(pages("../*/c.jsonl", folder=str(tmp_path / "deep"))) == ["3"]
    assert names(pages((tmp_path / "b b.jsonl").as_uri())) == ["2"]
    assert names(pages(["e.txt", "a.jsonl", "*.jsonl"], folder=folder)) == ["1", "2", "5"]


def test_files_of_a_bucket_are_found_and_read() -> None:
    store = store_at("memory://archive-of-a-test")
    store.write("y/2021/a.jsonl", tweet(1))
    store.write("y/2022/a.jsonl", tweet(2))
    store.write("z/a.jsonl", tweet(3))
    assert names(pages("memory://archive-of-a-test/y/*/a.jsonl")) == ["1", "2"]


@pytest.mark.parametrize("pattern", ["gone.jsonl", "*.gone", "s p a c e/*", "file:///nowhere/at/all"])
def test_no_file_is_an_error_that_names_the_pattern(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(Stop, match="There is no file"):
        pages(pattern, folder=str(tmp_path))


@pytest.mark.parametrize("layout", ["snscrape-jsonl", "x-api-v2", "trawl-raw"])
def test_a_layout_that_a_file_does_not_have_is_an_error(tmp_path: Path, layout: str) -> None:
    with pytest.raises(Stop, match=r"leave `options.layout` out"):
        pages(table(tmp_path / "a.csv", GOOD), layout=layout)


# --- what is asked for -----------------------------------------------------------------------------


def test_only_bodies_of_the_window_that_match_the_query_are_given_and_all_that_are_broken(
    tmp_path: Path,
) -> None:
    lines = [
        tweet(1, rawContent="COVID here"),
        tweet(2, rawContent="nothing"),
        tweet(3, WINDOW.end, rawContent="covid"),
        b"broken",
        tweet(4, WINDOW.start, rawContent="covid"),
    ]
    found = pages(written(tmp_path / "a.jsonl", *lines), "covid", window=WINDOW)
    assert names(found) == ["1", "broken-json", "4"]


def test_a_body_of_several_posts_stays_whole_and_says_which_match(tmp_path: Path) -> None:
    body = response(1, 2, 31, 3)
    (page,) = pages(written(tmp_path / "a.jsonl", body), "3 -31")
    assert names([page]) == ["3"]
    assert body in page.bodies[0]
    assert pages(written(tmp_path / "b.jsonl", body), "elsewhere") == [Page((), None)]


def test_a_query_the_archive_cannot_answer_is_refused_before_any_file_is_read() -> None:
    with pytest.raises(Stop, match="lang:en"):
        pages("gone.jsonl", "covid lang:en")


@pytest.mark.parametrize(
    "body", [b'{"trawl_only":[9,-1,0],"body":' + response(1) + b"}", b'{"trawl_only":7}']
)
def test_a_note_of_what_matches_that_is_wrong_harms_nobody(body: bytes) -> None:
    assert names([Page((body,), None)]) in (["1"], ["broken-json"])


@pytest.mark.parametrize("depth", [2, 300, 1000, 100_000])
@pytest.mark.parametrize(
    "around",
    [
        b'{"trawl_only":[0],"body":',
        b'{"trawl_page":1,"source":"archive","via":"files","fetched_at":"2021-07-05T12:00:00Z","body":',
    ],
)
def test_pages_inside_pages_are_read_or_skipped_but_never_too_much(depth: int, around: bytes) -> None:
    body = around * depth + tweet(1) + b"}" * depth
    assert names([Page((body,), None)]) in (["1"], ["broken-json"])


def test_a_body_is_read_the_same_every_time() -> None:
    body = response(1, 2)
    assert list(archive.posts(body, NOON)) == list(archive.posts(body, NOON))


def test_bodies_of_a_file_begin_where_they_say(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", tweet(1), b"", tweet(2), tweet(3))
    file = File("a.jsonl", store_at(str(tmp_path)), "a.jsonl")
    for offset, body in archive_lines.bodies(file, "auto", 0):
        assert path.read_bytes()[offset:].startswith(body)


# --- one JSON text over many lines -----------------------------------------------------------------


def test_a_response_or_a_list_of_them_that_somebody_made_readable_is_read(tmp_path: Path) -> None:
    first, second = (json.loads(response(*numbers)) for numbers in ((1, 2), (3,)))
    for text, expected in ((first, ["1", "2"]), ([first, second], ["1", "2", "3"])):
        path = tmp_path / "pretty.json"
        path.write_text(json.dumps(text, indent=2))
        assert names(pages(path)) == expected


def test_what_begins_like_one_and_breaks_off_is_broken_and_nothing_else_is_lost(tmp_path: Path) -> None:
    whole = json.dumps(json.loads(response(1)), indent=2).encode().splitlines()
    found = names(pages(written(tmp_path / "cut.json", *whole[:-1], response(2))))
    assert found.count("2") == 1
    assert set(found) <= {"2", "broken-json", "unknown-shape"}


def test_one_that_is_too_large_to_be_held_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    line = b" " * (1 << 20)
    written(path, b"[", *[line] * ((files.LONGEST >> 20) + 1), b"]")
    with pytest.raises(Stop, match=r"huge.json is one JSON text of over \d+ MiB: write it as JSON lines"):
        pages(path)
