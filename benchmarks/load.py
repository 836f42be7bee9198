"""Load beside a bare upload of the same bytes to the same server.

Trawl's bytes go up once, at the end of transform; load reads them back against their checksum and has the
server copy them. The bare upload is boto3's `upload_file`, as it comes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.table import Table, Target
from etl_callables import load, raw
from etl_callables.run import Run, prefix
from etl_callables.store import Store, open_store
from etl_callables.transformation import Staged
from schemas.job import Job
from schemas.schedule import Schedule
from schemas.window import Window

SIZES = (50, 200)
"""Megabytes."""

ROUNDS = 5
GOAL = 1.15
BUCKET = "bench"
WINDOW = Window(datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 6, 2, tzinfo=UTC))
JOB = Job(
    id="bench",
    file="bench.yaml",
    folder="/",
    root="/",
    digest="",
    text="",
    source="archive",
    via="files",
    bucket=f"s3://{BUCKET}",
    key="posts.parquet",
    format="parquet",
    compression=None,
    columns=(),
    schedule=Schedule(None),
)


def measure(_: int) -> list[Table]:
    """The number of jobs plays no part."""
    with tempfile.TemporaryDirectory(prefix="trawl-bench-") as folder, _serving() as (name, values):
        before = dict(os.environ)
        os.environ.update(values)
        try:
            return [_compared(Path(folder), name)]
        finally:
            os.environ.clear()
            os.environ.update(before)


def _compared(folder: Path, server: str) -> Table:
    import boto3

    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    store = open_store(JOB, Run())
    rows, targets = [], []
    for size in SIZES:
        file = folder / f"{size}.parquet"
        _write(file, size)
        attempt = f"{prefix(JOB, WINDOW, Run())}/staged/{raw.new_attempt(WINDOW.end)}"
        ways: dict[str, Callable[[], object]] = {
            "bare": partial(s3.upload_file, str(file), BUCKET, "bare.parquet"),
            "put": partial(store.put, file, f"{attempt}/posts.parquet"),
            "load": partial(load, JOB, WINDOW, Run(), {"staged": f"{attempt}/staged.json"}),
        }
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(ROUNDS + 1):
            for way, work in ways.items():
                if way == "load":
                    _describe(store, file, attempt)
                begun = time.perf_counter()
                work()
                if number:  # the first is to get warm
                    seconds[way].append(time.perf_counter() - begun)
            store.delete(["bare.parquet", "posts.parquet", f"{prefix(JOB, WINDOW, Run())}/manifest.json"])
        bare, put, loaded = (median(seconds[way]) for way in ways)
        rows.append((f"{size} MB", bare, put, put / bare, loaded, loaded / bare, (put + loaded) / bare))
        targets.append(Target(f"upload of {size} MB", put / bare, GOAL, " x"))
        targets.append(Target(f"load of {size} MB", loaded / bare, GOAL, " x"))
    return Table(
        f"load: a Parquet file to {server}, on loopback",
        ("size", "boto3 s", "Trawl's upload s", "ratio", "load s", "ratio", "both"),
        rows,
        targets,
    )


def _write(file: Path, size: int) -> None:
    """Parquet that nothing makes smaller."""
    import pyarrow as pa
    from pyarrow import parquet

    rows = size * 1000
    texts = pa.array([os.urandom(500).hex() for _ in range(rows)])
    parquet.write_table(pa.table({"text": texts}), file, compression="none", use_dictionary=False)


def _describe(store: Store, file: Path, attempt: str) -> None:
    """Write what transform and extract leave beside a file that is staged."""
    done = raw.Done(
        pages=(), items=0, posts=0, duplicates=0, outside_window=0, over_limit=0, skipped={},
        first_post=None, last_post=None, truncated=None, complete=True, requests=0, source="archive",
        via="files", provider="bench", fingerprint="", started=WINDOW.end, finished=WINDOW.end,
    )  # fmt: skip
    key = raw.write_done(store, prefix(JOB, WINDOW, Run()), attempt.rpartition("/")[2], done)
    data = file.read_bytes()
    staged = Staged(
        key=f"{attempt}/posts.parquet", size=len(data), sha256=sha256(data).hexdigest(), format="parquet",
        compression=None, columns=("text",), fetched=0, kept=0, duplicate=0, outside_window=0, over_limit=0,
        skipped={}, mended=0, first_post=None, last_post=None, raw=key, started=WINDOW.end,
        finished=WINDOW.end, tag=store.tag(f"{attempt}/posts.parquet"),
    )  # fmt: skip
    store.write(f"{attempt}/staged.json", msgspec.json.encode(staged))


@contextmanager
def _serving() -> Iterator[tuple[str, dict[str, str]]]:
    """An S3 on loopback and what leads there: Ceph's where it is installed, which is as quick as a disk."""
    from tests.servers.ceph import cluster
    from tests.servers.databases import Absent

    try:
        with cluster() as ceph:
            yield "Ceph's gateway", ceph.environment
    except Absent:
        with _moto() as values:
            yield "moto (Python, slow: Ceph is not installed)", values


@contextmanager
def _moto() -> Iterator[dict[str, str]]:
    import httpx

    from tests.servers.ceph import User
    from tests.servers.databases import free_port

    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(300):
                try:
                    httpx.get(url)
                    break
                except httpx.HTTPError:
                    time.sleep(0.1)
            yield User("bench", "made-up", "made-up", url).environment
        finally:
            process.terminate()


def main() -> None:
    from benchmarks.machine import facts

    print(facts(), flush=True)
    for table in measure(0):
        print(table)


if __name__ == "__main__":
    main()
