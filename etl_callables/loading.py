"""Load: publish the staged file under its final key, then its manifest, which commits the run.

Killed anywhere, the next run repairs: the staged file stays until the manifest is written, and an
object without a manifest that agrees is written again.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from etl_callables import forgetting, raw
from etl_callables.announcement import announcement
from etl_callables.errors import Outdone, RetryLater, Stop
from etl_callables.manifest import (
    Counts,
    Durations,
    Left,
    Manifest,
    Object,
    Quality,
    Raw,
    Replaced,
    Table,
    encode,
    manifest_key,
    may_be_there,
    read_manifest,
    write_manifest,
)
from etl_callables.publishing import place_for
from etl_callables.quality import Found, assess, rejects
from etl_callables.run import REJECTED, Run, prefix
from etl_callables.store import Missing, Store, open_store
from etl_callables.tidying import clean, clean_rejected, rejected_manifest
from etl_callables.transformation import Staged, read_staged, transform
from schemas.job import Job
from schemas.window import Window

_TRIES: Final = 8
"""How often another run of the same window may come between before this one is put off."""

_APART: Final = 0.05
"""Seconds below which the first wait is that parts two runs in step; each one after is twice as long."""


def load(
    job: Job,
    window: Window,
    run: Run,
    transformed: dict[str, Any],
    *,
    anew: bool = False,
    mended: Callable[[Manifest], Manifest] = lambda manifest: manifest,
) -> dict[str, Any]:
    """Publish what transform staged (`transformed["staged"]`, the key of a `staged.json`).

    Returns what there is to tell of the object (`announcement`). At any time there is the whole old object
    or the whole new one under the final key. With `anew` it is written even where the store says that
    it is there unchanged, for whoever has read it and knows better. `mended` is given the manifest before
    it is written, for whoever knows more of it. What the job was told to forget since the pages were read
    goes out of them, and of what is staged, before anything is published. Raises RetryLater, and Stop, also
    for posts that are not as the job expects.
    """
    began = run.now()
    store = open_store(job, run)
    transformed = _rid(job, window, run, store, transformed)
    place = place_for(job, window, run, store)
    folder = prefix(job, window, run)
    attempt = raw.attempt_of(transformed["staged"])
    key = place.key(attempt)
    before = read_manifest(store, folder)
    if before is not None and before.attempt == attempt and place.stands(before):
        run.log.info("%s is published already, by a run that was stopped after it.", before.object.url)
        clean(store, place, folder, before, run)
        return announcement(before, store.url(manifest_key(folder)), unchanged=False)
    staged = read_staged(store, transformed["staged"])
    _verify(store, staged)
    done = raw.read_done(store, staged.raw)
    found = Found(staged.kept, done.last_post or staged.last_post, staged.measured)
    quality = assess(job, window, run, store, found)
    replaced = _replaced(store, before, key, staged)
    left = _left(store, before, key)

    def described(key: str, tag: str, table: Table | None = None) -> Manifest:
        return _manifest(
            job,
            window,
            run,
            staged,
            done,
            began=began,
            attempt=attempt,
            url=store.url(key),
            key=key,
            tag=tag,
            replaced=replaced,
            quality=quality,
            table=table,
            left=left,
        )

    if rejects(job, quality):
        raise _reject(store, folder, before.object.key if before else key, staged, described)
    for breach in quality.breaches if quality else ():
        run.log.warning("This run is not as expected: %s.", breach)
    same = not anew and before is not None and _is_same(before, key, staged) and place.stands(before)
    busy = f"Another run writes {store.url(key)} at the same time. The staged file is kept."
    for number in range(_TRIES):
        if same and before:
            manifest = described(before.object.key, before.object.tag, before.table)
        else:
            manifest = described(key, *place.publish(staged, attempt))
        manifest = mended(manifest)
        latest = read_manifest(store, folder)
        if latest is not None and latest.attempt != attempt:
            before = latest  # whose run is over now
        write_manifest(store, folder, manifest)
        if place.stands(manifest) and store.read(manifest_key(folder)) == encode(manifest):
            break
        same = False
        # In step they would write over each other for good: the one that is later stays.
        run.sleep(_APART * 2**number * random.random())  # noqa: S311 (no secret)
        other = read_manifest(store, folder)
        if other is not None and other.attempt > attempt and place.stands(other):
            raise Outdone(busy)
    else:
        raise RetryLater(busy)
    run.log.info("%s", _summary(manifest, same=same))
    clean(store, place, folder, manifest, run, before=before)
    return announcement(manifest, store.url(manifest_key(folder)), unchanged=same)


def _rid(job: Job, window: Window, run: Run, store: Store, transformed: dict[str, Any]) -> dict[str, Any]:
    """What is staged; staged again where the job was told to forget something since its pages were read."""
    forgotten = forgetting.mark_of(store, job)
    if forgotten is None:
        return transformed
    try:
        staged = read_staged(store, transformed["staged"])
    except Missing:  # as of a run that was stopped after it had published
        return transformed
    if staged.forgotten == forgotten or staged.raw_sha256 is None:  # it is made of an object, which was rid
        return transformed
    again = transform(job, window, run, {"raw": staged.raw})
    store.delete([staged.key, transformed["staged"]])
    return again


def _verify(store: Store, staged: Staged) -> None:
    """Stop unless the staged file is what transform wrote: by the store's mark of it, or else by its bytes.

    The store has checked the bytes when they came, so that nobody else's writing is all there is to fear.
    """
    if staged.tag is not None and (store.tag(staged.key), store.size(staged.key)) == (
        staged.tag,
        staged.size,
    ):
        return
    digest = hashlib.sha256()
    size = 0
    with store.open(staged.key) as data:
        while piece := data.read(1 << 20):
            digest.update(piece)
            size += len(piece)
    if size != staged.size or digest.hexdigest() != staged.sha256:
        raise Stop(
            f"The staged file {store.url(staged.key)} is not what transform wrote "
            f"({size:,} bytes instead of {staged.size:,}, or other ones): clear the transform task."
        )


def _is_same(before: Manifest, key: str, staged: Staged) -> bool:
    """Whether a run would write what is there."""
    return _gives_way(before, key) and before.object.sha256 == staged.sha256


def _gives_way(old: Manifest | Left, key: str) -> bool:
    """Whether what is written under a key takes an object's place: that key or, in a table, the window's."""
    return old.object.key == key if old.table is None else key.startswith(f"{old.table.key}/data/")


def _replaced(store: Store, before: Manifest | None, key: str, staged: Staged) -> Replaced | None:
    """What this run takes the place of: the object that the manifest names, or one that none names."""
    if before is not None and _is_same(before, key, staged):
        return None
    if before is not None and _gives_way(before, key):
        old = before.object
        return Replaced(
            key=old.key, size=old.size, sha256=old.sha256, posts=before.counts.kept, run=before.run
        )
    size = store.size(key)
    return None if size is None else Replaced(key=key, size=size, sha256=None, posts=None, run=None)


def _left(store: Store, before: Manifest | None, key: str) -> tuple[Left, ...]:
    """What this window has under earlier keys, which publishing under this one leaves as it is."""
    if before is None:
        return ()
    own = Left(object=before.object, table=before.table, privacy=before.privacy, finished=before.finished)
    earlier = [old for old in (*before.left, own) if not _gives_way(old, key)]
    return tuple(old for old in earlier if may_be_there(store, old.object))


def counts_of(staged: Staged) -> Counts:
    """What became of the items of the pages that a file was made of."""
    return Counts(
        fetched=staged.fetched,
        kept=staged.kept,
        duplicate=staged.duplicate,
        outside_window=staged.outside_window,
        over_limit=staged.over_limit,
        skipped=staged.skipped,
        mended=staged.mended,
    )


def _manifest(
    job: Job,
    window: Window,
    run: Run,
    staged: Staged,
    done: raw.Done,
    *,
    began: datetime,
    attempt: str,
    url: str,
    key: str,
    tag: str,
    replaced: Replaced | None,
    quality: Quality | None,
    table: Table | None,
    left: tuple[Left, ...],
) -> Manifest:
    finished = run.now()
    return Manifest(
        job=job.id,
        job_file=job.file,
        job_digest=job.digest,
        values=dict(job.values),
        source=done.source,
        via=done.via,
        provider=done.provider,
        query=job.query,
        options=dict(job.options),
        limit=job.limit,
        per=job.per,
        window=str(window),
        start=window.start,
        end=window.end,
        run=run.id,
        variant=run.variant,
        attempt=attempt,
        counts=counts_of(staged),
        first_post=staged.first_post,
        last_post=staged.last_post,
        truncated=done.truncated,
        complete=done.complete,
        object=Object(
            url=url,
            key=key,
            format=staged.format,
            compression=staged.compression,
            size=staged.size,
            sha256=staged.sha256,
            tag=tag,
            columns=staged.columns,
        ),
        raw=Raw(
            done=staged.raw,
            pages=len(done.pages),
            expired=finished if job.keep_raw is False else None,
            sha256=staged.raw_sha256,
        ),
        replaced=replaced,
        started=done.started,
        finished=finished,
        durations=Durations(
            extract=_seconds(done.started, done.finished),
            transform=_seconds(staged.started, staged.finished),
            load=_seconds(began, finished),
        ),
        cost=done.cost,
        privacy=staged.privacy,
        quality=quality,
        table=table,
        left=left,
    )


def _seconds(start: datetime, end: datetime) -> float:
    """How long something took, to the millisecond; nothing where the clock was set back."""
    return round(max(0.0, (end - start).total_seconds()), 3)


def _reject(store: Store, folder: str, old: str, staged: Staged, described: Callable[..., Manifest]) -> Stop:
    """Keep posts that are not as expected beside their key, and say so; `old` is what is there, if it is."""
    place = f"{folder}/{REJECTED}/{staged.key.rpartition('/')[2]}"
    earlier = rejected_manifest(store, folder)
    manifest = described(place, store.copy(staged.key, place))
    store.write(f"{folder}/{REJECTED}/manifest.json", encode(manifest))
    clean_rejected(store, folder, manifest, earlier)
    breaches = manifest.quality.breaches if manifest.quality else ()
    there = (
        "nothing of this window is published yet"
        if store.size(old) is None
        else f"{store.url(old)} is as it was"
    )
    silent = manifest.quality is not None and manifest.quality.silent
    # No bound of a job is about silence, so there is none to correct.
    mend = "write `on_breach: warn` below `quality`" if silent else "correct `quality`"
    return Stop(
        f"This run is not as expected: {'; '.join(breaches)}. Its posts are kept at {manifest.object.url},"
        f" and {there}. To take them as they are, {mend} in"
        f" {manifest.job_file} and clear the load task, or run it again."
    )


def _summary(manifest: Manifest, *, same: bool) -> str:
    """What happened, in a line for a person."""
    stays = ", ".join(left.object.url for left in manifest.left)
    return _written(manifest, same=same) + (f" What an earlier key gave stays: {stays}." if stays else "")


def _written(manifest: Manifest, *, same: bool) -> str:
    posts = f"{manifest.counts.kept:,} posts"
    url, table = manifest.object.url, manifest.table
    where = url if table is None else f"the table {table.name}, as {url}"
    if same:
        return f"{url} holds these {posts} already; not written again."
    if manifest.replaced:
        was = manifest.replaced
        old = "an object that no run of this job wrote" if was.posts is None else f"{was.posts:,} posts"
        return f"Wrote {posts} to {where}, in place of {old} ({was.size:,} bytes)."
    return f"Wrote {posts} to {where} ({manifest.object.size:,} bytes)."
