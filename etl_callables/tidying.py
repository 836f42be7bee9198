"""Tidying: what runs of a window leave behind, removed once it is certain that none of them needs it.

Runs of one window may be at work at once. What an earlier one has fetched goes when a later one has
published; the earlier one then gives way, for the later one has asked the source after it.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Final

from etl_callables import raw
from etl_callables.announcement import announcement
from etl_callables.errors import Overtaken, RetryLater, Stop
from etl_callables.manifest import Manifest, manifest_key, read_manifest
from etl_callables.publishing import Place
from etl_callables.run import ABANDONED, REJECTED, Run
from etl_callables.store import Missing, Store
from etl_callables.transformation import read_staged

_AT_ONCE: Final = timedelta(minutes=1)
"""Runs that began within this may be in step with the one that cleans, and tidy up after themselves."""


def clean(
    store: Store, place: Place, folder: str, manifest: Manifest, run: Run, *, before: Manifest | None = None
) -> None:
    """Remove what this run made superfluous, once all is committed: it may fail without harm.

    That is its own staged file, that of a rejected run, which is over, others that are a day old (a younger
    one's run may be about to publish it), raw pages of earlier attempts that neither it nor such a run needs,
    its own where the job keeps none, and what was rejected before. Pages of an attempt of this very minute
    stay unless it is over, as that of `before`, the manifest that was there, is. Where another run has
    published meanwhile, all but its own is that one's to clean.
    """
    day_ago = raw.attempt_name(run.now() - ABANDONED)
    try:
        pages = [entry.key for entry in store.list(f"{folder}/raw")]
        rejected = [entry.key for entry in store.list(f"{folder}/{REJECTED}")]
        refused = rejected_manifest(store, folder) if rejected else None
        over = {one.attempt for one in (manifest, refused) if one}
        staged = [entry.key for entry in store.list(f"{folder}/staged")]
        old = [key for key in staged if (attempt := raw.attempt_of(key)) in over or attempt < day_ago]
        _unstage(store, old)
        # In this order: who has no staged file any more has written its manifest.
        kept = needed(store, [key for key in staged if key not in old])
        current = read_manifest(store, folder)
        if current is None:
            return
        kept |= _pages(store, current)
        latest = raw.attempt_of(manifest.raw.done)
        if current.attempt != manifest.attempt:
            store.delete(key for key in pages if raw.attempt_of(key) == latest and key not in kept)
            return
        store.delete(rejected)
        ended = {raw.attempt_of(one.raw.done) for one in (manifest, refused, before) if one}
        first = raw.attempt_name(run.now() - _AT_ONCE)
        # Where no page is kept, those that a killed try had fetched are over, too.
        read = set() if manifest.raw.expired is None else {*raw.read_done(store, manifest.raw.done).pages}
        gone = [
            key
            for key in pages
            if key not in kept
            and (key in read or (name := raw.attempt_of(key)) in ended or (name <= latest and name < first))
        ]
        if gone:
            # Somebody may have staged a file since; who does so from here on finds no pages and gives way.
            kept |= needed(store, [entry.key for entry in store.list(f"{folder}/staged")])
        store.delete(key for key in gone if key not in kept)
        store.sweep(folder)
        store.sweep_key(manifest.object.key)
        place.tidy(manifest)
    except Missing:
        return  # another run cleans as well
    except (RetryLater, Stop) as problem:
        run.log.warning("The object is published, but its leftovers could not be removed: %s", problem)


def clean_rejected(store: Store, folder: str, manifest: Manifest, before: Manifest | None) -> None:
    """Once a run is rejected, remove the posts of an earlier one that was, which `before` describes."""
    keep = {manifest.object.key, f"{folder}/{REJECTED}/manifest.json"}
    with suppress(RetryLater, Stop):
        store.delete([one.key for one in store.list(f"{folder}/{REJECTED}") if one.key not in keep])
        if before and before.attempt != manifest.attempt:
            _unstage(store, [entry.key for entry in store.list(f"{folder}/staged/{before.attempt}")])


def rejected_manifest(store: Store, folder: str) -> Manifest | None:
    """What describes the posts that were rejected last, None where there are none, or it cannot be read."""
    with suppress(RetryLater, Stop):
        return read_manifest(store, f"{folder}/{REJECTED}")
    return None


def give_way(store: Store, folder: str, attempt: str, done: str | None) -> None:
    """Raise Overtaken where another run has published a window since this one began.

    This run's attempt of transform is `attempt`, and it reads the pages that `done` lists, None where nobody
    knows. It is over then: what is its own is removed, but for pages that others took over.
    """
    manifest = read_manifest(store, folder)
    if manifest is None or manifest.attempt == attempt:
        return
    # Pages that both read were there before either began.
    began = attempt if done is None or done == manifest.raw.done else raw.attempt_of(done)
    if raw.attempt_name(manifest.finished) < began.partition("-")[0]:
        return
    with suppress(RetryLater, Stop):
        _unstage(store, [entry.key for entry in store.list(f"{folder}/staged/{attempt}")])
        if done is not None:
            kept = needed(store, [entry.key for entry in store.list(f"{folder}/staged")])
            kept |= _pages(store, manifest)
            mine = [entry.key for entry in store.list(done.rpartition("/")[0])]
            store.delete(key for key in mine if key not in kept)
    raise Overtaken(
        f"Another run has published this window since this one began: {manifest.counts.kept:,} posts in"
        f" {manifest.object.url}. This one gives way.",
        announcement(manifest, store.url(manifest_key(folder)), unchanged=True),
    )


def needed(store: Store, staged: Iterable[str]) -> set[str]:
    """The raw pages that staged files were made of, by the keys of these."""
    pages: set[str] = set()
    for key in staged:
        if key.endswith("/staged.json"):
            with suppress(Missing):  # its run has ended since
                done = read_staged(store, key).raw
                pages |= {done, *raw.read_done(store, done).pages}
    return pages


def _pages(store: Store, manifest: Manifest) -> set[str]:
    """The raw pages that a manifest keeps, and their list."""
    done = manifest.raw.done
    return {done} if manifest.raw.expired is not None else {done, *raw.read_done(store, done).pages}


def _unstage(store: Store, keys: Iterable[str]) -> None:
    # The file first: a staged.json without it is still understood.
    store.delete(sorted(keys, key=lambda key: key.endswith("/staged.json")))
