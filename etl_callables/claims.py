"""Claims: which window of a job an object is of, and where a window's is to be.

Windows of one job may share a key, as of a job that takes its whole range each time: the object is that of
the run that finished last, under the key of then and under the one of today.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache

import msgspec

from etl_callables.manifest import (
    Left,
    Manifest,
    NamedElsewhere,
    Object,
    list_manifests,
    may_be_there,
    named_elsewhere,
    read_manifest,
    write_manifest,
)
from etl_callables.restoration import as_it_was
from etl_callables.run import STATE, Run, has_table, object_key
from etl_callables.store import Store
from schemas.job import Job
from schemas.key import TABLE
from schemas.window import Window


@dataclass(frozen=True, slots=True)
class Claims:
    """What a job's manifests say of its keys; they are read when first asked."""

    store: Store
    job: Job
    run: Run
    named: NamedElsewhere
    newest: Callable[[], Mapping[str, datetime]]
    """When the last of the windows was finished that have a key by the job of today."""

    def published(self, folder: str) -> Manifest | None:
        """The manifest of a window whose object is there and its own: not what a newer window wrote."""
        manifest = read_manifest(self.store, folder)
        if manifest is None:
            return None
        if manifest.expired is not None and not may_be_there(self.store, manifest.object):
            return None
        return None if self.named(manifest.object.key, folder, after=manifest.finished) else manifest

    def maker(self, manifest: Manifest) -> tuple[Job, Window, Run]:
        """What is to write a window's object anew: the job as it was asked then, with the key of today.

        It keeps its key where today's is that of a newer window.
        """
        job, window, run = _asked(self.job, self.run, manifest)
        key = object_key(job, window, run)
        if (
            has_table(job, run)
            or key == _place(manifest)
            or self.newest().get(key, manifest.finished) <= manifest.finished
        ):
            return job, window, run
        form = manifest.object.format if manifest.table is None else TABLE
        compression = manifest.object.compression
        return replace(job, key=_place(manifest), format=form, compression=compression), window, run

    def earlier(self, folder: str) -> list[Object]:
        """What is to go whole: what earlier keys gave of a window, its object too if its key is to change."""
        manifest = read_manifest(self.store, folder)
        if manifest is None:
            return []
        found = [(left.object, left.finished) for left in manifest.left]
        if self.published(folder) is not None and _place(manifest) != object_key(*self.maker(manifest)):
            found.append((manifest.object, manifest.finished))
        return [
            thing
            for thing, finished in found
            if may_be_there(self.store, thing) and not self.named(thing.key, folder, since=finished)
        ]

    def unnamed(self, folder: str) -> str | None:
        """The address of what is where the object of a window without a manifest is to be, if anything is."""
        name, _, variant = folder.rpartition("/")[2].partition("~")
        try:
            window = Window.parse(name)
        except ValueError:  # a folder that somebody else has put there
            return None
        run = replace(self.run, variant=variant)
        key = object_key(self.job, window, run)
        if has_table(self.job, run):
            key = f"{key}/data/{window}"
            there = any(self.store.list(key))
        else:
            there = self.store.size(key) is not None and not self.named(key, folder)
        return self.store.url(key) if there and read_manifest(self.store, folder) is None else None

    def hand_over(self, left: Left, to: Object) -> None:
        """Have older windows that shared an object of an earlier key name the one that took its place."""
        for other in list_manifests(self.store, self.job.id):
            is_older = other.expired is None and other.finished <= left.finished
            if is_older and other.object.key == left.object.key:
                thing = msgspec.structs.replace(other.object, key=to.key, url=to.url)
                variant = f"~{other.variant}" if other.variant else ""
                folder = f"{STATE}/{self.job.id}/{other.window}{variant}"
                write_manifest(self.store, folder, msgspec.structs.replace(other, object=thing))


def claims_of(job: Job, store: Store, run: Run) -> Claims:
    """What the manifests of a job say of its keys."""

    @cache
    def newest() -> dict[str, datetime]:
        found: dict[str, datetime] = {}
        for manifest in list_manifests(store, job.id):
            if manifest.expired is None:
                key = object_key(*_asked(job, run, manifest))
                found[key] = max(manifest.finished, found.get(key, manifest.finished))
        return found

    return Claims(store, job, run, named_elsewhere(store, job.id), newest)


def _asked(job: Job, run: Run, manifest: Manifest) -> tuple[Job, Window, Run]:
    own = replace(run, id=manifest.run, variant=manifest.variant)
    return as_it_was(job, manifest), Window(manifest.start, manifest.end), own


def _place(manifest: Manifest) -> str:
    """The key of an object, or of the table that shows it."""
    return manifest.object.key if manifest.table is None else manifest.table.key
