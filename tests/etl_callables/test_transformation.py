"""Transform: the rule of which posts are in the file, exact, sorted, once each, and every item counted."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import random
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_callables import raw, sources
from etl_callables.errors import Stop
from etl_callables.formats import FORMATS
from etl_callables.post import FIELDS, Post, Skipped, unreadable
from etl_callables.reader import read_posts
from etl_callables.run import prefix
from etl_callables.runs import KEY, RUN_BYTES, Runs
from etl_callables.sources import archive, snscrape_columns, snscrape_items
from etl_callables.store import open_store, store_at
from etl_callables.table import SCHEMA
from etl_callables.transformation import Staged, read_staged, transform
from schemas.job import Column, Job
from schemas.window import Window
from tests.etl_callables.jobs import (
    NEXT_DAY,
    NOON,
    WINDOW,
    a_run,
    extracted,
    job,
    tweet,
    tweets,
    write_pages,
)

SHARED = Path(__file__).parents[3] / "shared" / "data"


def transformed(
    job: Job, pages: list[list[bytes]], run_bytes: int = RUN_BYTES, **done: Any
) -> tuple[Staged, list[dict[str, Any]]]:
    """What transform made of these pages: what it says, and the rows of its file."""
    run = a_run()
    result = transform(job, WINDOW, run, extracted(job, run, pages, **done), run_bytes=run_bytes)
    store = open_store(job, run)
    staged = read_staged(store, result["staged"])
    assert result["posts"] == staged.kept
    assert staged.fetched == (
        staged.kept
        + staged.duplicate
        + staged.outside_window
        + staged.over_limit
        + sum(staged.skipped.values())
    )
    rows = read_posts(store.url(staged.key)).to_pylist()
    assert len(rows) == staged.kept
    return staged, rows


def test_a_source_of_which_nothing_can_be_read_is_a_warning_that_says_where_its_pages_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An archive that is none, or a service that answers in another shape; the run goes on."""
    staged, _ = transformed(job(tmp_path), [[b"# Read", b"me"], [b"{}"]])
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    pages = open_store(job(tmp_path), a_run()).url(staged.raw).removesuffix("done.json")
    assert warning.getMessage() == (
        "The archive may have changed, or be no such thing: no post was found, and 3 items could not be read"
        f" (2 broken-json, 1 unknown-shape); what came is in {pages}."
    )


@pytest.mark.parametrize("bodies", [[], [b"{", tweet(1)], [b"{", tweet(1, NEXT_DAY)]])
def test_where_nothing_came_or_one_item_was_read_nobody_is_warned(
    tmp_path: Path, bodies: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    transformed(job(tmp_path), [bodies])
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_items_that_are_known_to_be_no_posts_were_read() -> None:
    """As the only one of a window, which was deleted since."""
    assert unreadable("x", 1, {"unavailable": 1}) == ""
    assert unreadable("x", 2, {"promoted": 1, "unreadable": 1}) == ""
    assert unreadable("x", 1, {"unreadable": 1}) == "the only item could not be read (1 unreadable)"
    assert unreadable("x", 2, {"unreadable": 2}) == "nothing of 2 items could be read (2 unreadable)"


def test_posts_are_sorted_and_unique_by_platform_and_id(tmp_path: Path) -> None:
    """Newest first in the pages, oldest first in the file; a post that comes twice is there once."""
    staged, rows = transformed(job(tmp_path), [tweets([5, 4, 3]), tweets([3, 2, 1]), tweets([4])])
    assert [row["id"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert staged.duplicate == 2
    assert staged.first_post == rows[0]["created_at"]
    assert staged.last_post == rows[-1]["created_at"]


@pytest.mark.parametrize("limit", [None, 10])
def test_the_first_of_two_posts_with_one_id_wins(tmp_path: Path, limit: int | None) -> None:
    """Whatever their times are: an edited post is still one post."""
    page = [
        tweet(1, NOON, rawContent="first"),
        tweet(2),
        tweet(1, NOON - timedelta(hours=3), rawContent="second"),
    ]
    staged, rows = transformed(job(tmp_path, limit=limit), [page])
    assert [row["text"] for row in rows] == ["first", "made up text 2"]
    assert staged.duplicate == 1
    assert staged.first_post == NOON


def test_equal_times_are_ordered_by_id(tmp_path: Path) -> None:
    """The order never depends on the pages."""
    _, rows = transformed(job(tmp_path), [[tweet(3), tweet(1)], [tweet(2)]])
    assert [row["id"] for row in rows] == ["1", "2", "3"]


@pytest.mark.parametrize("limit", [1, 3, 4, 5, 100])
def test_the_limit_is_exact(tmp_path: Path, limit: int) -> None:
    """The first so many in the order of the pages; what comes after is counted."""
    staged, rows = transformed(job(tmp_path, limit=limit), [tweets([9, 8]), tweets([8, 7, 6]), tweets([5])])
    assert {row["id"] for row in rows} == set(["9", "8", "7", "6", "5"][:limit])
    assert (staged.over_limit > 0) == (limit < 5)


def test_the_window_is_half_open(tmp_path: Path) -> None:
    """A post at its start is in, one at its end is not."""
    moments = [
        WINDOW.start - timedelta(seconds=1),
        WINDOW.start,
        WINDOW.end - timedelta(seconds=1),
        WINDOW.end,
    ]
    staged, rows = transformed(job(tmp_path), [[tweet(n, moment) for n, moment in enumerate(moments, 1)]])
    assert [row["id"] for row in rows] == ["2", "3"]
    assert staged.outside_window == 2


def test_broken_items_are_skipped_and_counted(tmp_path: Path) -> None:
    """None of them costs a sound one."""
    page = [
        b"{",
        b"[]",
        b"",
        tweet(1),
        tweet(2, likeCount=-1),
        tweet(3).replace(b"2021-07-05T12:00:00+00:00", b"2021-07-05T12:00:00"),
        tweet(4, _type="something.else"),
    ]
    staged, rows = transformed(job(tmp_path), [page])
    assert [row["id"] for row in rows] == ["1"]
    assert sum(staged.skipped.values()) == 6
    assert staged.skipped["impossible-count"] == 1
    assert staged.skipped["no-time-zone"] == 1


POST = Post("x", "1", *(None,) * 4, NOON, *(None,) * 17, NEXT_DAY)  # type: ignore[arg-type]
ODD: list[Any] = [
    5, 1.0, True, b"bytes", "text", "", "\ud800", "\0", NOON, NOON.replace(tzinfo=None), NOON.date(), (),
    ("a",), ("\udfff",), (5,), ["a"], {"a": 1}, 2**63, -1, None, float("nan"), object(),
]  # fmt: skip


@pytest.fixture
def odd_source(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A source registered under its own name, whose bodies are numbers into `items`."""
    module = ModuleType("odd_source")
    module.items = []  # type: ignore[attr-defined]
    module.posts = lambda body, _: module.items[int(body)]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "odd_source", module)
    monkeypatch.setitem(sources.SOURCES, "odd", {"odd": "odd_source"})  # type: ignore[arg-type]
    return module


@pytest.mark.parametrize("field", FIELDS)
def test_no_value_of_any_type_in_any_field_stops_a_run(
    field: str, tmp_path: Path, odd_source: ModuleType
) -> None:
    """It is a row or it is counted, and the sound posts around it are rows."""
    values = [POST._replace(id=f"odd{n}")._replace(**{field: value}) for n, value in enumerate(ODD)]
    odd_source.items = [[POST._replace(id="a"), *values, Skipped("made-up", ""), POST._replace(id="z")]]
    staged, rows = transformed(job(tmp_path), [[b"0"]], source="odd", via="odd")
    ids = [row["id"] for row in rows]
    assert {"a", "z"} <= set(ids)
    assert staged.skipped["made-up"] == 1
    assert staged.skipped["wrong-type"] >= 10


def test_a_source_that_fails_on_a_body_costs_only_that_body(tmp_path: Path, odd_source: ModuleType) -> None:
    """It is one item, skipped as unreadable."""
    odd_source.items = [[POST]]
    staged, _ = transformed(job(tmp_path), [[b"0", b"7", b"nonsense"]], source="odd", via="odd")
    assert (staged.kept, staged.skipped) == (1, {"unreadable": 2})


@pytest.mark.parametrize("form", FORMATS)
def test_text_that_is_no_unicode_is_mended_and_counted(
    tmp_path: Path, odd_source: ModuleType, form: str
) -> None:
    """Half a character becomes U+FFFD, two halves that belong together become one; NUL stays."""
    odd_source.items = [
        [
            POST._replace(id="1", text="a\ud83d", hashtags=("\udc00",)),
            POST._replace(id="2", text="\ud83d\ude00"),
            POST._replace(id="3", text="nul\0"),
        ]
    ]
    staged, rows = transformed(job(tmp_path, format=form, key=f"a.{form}"), [[b"0"]], source="odd", via="odd")
    assert [row["text"] for row in rows] == ["a\ufffd", "😀", "nul\0"]
    assert rows[0]["hashtags"] == ["\ufffd"]
    assert staged.mended == 2


def test_columns_are_picked_ordered_and_renamed(tmp_path: Path) -> None:
    """The tutorial's five."""
    five = {
        "User": "author",
        "Date Created": "created_at",
        "Number of Likes": "likes",
        "Source of Tweet": "source_label",
        "Tweet": "text",
    }
    ours = job(tmp_path, columns=tuple(Column(field, header) for header, field in five.items()))
    staged, _ = transformed(ours, [[tweet(8, NOON), tweet(9, NOON, rawContent="@a\nb")]])
    assert store_at(str(tmp_path)).read(staged.key).decode() == (
        '"User","Date Created","Number of Likes","Source of Tweet","Tweet"\n'
        '"someone","2021-07-05 12:00:00+00:00",1,"Twitter Web App","made up text 8"\n'
        '"someone","2021-07-05 12:00:00+00:00",2,"Twitter Web App","\'@a\nb"\n'
    )
    assert staged.columns == tuple(five)


def test_no_posts_make_a_file_with_a_header(tmp_path: Path) -> None:
    """Silence is visible."""
    staged, rows = transformed(job(tmp_path), [[]])
    assert (staged.kept, staged.fetched, staged.first_post, rows) == (0, 0, None, [])
    assert staged.size > 0


@pytest.mark.parametrize("form", FORMATS)
def test_same_posts_same_bytes_however_they_were_paged(tmp_path: Path, form: str) -> None:
    """Order and size of pages, the number of attempts and the clock leave no trace in the file."""
    bodies = tweets(range(1, 3000))
    ours = job(tmp_path, format=form, key=f"posts.{form}")
    one, _ = transformed(ours, [bodies])
    random.Random(1).shuffle(bodies)
    many, _ = transformed(ours, [bodies[n : n + 70] for n in range(0, len(bodies), 70)])
    assert (many.sha256, many.size) == (one.sha256, one.size)


def test_a_transform_can_be_run_again(tmp_path: Path) -> None:
    """From the same raw pages, without asking the source, beside the first one's file."""
    run = a_run()
    ours = job(tmp_path)
    found = extracted(ours, run, [tweets([1, 2])])
    first, second = transform(ours, WINDOW, run, found), transform(ours, WINDOW, run, found)
    assert first["staged"] != second["staged"]
    store = open_store(ours, run)
    assert read_staged(store, first["staged"]).sha256 == read_staged(store, second["staged"]).sha256


@pytest.mark.parametrize("sizes", [[], [0], [3, 0, 5], [6_000, 1]])
def test_it_says_which_raw_pages_it_read_as_sha256sum_would(tmp_path: Path, sizes: list[int]) -> None:
    """In their order, those that a killed run had kept among them; whoever doubts it needs no Trawl."""
    ours = job(tmp_path)
    store, window = open_store(ours, a_run()), prefix(ours, WINDOW, a_run())
    bodies = [tweets(range(1, size + 1)) for size in sizes]
    kept = write_pages(store, window, raw.new_attempt(NEXT_DAY), bodies[:1], "asked")
    keys = write_pages(store, window, raw.new_attempt(NEXT_DAY), bodies[1:], "asked", adopted=kept)
    listed = extracted(ours, a_run(), [])["raw"]
    done = msgspec.structs.replace(raw.read_done(store, listed), pages=tuple(keys))
    raw.write_done(store, window, raw.attempt_of(listed), done)
    made = transform(ours, WINDOW, a_run(), {"raw": listed})
    files = [key.removeprefix(f"{window}/raw/") for key in keys]
    where = tmp_path / window / "raw"
    printed = subprocess.check_output(["sha256sum", *files], cwd=where) if files else b""
    assert read_staged(store, made["staged"]).raw_sha256 == hashlib.sha256(printed).hexdigest()


def test_raw_pages_that_are_gone_are_said_to_be(tmp_path: Path) -> None:
    """The person reads which, and that nothing else will help."""
    run = a_run()
    ours = job(tmp_path)
    found = extracted(ours, run, [tweets([1])])
    page = found["raw"].replace("done.json", "00000.jsonl.zst")
    open_store(ours, run).delete([page])
    with pytest.raises(Stop, match=r"00000\.jsonl\.zst"):
        transform(ours, WINDOW, run, found)


# --- Sorting on disk -------------------------------------------------------------------------------

ROWS = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from("ab"), st.sampled_from(["1", "2", "10", "é", "", "3"])),
    max_size=60,
)


@settings(max_examples=200)
@given(
    rows=ROWS,
    cuts=st.lists(st.integers(1, 7), min_size=1, max_size=5),
    run_bytes=st.sampled_from([1, 300, 10**9]),
)
def test_runs_sort_and_keep_the_first_of_each(
    rows: list[tuple[int, str, str]], cuts: list[int], run_bytes: int
) -> None:
    """The same rows, whether none, some or all of them went through files."""
    schema = pa.schema([*(SCHEMA.field(name) for name in KEY), SCHEMA.field("text")])
    first: dict[tuple[str, str], tuple[int, str, str, str]] = {}
    table = []
    for number, (second, platform, name) in enumerate(rows):
        table.append((NOON + timedelta(seconds=second), platform, name, str(number)))
        first.setdefault((platform, name), (second, platform, name, str(number)))
    with tempfile.TemporaryDirectory() as folder, Runs(Path(folder), schema, run_bytes) as runs:
        start = 0
        for cut in itertools.cycle(cuts):
            if start >= len(table):
                break
            piece = table[start : start + cut]
            runs.add(
                pa.RecordBatch.from_pylist(
                    [dict(zip(schema.names, row, strict=True)) for row in piece], schema
                )
            )
            start += cut
        merged = [row for batch in runs.merged() for row in batch.to_pylist()]
        assert runs.duplicates == len(rows) - len(first)
    wanted = sorted(first.values(), key=lambda row: (row[0], row[1].encode(), row[2].encode()))
    assert [(row["platform"], row["id"], row["text"]) for row in merged] == [row[1:] for row in wanted]


def test_runs_that_were_written_to_disk_are_sorted_and_unique_too(tmp_path: Path) -> None:
    """A whole transform in many small runs gives the bytes that it gives in one."""
    bodies = tweets(random.Random(2).choices(range(1, 5000), k=6000))
    one, _ = transformed(job(tmp_path), [bodies])
    assert one.duplicate > 0
    many, _ = transformed(job(tmp_path), [bodies[n : n + 500] for n in range(0, 6000, 500)], run_bytes=20_000)
    assert (many.sha256, many.duplicate) == (one.sha256, one.duplicate)


# --- The faster way --------------------------------------------------------------------------------


def both(bodies: list[bytes]) -> tuple[list[dict[str, Any]] | None, list[dict[str, Any]]]:
    """Rows by columns, None where that way declines, and rows one by one."""
    fast = snscrape_columns.columns(bodies, NEXT_DAY, FIELDS)
    slow = [item for body in bodies for item in archive.posts(body, NEXT_DAY)]
    rows = [
        {name: list(value) if isinstance(value, tuple) else value for name, value in post._asdict().items()}
        for post in slow
        if isinstance(post, Post)
    ]
    return None if fast is None else fast.to_pylist(), rows


ANY: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.integers(-(2**65), 2**65),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.booleans(),
    st.sampled_from(
        [[], ["a"], [None], [5], {}, {"id": 5}, [{"username": "a"}], [{"url": "b"}], [{"fullUrl": "c"}]]
    ),
    st.sampled_from(
        ["2021-07-05T12:00:00Z", "2021-07-05T12:00:00", "2021-07-05", "2021-07-05T14:00:00.5+02:00"]
    ),
)
NAMES = st.sampled_from(
    ["id", "date", "_type", "url", "rawContent", "content", "user", "username", "lang", "likeCount",
     "viewCount", "sourceLabel", "conversationId", "inReplyToTweetId", "quotedTweet", "retweetedTweet",
     "hashtags", "mentionedUsers", "links", "outlinks", "media"]
)  # fmt: skip


@settings(max_examples=400)
@given(st.lists(st.dictionaries(NAMES, ANY, max_size=3), min_size=1, max_size=3), st.sets(NAMES, max_size=3))
def test_columns_give_the_rows_that_posts_give_or_decline(
    changes: list[dict[str, Any]], absent: set[str]
) -> None:
    """Whatever a tweet's fields hold, and whichever are absent."""
    bodies = []
    for number, change in enumerate(changes, 1):
        value = json.loads(tweet(number)) | change
        bodies.append(json.dumps({name: value[name] for name in value if name not in absent}).encode())
    fast, slow = both(bodies)
    assert fast is None or fast == slow


def test_regular_tweets_go_the_faster_way(tmp_path: Path) -> None:
    """Otherwise the test above would prove nothing; and the file is the same."""
    bodies = tweets(range(1, 600))
    fast, slow = both(bodies)
    assert fast == slow
    assert len(slow) == 599
    by_columns, _ = transformed(job(tmp_path), [bodies])
    one_by_one, _ = transformed(job(tmp_path), [bodies[n : n + 100] for n in range(0, 599, 100)])
    assert by_columns.sha256 == one_by_one.sha256


def test_real_tweets_go_the_faster_way() -> None:
    """All tweets that snscrape wrote in 2021, where they are at hand."""
    path = SHARED / "snscrape" / "tweets.jsonl"
    if not path.exists():
        pytest.skip("../shared/data is not there")
    fast, slow = both(path.read_bytes().splitlines())
    assert fast == slow
    assert snscrape_items.TWEET


def real_files() -> list[Path]:
    """Files of real posts, where they are at hand."""
    return sorted(path for path in SHARED.glob("*/*.jsonl") if path.stat().st_size)


@pytest.mark.skipif(not real_files(), reason="../shared/data is not there")
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("path", real_files(), ids=lambda path: path.name)
def test_real_posts_come_through_every_format_unchanged(tmp_path: Path, path: Path, form: str) -> None:
    """Every item is a row or counted, and the rows are those that the source read."""
    bodies = path.read_bytes().splitlines()
    window = Window(datetime(2006, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
    ours, run = job(tmp_path, format=form, key=f"posts.{form}"), a_run()
    result = transform(ours, window, run, extracted(ours, run, [bodies], window=window))
    store = open_store(ours, run)
    staged = read_staged(store, result["staged"])
    rows = {(row["platform"], row["id"]): row for row in read_posts(store.url(staged.key)).to_pylist()}
    items = [item for body in bodies for item in archive.posts(body, NEXT_DAY)]
    assert staged.fetched == len(items)
    assert len(rows) == staged.kept
    for item in reversed(items):
        if isinstance(item, Post) and (item.platform, item.id) in rows:
            row = rows[item.platform, item.id]
            if row["created_at"] == item.created_at:
                assert row["text"] == item.text
                assert row["hashtags"] == (None if item.hashtags is None else list(item.hashtags))
