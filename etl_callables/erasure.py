"""Erasure: what a job is to forget, found in its windows and taken out of each.

First the windows are noted (`Forgotten.pending`), then each is rid of it: raw pages, then the object, made
again from them or, where they are gone, from itself. Killed anywhere, the next time finishes it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
import pyarrow as pa

from etl_callables import raw
from etl_callables.errors import Stop
from etl_callables.forgetting import Forgotten, Subject, Unparted, noted, scrub, write
from etl_callables.formats import read_file, write_file
from etl_callables.loading import counts_of, load
from etl_callables.manifest import (
    Left,
    Manifest,
    NamedElsewhere,
    Object,
    is_there,
    may_be_there,
    named_elsewhere,
    read_manifest,
    write_manifest,
)
from etl_callables.post import Post
from etl_callables.privacy import pseudonyms_of
from etl_callables.publishing import forget_history, withdraw
from etl_callables.restoration import as_it_was
from etl_callables.run import REJECTED, STATE, Run, object_key
from etl_callables.scratch import scratch
from etl_callables.sources import PLATFORMS, source_for
from etl_callables.store import Store
from etl_callables.table import pc
from etl_callables.transformation import Staged, file_format, file_schema, read_staged, transform
from schemas.job import Job
from schemas.window import Window

_DEPTH: Final = 3
"""Names in the path of a window's folder: `_trawl`, the job, the window."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Where something to be forgotten is: a window's folder, and how many posts of it.

    `earlier` are the addresses of objects of that window under earlier keys, which go whole. `untold` is
    whether nothing that is left of the window tells whose its posts are: then `posts` is no count.
    """

    folder: str
    posts: int
    earlier: tuple[str, ...] = ()
    untold: bool = False


@dataclass(frozen=True, slots=True)
class Erased:
    """What became of a window: `posts` are out of it; `problem` says what a person has to do, if anything."""

    folder: str
    posts: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Erasure:
    """Subjects that a job is to forget, in its bucket."""

    store: Store
    job: Job
    subjects: Collection[Subject]
    run: Run

    def traces(self) -> list[Trace]:
        """Where the subjects are in what the job has written, pages and objects; nothing is changed."""
        forgotten = self._noted()
        found = []
        named = named_elsewhere(self.store, self.job.id)
        for folder in self._folders():
            posts = self._posts_in(folder, forgotten, named)
            if posts or folder in forgotten.pending:
                going = (thing for thing in self._earlier(folder) if not named(thing.key, folder))
                urls = tuple(self.store.url(thing.key) for thing in going)
                found.append(Trace(folder, posts, urls, self._is_untold(folder, named)))
        return found

    def has_written(self) -> bool:
        """Whether the job has written anything to its bucket."""
        return bool(self._folders())

    def erase(self, found: Iterable[Trace]) -> list[Erased]:
        """Take the subjects out of the windows in which they were found, and keep them out from now on.

        Raises RetryLater and Stop; what was done until then is done, and the rest is pending.
        """
        posts = {trace.folder: trace.posts for trace in found}
        forgotten = self._noted()
        forgotten = msgspec.structs.replace(forgotten, pending=tuple(sorted({*forgotten.pending, *posts})))
        write(self.store, self.job, forgotten)  # first, so that no run brings it back meanwhile
        done = []
        named = named_elsewhere(self.store, self.job.id)
        for folder in forgotten.pending:
            problems = [self._rid(folder, forgotten, named), *self._remove_left(folder, named)]
            erased = Erased(folder, posts.get(folder, 0), "; ".join(filter(None, problems)))
            done.append(erased)
            forgotten = self._counted(forgotten, erased)
            write(self.store, self.job, forgotten)
        return done

    def _noted(self) -> Forgotten:
        return noted(self.store, self.job, self.subjects, self.run.now())

    def _counted(self, forgotten: Forgotten, erased: Erased) -> Forgotten:
        """The audit with one window more. Of several subjects at once, each has the count of all."""
        digests = {forgotten.digest(one) for one in self.subjects}
        entries = tuple(
            msgspec.structs.replace(
                entry, windows=entry.windows + bool(erased.posts), posts=entry.posts + erased.posts
            )
            if entry.digest in digests
            else entry
            for entry in forgotten.entries
        )
        pending = tuple(one for one in forgotten.pending if one != erased.folder or erased.problem)
        return msgspec.structs.replace(forgotten, entries=entries, pending=pending)

    def _folders(self) -> list[str]:
        keys = (entry.key.split("/") for entry in self.store.list(f"{STATE}/{self.job.id}"))
        return sorted({"/".join(parts[:_DEPTH]) for parts in keys if len(parts) > _DEPTH and "_" in parts[2]})

    def _pages(self, folder: str) -> list[str]:
        listed = self.store.list(f"{folder}/raw")
        return [entry.key for entry in listed if not entry.key.endswith("/done.json")]

    def _published(self, folder: str, named: NamedElsewhere) -> Manifest | None:
        """The manifest of a window whose object is there and its own: not what a newer window wrote."""
        manifest = read_manifest(self.store, folder)
        if manifest is None or manifest.expired is not None:
            return None
        key = manifest.object.key
        # Where today's key is another each window is written under that, for the old object has to go.
        is_todays = key == object_key(*self._of(manifest))
        return None if is_todays and named(key, folder, after=manifest.finished) else manifest

    def _can_be_made_again(self, folder: str, manifest: Manifest) -> bool:
        """Whether the pages of an object are there; others may be, of runs that published nothing."""
        pages = set(raw.read_done(self.store, manifest.raw.done).pages)
        return bool(pages) and pages <= set(self._pages(folder))

    def _posts_in(self, folder: str, forgotten: Forgotten, named: NamedElsewhere) -> int:
        """How many posts of the subjects a window has: in raw pages, its object or what earlier keys gave."""
        pages = self._pages(folder)
        found: set[tuple[object, ...]] = set()
        for page in raw.read_pages(self.store, pages):
            source = source_for(page.envelope.source, page.envelope.via)
            items = (item for body in page.bodies for item in source.posts(body, self.run.now()))
            found.update(item[:2] for item in items if isinstance(item, Post) and forgotten.knows(item))
        manifest, published = read_manifest(self.store, folder), self._published(folder, named)
        count = len(found)
        if published is not None and not self._can_be_made_again(folder, published):
            table = self._object(published)
            mask = self._mask(published, table)
            # Where the columns do not tell, the window counts as one, so that whoever erases says so.
            count = max(count, min(1, table.num_rows) if mask is None else sum(mask))
        lefts = () if count or manifest is None else manifest.left
        return count or max((self._posts_left(manifest, left) for left in lefts if manifest), default=0)

    def _is_untold(self, folder: str, named: NamedElsewhere) -> bool:
        """Whether what is left of a window does not tell whose its posts are."""
        manifest = self._published(folder, named)
        if manifest is None or self._can_be_made_again(folder, manifest):
            return False
        fields = {column.field for column in self.job.columns}
        return any(fields.isdisjoint(_TELLING[subject.kind]) for subject in self.subjects)

    def _earlier(self, folder: str) -> list[Object]:
        """What earlier keys gave of a window, the object of its manifest too if today's key is another."""
        manifest = read_manifest(self.store, folder)
        if manifest is None:
            return []
        earlier = [left.object for left in manifest.left]
        there = manifest.object.key if manifest.table is None else manifest.table.key
        if manifest.expired is None and there != object_key(*self._of(manifest)):
            earlier.append(manifest.object)
        return [thing for thing in earlier if may_be_there(self.store, thing)]

    def _posts_left(self, manifest: Manifest, left: Left) -> int:
        """The same of an object of an earlier key; what does not tell, or cannot be read, counts as one."""
        try:
            if not is_there(self.store, left.object):
                return 0
            then = msgspec.structs.replace(manifest, object=left.object, privacy=left.privacy)
            table = self._object(then)
            mask = self._mask(then, table)
        except Stop:
            return 1
        return min(1, table.num_rows) if mask is None else sum(mask)

    def _rid(self, folder: str, forgotten: Forgotten, named: NamedElsewhere) -> str:
        """Take the subjects out of a window; what a person has to do about it, if anything."""
        whole = self._scrub_pages(folder, forgotten)
        manifest = self._published(folder, named)
        problem = ""
        if manifest is None:
            if whole:
                self._tell_again(folder)
        else:
            if whole and self._can_be_made_again(folder, manifest):
                self._make_again(manifest)
            else:
                problem = self._filter(folder, manifest)
            self._keep_age(folder, manifest)
        if not whole:
            self._drop_pages(folder)
        leftovers = [*self.store.list(f"{folder}/staged"), *self.store.list(f"{folder}/{REJECTED}")]
        self.store.delete([entry.key for entry in leftovers])
        return problem

    def _remove_left(self, folder: str, named: NamedElsewhere) -> list[str]:
        """Remove what earlier keys gave, whole; what a person has to do about it, if anything.

        What another window or job has written there since is that one's.
        """
        manifest = read_manifest(self.store, folder)
        if manifest is None or not manifest.left:
            return []
        stay, problems = [], []
        for left in manifest.left:
            key = left.object.key
            try:
                if is_there(self.store, left.object) and not named(key, folder):
                    shown = msgspec.structs.replace(manifest, object=left.object, table=left.table)
                    withdraw(self.job, self.store, self.run, shown)
                    self.store.delete([key])
            except Stop as problem:
                stay.append(left)
                said = "was written under an earlier key and may have their posts still"
                problems.append(f"{self.store.url(key)} {said}: {problem}")
        write_manifest(self.store, folder, msgspec.structs.replace(manifest, left=tuple(stay)))
        return problems

    def _scrub_pages(self, folder: str, forgotten: Forgotten) -> bool:
        """Write pages anew without what is to be forgotten; False where one would lose other posts by it."""
        for name in self._pages(folder):
            page = raw.read_page(self.store, name)
            source = source_for(page.envelope.source, page.envelope.via)
            try:
                bodies, gone = scrub(source, page.bodies, forgotten.knows, self.run.now())
            except Unparted:
                return False
            if gone:
                raw.rewrite_page(self.store, name, page.envelope, bodies)
        return True

    def _drop_pages(self, folder: str) -> None:
        manifest = read_manifest(self.store, folder)
        if manifest is not None:
            gone = msgspec.structs.replace(manifest.raw, expired=self.run.now())
            write_manifest(self.store, folder, msgspec.structs.replace(manifest, raw=gone))
        self.store.delete(self._pages(folder))

    def _make_again(self, manifest: Manifest) -> None:
        """The object, from raw pages that are rid of the subjects."""
        job, window, run = self._of(manifest)
        load(job, window, run, transform(job, window, run, {"raw": manifest.raw.done}))
        forget_history(job, self.store, run)

    def _tell_again(self, folder: str) -> None:
        """Have a manifest tell of its pages, rid of the subjects, where the object is a newer window's."""
        manifest = read_manifest(self.store, folder)
        if manifest is None or not self._can_be_made_again(folder, manifest):
            return
        job, window, run = self._of(manifest)
        transformed = transform(job, window, run, {"raw": manifest.raw.done})
        staged = read_staged(self.store, transformed["staged"])
        pages = msgspec.structs.replace(manifest.raw, sha256=staged.raw_sha256)
        first, last = staged.first_post, staged.last_post
        counts = counts_of(staged)
        told = msgspec.structs.replace(manifest, counts=counts, raw=pages, first_post=first, last_post=last)
        write_manifest(self.store, folder, told)

    def _keep_age(self, folder: str, before: Manifest) -> None:
        """What is written anew is as old as it was: to forget somebody keeps the others no longer.

        Nor do pages that grew too old come back.
        """
        latest = read_manifest(self.store, folder)
        if latest is not None and latest.attempt != before.attempt:
            gone = latest.raw.expired or before.raw.expired
            pages = msgspec.structs.replace(latest.raw, expired=gone)
            aged = msgspec.structs.replace(latest, finished=before.finished, raw=pages)
            write_manifest(self.store, folder, aged)

    def _of(self, manifest: Manifest) -> tuple[Job, Window, Run]:
        """What wrote an object. Nothing is expected of it: that it has fewer posts now is no surprise."""
        job = replace(as_it_was(self.job, manifest), quality=None)
        run = replace(self.run, id=manifest.run, variant=manifest.variant)
        return job, Window(manifest.start, manifest.end), run

    def _filter(self, folder: str, manifest: Manifest) -> str:
        """Write the object anew without rows of the subjects, from itself."""
        table = self._object(manifest)
        mask = self._mask(manifest, table)
        if mask is None:
            return (
                f"{manifest.object.url} has no column that tells whose its posts are, and its raw pages are"
                " gone: delete it, or run that window again"
            )
        left = table.filter(pa.array([not hit for hit in mask], pa.bool_()))
        job, _, run = self._of(manifest)
        form = file_format(job)  # its key may have another suffix today
        if form == "parquet":
            left = left.cast(file_schema(job, self.store, run))  # which calls the parts of lists otherwise
        place = f"{folder}/staged/{raw.new_attempt(self.run.now())}"
        name = f"{place}/{manifest.object.key.rpartition('/')[2]}"
        with scratch() as local:
            encoded = write_file(local / "object", form, job.compression, left.schema, left.to_batches())
            self.store.put(local / "object", name)
        staged = self._staged(manifest, name, sum(mask), size=encoded.size, sha256=encoded.sha256)
        self.store.write(f"{place}/staged.json", msgspec.json.encode(staged))
        load(*self._of(manifest), {"staged": f"{place}/staged.json"})
        forget_history(self.job, self.store, self.run)
        return ""

    def _staged(self, manifest: Manifest, key: str, gone: int, *, size: int, sha256: str) -> Staged:
        counts = manifest.counts
        return Staged(
            key=key,
            size=size,
            sha256=sha256,
            format=file_format(self.job),
            compression=self.job.compression,
            columns=manifest.object.columns,
            fetched=counts.fetched - gone,
            kept=counts.kept - gone,
            duplicate=counts.duplicate,
            outside_window=counts.outside_window,
            over_limit=counts.over_limit,
            skipped=counts.skipped,
            mended=counts.mended,
            first_post=manifest.first_post,
            last_post=manifest.last_post,
            raw=manifest.raw.done,
            started=self.run.now(),
            finished=self.run.now(),
            privacy=manifest.privacy,
        )

    def _object(self, manifest: Manifest) -> pa.Table:
        with self.store.open(manifest.object.key) as source:
            return read_file(source, manifest.object.format, manifest.object.compression)

    def _mask(self, manifest: Manifest, table: pa.Table) -> list[bool] | None:
        """Which rows are of the subjects; None where the columns do not tell."""
        headers = {column.field: column.header for column in self.job.columns}
        if tuple(headers.values()) != manifest.object.columns:
            raise Stop(
                f"{manifest.object.url} has other columns than {self.job.file} says today, so that nobody"
                " knows what they are: put the columns back as they were, forget, and change them again."
            )
        wanted: dict[str, set[str]] = {}
        for subject in self.subjects:
            told = [field for field in _TELLING[subject.kind] if field in headers]
            if not told:
                return None
            for field in told:
                wanted.setdefault(field, set()).add(subject.value)
        mask = [False] * table.num_rows
        for field, values in wanted.items():
            column = _texts(table[headers[field]])
            if manifest.privacy and field in manifest.privacy.pseudonymised:
                # An archive holds posts of any platform, and the columns may not say of which.
                known = pseudonyms_of(self.job, self.run, field, values, PLATFORMS)
                hits = [value in known for value in column]
            elif field == "author":
                known = {_handle(value) for value in values}
                hits = [value is not None and _handle(value) in known for value in column]
            else:
                hits = [value in values for value in column]
            mask = [hit or other for hit, other in zip(hits, mask, strict=True)]
        return mask


_TELLING: Final = {"post": ("id",), "author": ("author", "author_id")}


def _texts(column: Any) -> list[str | None]:
    texts: list[str | None] = pc.cast(column, pa.string()).to_pylist()
    return texts


def _handle(name: str) -> str:
    return name.removeprefix("@").casefold()
