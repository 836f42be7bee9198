"""What is older than its job lets it be: found, then removed, the manifest saying so first.

Killed anywhere, the next time goes on: what a manifest calls expired and is still there is due again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from etl_callables import raw
from etl_callables.manifest import (
    Left,
    Manifest,
    is_there,
    list_manifests,
    may_be_there,
    named_elsewhere,
    read_manifest,
    write_manifest,
)
from etl_callables.run import ABANDONED, REJECTED, STATE
from etl_callables.store import Store
from schemas.job import Job

Kind = Literal["object", "object of an earlier key", "raw pages", "rejected posts"]


@dataclass(frozen=True, slots=True)
class Due:
    """Files of a window to be removed: `folder` is the window's, `size` in bytes, `written` the run's end."""

    job: str
    kind: Kind
    folder: str
    url: str
    keys: tuple[str, ...]
    size: int
    written: datetime

    def __str__(self) -> str:
        pages = "1 raw page" if len(self.keys) == 1 else f"{len(self.keys):,} raw pages"
        what = pages if self.kind == "raw pages" else self.kind
        return f"{self.url}: {what}, {self.size:,} bytes, written {self.written:%Y-%m-%d}"


def due(store: Store, job: Job, now: datetime) -> list[Due]:
    """What a job's bucket holds for longer than the job says, by window. Nothing is removed."""
    if job.keep is None and job.keep_raw is True:
        return []
    found: list[Due] = []
    earlier: list[Due] = []
    named = named_elsewhere(store, job.id)
    for manifest in list_manifests(store, job.id):
        variant = f"~{manifest.variant}" if manifest.variant else ""
        folder = f"{STATE}/{job.id}/{manifest.window}{variant}"
        found.extend(_of_window(store, job, manifest, folder, now))
        for left in manifest.left:
            thing, over = left.object, manifest.expired is not None or _is_over(left, job.keep, now)
            if over and may_be_there(store, thing) and not named(thing.key, folder):
                kind: Kind = "object of an earlier key"
                earlier.append(Due(job.id, kind, folder, thing.url, (thing.key,), thing.size, left.finished))
    return [*found, *earlier]  # these last: one that may not be removed keeps no other from it


def expire(
    store: Store,
    things: Iterable[Due],
    now: datetime,
    withdrawn: Callable[[Manifest], None] = lambda _manifest: None,
) -> int:
    """Remove what `due` found, as far as it is still so; how many files went. Raises RetryLater and Stop.

    `withdrawn` takes an object out of what else shows it, before it goes.
    """
    count = 0
    for one in things:
        manifest = read_manifest(store, one.folder)
        if manifest is None:
            continue
        if one.kind == "object of an earlier key":
            left = [left for left in manifest.left if left.object.key in one.keys]
            if not any(is_there(store, each.object) for each in left):
                continue
            for each in left:
                withdrawn(msgspec.structs.replace(manifest, object=each.object, table=each.table))
        elif manifest.finished != one.written:
            continue  # a run has written this window again since
        elif one.kind == "object" and manifest.expired is None:
            manifest = msgspec.structs.replace(manifest, expired=now)
            write_manifest(store, one.folder, manifest)
        elif one.kind == "raw pages" and manifest.raw.expired is None:
            pages = msgspec.structs.replace(manifest.raw, expired=now)
            write_manifest(store, one.folder, msgspec.structs.replace(manifest, raw=pages))
        if one.kind == "object":
            withdrawn(manifest)
        store.delete(one.keys)
        count += len(one.keys)
    return count


def _of_window(store: Store, job: Job, manifest: Manifest, folder: str, now: datetime) -> Iterator[Due]:
    over = manifest.expired is not None or _is_over(manifest, job.keep, now)
    key = manifest.object.key
    # An object that a later run has written since belongs to that one.
    if over and store.tag(key) == manifest.object.tag:
        url = manifest.object.url
        yield Due(job.id, "object", folder, url, (key,), manifest.object.size, manifest.finished)
    age = None if job.keep_raw is True else job.keep_raw or timedelta(0)
    if over or manifest.raw.expired is not None or _is_over(manifest, age, now):
        yield from _files(store, manifest, f"{folder}/raw", "raw pages", now)
    if over:
        yield from _files(store, manifest, f"{folder}/{REJECTED}", "rejected posts", now)


def _is_over(manifest: Manifest | Left, age: timedelta | None, now: datetime) -> bool:
    return age is not None and manifest.finished + age <= now


def _files(store: Store, manifest: Manifest, below: str, kind: Kind, now: datetime) -> Iterator[Due]:
    """Everything in a subfolder of a window, but for what says which pages there were.

    Of pages, not those of a run that began after the manifest's own and may still go on.
    """
    latest = raw.attempt_of(manifest.raw.done)
    living = max(latest, raw.attempt_name(now - ABANDONED))
    entries = [
        entry
        for entry in store.list(below)
        if entry.key != manifest.raw.done and (kind != "raw pages" or raw.attempt_of(entry.key) <= living)
    ]
    if entries:
        size, keys = sum(entry.size for entry in entries), tuple(entry.key for entry in entries)
        folder = below.rpartition("/")[0]
        yield Due(manifest.job, kind, folder, f"{store.url(below)}/", keys, size, manifest.finished)
