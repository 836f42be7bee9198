"""`trawl verify` of ten thousand objects in a bucket that takes 20 ms to answer, beside one by one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from benchmarks.table import Table, Target
from etl_callables import load, raw, transform
from etl_callables.manifest import encode, manifest_key, read_manifest
from etl_callables.run import STATE, Run, prefix
from etl_callables.store import READERS, open_store, store_at
from etl_callables.store_local import LocalStore
from etl_callables.verification import verify
from schemas.window import Window
from tests.etl_callables.jobs import WINDOW, extracted, job, tweets

OBJECTS = 10_000
FEW = 300
"""Objects that are read one by one, which would take ten minutes for all."""

LATENCY = 0.02
GOAL = 5.0


def measure(_: int) -> list[Table]:
    """The number of jobs plays no part."""
    with tempfile.TemporaryDirectory(prefix="trawl-bench-") as folder:
        root = Path(folder)
        for name, count in (("many", OBJECTS), ("few", FEW)):
            _fill(root / name, count)
        with _serving(root):
            seconds = {bucket: _seconds(bucket, count, threads) for bucket, count, threads in _WAYS}
    few, many = (count for _bucket, count, _threads in _WAYS)
    slow, fast = seconds["few"] / few, seconds["many"] / many
    return [
        Table(
            f"verify: objects in a bucket that takes {LATENCY * 1000:.0f} ms to answer",
            ("way", "objects", "seconds", "objects/s"),
            [
                ("one by one", f"{few:,}", seconds["few"], 1 / slow),
                ("trawl verify", f"{many:,}", seconds["many"], 1 / fast),
            ],
            [Target("verify", slow / fast, GOAL, " x", at_least=True)],
            ("Each object takes three requests: its manifest, itself, and the list of its raw pages.",),
        )
    ]


_WAYS = (("few", FEW, 1), ("many", OBJECTS, READERS))


def _seconds(bucket: str, count: int, threads: int) -> float:
    store = store_at(f"s3://{bucket}")
    begun = time.perf_counter()
    report = verify(store, datetime.now(UTC), threads=threads)
    seconds = time.perf_counter() - begun
    assert (report.objects, report.wrong) == (count, 0), report.findings[:3]
    return seconds


def _fill(folder: Path, count: int) -> None:
    """A bucket as so many hourly runs leave it: one is run, and the others are written as it was."""
    ours, run = job(folder, key="{start}.csv"), Run(now=lambda: datetime(2026, 7, 1, tzinfo=UTC))
    load(ours, WINDOW, run, transform(ours, WINDOW, run, extracted(ours, run, [tweets(range(1, 40))])))
    store = LocalStore(folder)
    first = read_manifest(open_store(ours, run), prefix(ours, WINDOW, run))
    assert first is not None
    data = store.read(first.object.key)
    done = raw.read_done(store, first.raw.done)
    page = store.read(done.pages[0])
    for number in range(1, count):
        start = WINDOW.end + timedelta(hours=number)
        window = Window(start, start + timedelta(hours=1))
        here = f"{STATE}/{ours.id}/{window}"
        attempt = first.raw.done.split("/")[-2]
        pages = (raw.page_key(here, attempt, 0),)
        key = f"{start:%Y%m%dT%H%M%SZ}.csv"
        other = msgspec.structs.replace(
            first,
            window=str(window),
            start=window.start,
            end=window.end,
            object=msgspec.structs.replace(first.object, key=key),
            raw=msgspec.structs.replace(first.raw, done=f"{here}/raw/{attempt}/done.json"),
        )
        _write(folder, key, data)
        _write(folder, pages[0], page)
        _write(folder, other.raw.done, msgspec.json.encode(msgspec.structs.replace(done, pages=pages)))
        _write(folder, manifest_key(here), encode(other))


def _write(folder: Path, key: str, data: bytes) -> None:
    """Without waiting for the disk, as the store does."""
    path = folder / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@contextmanager
def _serving(root: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "benchmarks.bucket", str(root), str(LATENCY)]
    before = dict(os.environ)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            os.environ.update(
                AWS_ENDPOINT_URL_S3=server.stdout.readline().strip(),
                AWS_ACCESS_KEY_ID="made-up",
                AWS_SECRET_ACCESS_KEY="made-up",
                AWS_REGION="us-east-1",
            )
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)
            server.communicate()
