"""Raw pages to a finished file: the transform of a run, beside three other ways to the same rows.

python -m benchmarks.transform                          223,500 posts, four tools
python -m benchmarks.transform --posts 1000000          another number
python -m benchmarks.transform --curve 200000 1000000 5000000    Trawl's memory over the number of posts
"""

import argparse
import json
import random
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from benchmarks import fresh
from benchmarks.machine import facts
from benchmarks.table import Table, Target

POSTS = 223_500
ROUNDS = 3
END = datetime(2021, 7, 6, tzinfo=UTC)
START = END - timedelta(days=1)
WORDS = ["covid", "vaccine", "lockdown", "mask", "the", "and", "in", "people", "today", "long", "ção", "😀"]
FIVE = {
    "User": "author",
    "Date Created": "created_at",
    "Number of Likes": "likes",
    "Source of Tweet": "source_label",
    "Tweet": "text",
}


def measure(jobs: int) -> list[Table]:
    """The tables of `python -m benchmarks`; the number of jobs has no part in them."""
    del jobs
    return [compare(POSTS)]


AIM = 120_000
"""Posts a second to reach, on a machine where the tutorial makes `WAS`."""

WAS = 65_000


def compare(posts: int) -> Table:
    """Every tool in a fresh process, in turns, over the same raw pages; medians."""
    ways = {
        ("Trawl, tutorial's five columns", "csv"): ("ours", "five"),
        ("Trawl, tutorial's five columns", "parquet"): ("ours", "five"),
        ("Trawl, five, authors as pseudonyms, bounds", "csv"): ("ours", "guarded"),
        ("Trawl, five, names in texts too, days", "csv"): ("ours", "hidden"),
        ("Trawl, all 25 columns", "csv"): ("ours", "all"),
        ("Trawl, all 25 columns", "parquet"): ("ours", "all"),
        ("tutorial: list, DataFrame", "csv"): ("tutorial", ""),
        ("pyarrow: read_json, write", "csv"): ("arrow", ""),
        ("pyarrow: read_json, write", "parquet"): ("arrow", ""),
        ("dlt", "csv"): ("dlt", ""),
        ("dlt", "parquet"): ("dlt", ""),
    }
    found: dict[tuple[str, str], list[dict[str, float]]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory(prefix="trawl-bench-") as temporary:
        home = Path(temporary)
        size = write_pages(str(home / "bucket"), posts)
        for number in range(ROUNDS):
            for (tool, form), (name, columns) in ways.items():
                if name == "dlt" and number:
                    continue  # it takes as long as all the others together
                found[tool, form].append(
                    fresh.call(f"benchmarks.transform:{name}", str(home), form, columns, home=home)
                )
    best = {way: sorted(runs, key=lambda run: run["seconds"])[len(runs) // 2] for way, runs in found.items()}
    speed = {way: run["posts"] / run["seconds"] for way, run in best.items()}
    base = speed["tutorial: list, DataFrame", "csv"]
    return Table(
        f"Raw pages to a file, {posts:,} posts of {size:,} bytes each as snscrape gives them",
        ("tool", "format", "posts a second", "x tutorial", "CPU us a post", "peak MB"),
        [
            (
                *way,
                f"{speed[way]:,.0f}",
                speed[way] / base,
                run["cpu"] * 1e6 / run["posts"],
                f"{run['peak']:,.0f}",
            )
            for way, run in best.items()
        ],
        [
            Target(
                f"Trawl to {form}, {columns} columns",
                speed[f"Trawl, {text}", form],
                AIM,
                " posts/s",
                at_least=True,
            )
            for columns, text in (("five", "tutorial's five columns"), ("all", "all 25 columns"))
            for form in ("csv", "parquet")
        ]
        + [
            Target(
                f"{tool} to {form}, beside the tutorial",
                speed[tool, form] / base,
                AIM / WAS,
                " x",
                at_least=True,
            )
            for tool, form in ways
            if tool.startswith("Trawl")
        ],
        [
            "Each in a process of its own, from the call to the written file, imports excluded. Trawl",
            "checks, sorts and makes unique; the others do none of it, and write five columns.",
        ],
    )


def curve(numbers: list[int]) -> Table:
    """Trawl alone, all columns to CSV and to Parquet."""
    rows = []
    for posts in numbers:
        with tempfile.TemporaryDirectory(prefix="trawl-bench-") as temporary:
            home = Path(temporary)
            write_pages(str(home / "bucket"), posts)
            for form in ("csv", "parquet"):
                run = fresh.call("benchmarks.transform:ours", str(home), form, "all", home=home)
                rows.append(
                    (
                        f"{posts:,}",
                        form,
                        f"{run['posts'] / run['seconds']:,.0f}",
                        run["cpu"] * 1e6 / run["posts"],
                        f"{run['peak']:,.0f}",
                    )
                )
    return Table(
        "Trawl's transform over the number of posts, all 25 columns",
        ("posts", "format", "posts a second", "CPU us a post", "peak MB"),
        rows,
        [Target("peak memory", max(float(row[4].replace(",", "")) for row in rows), 400, " MB")],
    )


# --- What is measured, each called in a fresh process ----------------------------------------------


def ours(home: str, form: str, columns: str) -> dict[str, float]:
    """Trawl's transform."""
    from etl_callables.transformation import transform

    job, window, run, done = _job(f"{home}/bucket")
    from schemas.job import Column

    chosen = job.columns if columns == "all" else tuple(Column(field, name) for name, field in FIVE.items())
    job = replace(job, format=form, key=f"posts.{form}", columns=chosen, **_guards(columns))
    import pyarrow as pa

    pa.array([1])  # Arrow loads pandas on first use: an import like the others, and left out like them
    return _timed(lambda: transform(job, window, run, {"raw": done})["posts"])


def _guards(columns: str) -> dict[str, Any]:
    """What a job has besides its columns: bounds of quality, and what it hides of people."""
    from schemas.job import Pseudonyms, Quality

    if columns not in {"guarded", "hidden"}:
        return {}
    bounds = Quality(min_posts=1, nulls={"text": 0.1}, languages={"en": 0.5}, newest_within=timedelta(days=1))
    if columns == "guarded":
        return {"quality": bounds, "pseudonymise": Pseudonyms(("author",), "key")}
    everything = Pseudonyms(("author", "text"), "key")
    return {"quality": bounds, "pseudonymise": everything, "truncate": {"created_at": "day"}}


def tutorial(home: str, form: str, columns: str) -> dict[str, float]:
    """A list of lists, a DataFrame of it, `to_csv`."""
    del form, columns
    import pandas as pd

    def work() -> int:
        rows = []
        for body in _bodies(home):
            tweet = json.loads(body)
            rows.append(
                [
                    tweet["user"]["username"],
                    tweet["date"],
                    tweet["likeCount"],
                    tweet["sourceLabel"],
                    tweet["rawContent"],
                ]
            )
        frame = pd.DataFrame(rows, columns=list(FIVE))
        frame.to_csv(f"{home}/tutorial.csv", index=False)
        return len(frame)

    return _timed(work)


def arrow(home: str, form: str, columns: str) -> dict[str, float]:
    """The JSON reader and the writers of pyarrow, all in memory."""
    del columns
    import io

    import pyarrow as pa
    from pyarrow import csv, parquet
    from pyarrow import json as reader

    def work() -> int:
        data = io.BytesIO(b"\n".join(_bodies(home)))
        schema = pa.schema(
            [
                ("user", pa.struct([("username", pa.string())])),
                ("date", pa.timestamp("us", "UTC")),
                ("likeCount", pa.int64()),
                ("sourceLabel", pa.string()),
                ("rawContent", pa.string()),
            ]
        )
        table = reader.read_json(
            data,
            parse_options=reader.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
        ).flatten()
        if form == "csv":
            csv.write_csv(table, f"{home}/arrow.csv")
        else:
            parquet.write_table(table, f"{home}/arrow.parquet", compression="zstd")
        return int(table.num_rows)

    return _timed(work)


def dlt(home: str, form: str, columns: str) -> dict[str, float]:
    """A dlt pipeline of one resource to a local folder."""
    del columns
    import dlt as tool
    from dlt.destinations import filesystem

    pipeline = tool.pipeline(
        "bench",
        destination=filesystem(f"file://{home}/dlt-out"),
        dataset_name="bench",
        pipelines_dir=f"{home}/dlt-state",
    )

    def rows() -> Iterator[dict[str, Any]]:
        for body in _bodies(home):
            tweet = json.loads(body)
            yield {
                "user": tweet["user"]["username"],
                "date": tweet["date"],
                "likes": tweet["likeCount"],
                "source": tweet["sourceLabel"],
                "text": tweet["rawContent"],
            }

    def work() -> int:
        pipeline.run(
            rows(), table_name="posts", loader_file_format=cast("Any", form), write_disposition="replace"
        )
        trace = pipeline.last_trace
        assert trace
        assert trace.last_normalize_info
        return int(trace.last_normalize_info.row_counts["posts"])

    return _timed(work)


def _timed(work: Any) -> dict[str, float]:
    cpu, begun = time.process_time(), time.perf_counter()
    posts = work()
    return {
        "posts": posts,
        "seconds": time.perf_counter() - begun,
        "cpu": time.process_time() - cpu,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


# --- What they read --------------------------------------------------------------------------------


def _job(bucket: str) -> Any:
    from etl_callables.post import FIELDS
    from etl_callables.run import Run, prefix
    from schemas.job import Column, Job
    from schemas.schedule import Schedule
    from schemas.window import Window

    job = Job(
        id="bench",
        file="bench.yaml",
        folder="/",
        root="/",
        digest="",
        text="",
        source="archive",
        via="files",
        bucket=bucket,
        key="posts.csv",
        format="csv",
        compression=None,
        columns=tuple(Column(name, name) for name in FIELDS),
        schedule=Schedule(None),
    )
    window = Window(START, END)
    run = Run(connection=lambda _: {"password": "made-up-and-long-enough"})
    return job, window, run, f"{prefix(job, window, run)}/raw/bench/done.json"


def _bodies(home: str) -> Iterator[bytes]:
    from etl_callables import raw
    from etl_callables.store import store_at

    store = store_at(f"{home}/bucket")
    for page in raw.read_pages(store, raw.read_done(store, _job("")[3]).pages):
        yield from page.bodies


def write_pages(bucket: str, posts: int) -> int:
    """Raw pages as extract keeps them, newest first, made up; the bytes of the first post."""
    from etl_callables import raw
    from etl_callables.store import store_at

    store = store_at(bucket)
    folder = _job("")[3].partition("/raw/")[0]
    chance = random.Random(1)
    keys: list[str] = []
    size = 0
    for first in range(0, posts, 500):
        bodies = [_tweet(number, posts, chance) for number in range(first, min(first + 500, posts))]
        size = size or len(bodies[0])
        envelope = raw.Envelope(
            source="archive", via="files", version="bench", page=len(keys), cursor=None, next=None,
            previous=keys[-1] if keys else None, fetched_at=END, bodies=len(bodies), truncated=None,
            fingerprint="",
        )  # fmt: skip
        keys.append(raw.write_page(store, folder, "bench", envelope, bodies))
    done = raw.Done(
        pages=tuple(keys), items=posts, posts=posts, duplicates=0, outside_window=0, over_limit=0,
        skipped={}, first_post=None, last_post=None, truncated=None, complete=True, requests=0,
        source="archive", via="files", provider="bench", fingerprint="", started=END, finished=END,
    )  # fmt: skip
    raw.write_done(store, folder, "bench", done)
    return size


def _tweet(number: int, posts: int, chance: random.Random) -> bytes:
    """About as large, and as deep, as those snscrape writes; 37 in 100 begin with @, as real ones do."""
    name = 1_400_000_000_000_000_000 + (posts - number) * 1000
    user = chance.randrange(99_999)
    text = " ".join(chance.choices(WORDS, k=24))
    if chance.random() < 0.37:
        text = f"@user{user} {text}"
    about = " ".join(chance.choices(WORDS, k=20))
    address = f"https://twitter.com/user{user}"
    link = {
        "text": "example.org",
        "url": f"https://example.org/{user}",
        "tcourl": "https://t.co/abc",
        "indices": [1, 9],
    }
    value = {
        "_type": "snscrape.modules.twitter.Tweet",
        "url": f"{address}/status/{name}",
        "date": (END - timedelta(seconds=1 + int(number * 86_399 / posts))).isoformat(),
        "rawContent": text,
        "renderedContent": text,
        "id": name,
        "user": {
            "_type": "snscrape.modules.twitter.User",
            "username": f"user{user}",
            "id": user,
            "displayname": f"User {user}",
            "description": about,
            "rawDescription": about,
            "verified": False,
            "created": "2015-12-10T00:32:11+00:00",
            "followersCount": 830,
            "friendsCount": 6,
            "statusesCount": 7500,
            "location": "Somewhere",
            "profileImageUrl": f"{address}/image_normal.jpg",
            "profileBannerUrl": f"{address}/banner",
            "url": address,
        },
        "replyCount": chance.randrange(9),
        "retweetCount": chance.randrange(50),
        "likeCount": chance.randrange(500),
        "quoteCount": 0,
        "conversationId": name,
        "lang": "en",
        "source": '<a href="https://twitter.com/download/iphone" rel="nofollow">Twitter for iPhone</a>',
        "sourceUrl": "https://twitter.com/download/iphone",
        "sourceLabel": "Twitter for iPhone",
        "links": [link] if user % 3 == 0 else None,
        "media": None,
        "retweetedTweet": None,
        "quotedTweet": None,
        "inReplyToTweetId": None,
        "mentionedUsers": None,
        "hashtags": ["covid"] if user % 2 else None,
        "cashtags": None,
    }
    return json.dumps(value).encode()


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure raw pages to a file.")
    parser.add_argument("--posts", type=int, default=POSTS, help=f"how many posts ({POSTS:,})")
    parser.add_argument(
        "--curve", type=int, nargs="+", metavar="N", help="Trawl's memory at these numbers of posts"
    )
    options = parser.parse_args()
    print(facts(), flush=True)
    print(curve(options.curve) if options.curve else compare(options.posts))


if __name__ == "__main__":
    main()
