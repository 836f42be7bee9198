"""What is older than its job lets it be: found, then removed, the manifest saying so first.

Killed anywhere, the next time goes on: what a manifest calls expired and is still there is due again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from etl_callables import raw
from etl_callables.listing import Folder, list_folders
from etl_callables.manifest import (
    Left,
    Manifest,
    NamedElsewhere,
    is_there,
    list_manifests,
    may_be_there,
    named_elsewhere,
    read_manifest,
    write_manifest,
)
from etl_callables.run import ABANDONED, REJECTED, STATE
from etl_callables.store import Store
from etl_callables.tidying import rejected_manifest
from schemas.job import Job

Kind = Literal["object", "object of an earlier key", "raw pages", "rejected posts", "unfinished run"]

_WITHOUT_END: Final = frozenset({"rejected posts", "unfinished run"})
"""What a window has that no run has published; where one has since, that run cleans."""


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
        if self.kind == "unfinished run":
            what = f"{len(self.keys):,} file{'s' * (len(self.keys) > 1)} of a run that never came to its end"
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
        found.extend(_of_window(store, job, manifest, folder, now, named=named))
        for left in manifest.left:
            thing, over = left.object, manifest.expired is not None or _is_over(left, job.keep, now)
            if over and may_be_there(store, thing) and not named(thing.key, folder):
                kind: Kind = "object of an earlier key"
                earlier.append(Due(job.id, kind, folder, thing.url, (thing.key,), thing.size, left.finished))
    for window in list_folders(store, f"{STATE}/{job.id}").values():
        if window.manifest not in window.files:
            found.extend(_of_no_end(store, job, window, now))
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
        if one.kind in _WITHOUT_END if manifest is None else _is_said(store, one, manifest, now, withdrawn):
            store.delete(one.keys)
            count += len(one.keys)
    return count


def _is_said(
    store: Store, one: Due, manifest: Manifest, now: datetime, withdrawn: Callable[[Manifest], None]
) -> bool:
    """Have the window's manifest say that something goes; false where it is not due any more."""
    if one.kind == "object of an earlier key":
        left = [left for left in manifest.left if left.object.key in one.keys]
        if not any(is_there(store, each.object) for each in left):
            return False
        for each in left:
            withdrawn(msgspec.structs.replace(manifest, object=each.object, table=each.table))
    elif one.kind == "unfinished run" or manifest.finished != one.written:
        return False  # a run has written this window since
    elif one.kind == "object" and manifest.expired is None:
        manifest = msgspec.structs.replace(manifest, expired=now)
        write_manifest(store, one.folder, manifest)
    elif one.kind == "raw pages" and manifest.raw.expired is None:
        pages = msgspec.structs.replace(manifest.raw, expired=now)
        write_manifest(store, one.folder, msgspec.structs.replace(manifest, raw=pages))
    if one.kind == "object":
        withdrawn(manifest)
    return True


def _of_window(
    store: Store, job: Job, manifest: Manifest, folder: str, now: datetime, *, named: NamedElsewhere
) -> Iterator[Due]:
    over = manifest.expired is not None or _is_over(manifest, job.keep, now)
    key = manifest.object.key
    # An object that a later run has written since belongs to that one, also where it wrote the same.
    is_ours = over and store.tag(key) == manifest.object.tag
    if is_ours and not named(key, folder, after=manifest.finished):
        url = manifest.object.url
        yield Due(job.id, "object", folder, url, (key,), manifest.object.size, manifest.finished)
    age = None if job.keep_raw is True else job.keep_raw or timedelta(0)
    if over or manifest.raw.expired is not None or _is_over(manifest, age, now):
        yield from _files(store, manifest, f"{folder}/raw", "raw pages", now)
    if over:
        yield from _files(store, manifest, f"{folder}/{REJECTED}", "rejected posts", now)


def _is_over(manifest: Manifest | Left, age: timedelta | None, now: datetime) -> bool:
    # By when they were asked for: an object that is made again from its pages is as old as these.
    since = manifest.finished if isinstance(manifest, Left) else manifest.started
    return age is not None and since + age <= now


def _of_no_end(store: Store, job: Job, folder: Folder, now: datetime) -> Iterator[Due]:
    """What a window without a manifest holds, of runs that were killed or rejected, a day or more ago."""
    ages = [job.keep, None if job.keep_raw is True else job.keep_raw or timedelta(0)]
    pages = min((age for age in ages if age is not None), default=None)
    for below, age in (("raw", pages), ("staged", job.keep)):
        if age is None:
            continue
        first = raw.attempt_name(now - max(age, ABANDONED))
        old = {name: keys for name, keys in folder.attempts(below).items() if name < first}
        if old:
            keys = tuple(key for keys in old.values() for key in keys)
            size, url = sum(folder.files[key] for key in keys), f"{store.url(folder.path)}/{below}/"
            yield Due(job.id, "unfinished run", folder.path, url, keys, size, raw.attempt_moment(max(old)))
    refused = rejected_manifest(store, folder.path) if folder.rejected else None
    if refused is not None and _is_over(refused, job.keep, now):
        size, url = sum(folder.files[key] for key in folder.rejected), f"{store.url(folder.path)}/{REJECTED}/"
        keys = tuple(folder.rejected)
        yield Due(job.id, "rejected posts", folder.path, url, keys, size, refused.finished)


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
