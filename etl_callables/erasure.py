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
from etl_callables.formats import UNREADABLE, read_file
from etl_callables.loading import counts_of, load
from etl_callables.manifest import (
    Left,
    Manifest,
    NamedElsewhere,
    Object,
    is_there,
    manifest_key,
    may_be_there,
    named_elsewhere,
    read_manifest,
    write_manifest,
)
from etl_callables.post import Post
from etl_callables.publishing import forget_history, withdraw
from etl_callables.quality import Found, assess_again
from etl_callables.recognition import Recognised, Recognition, Untold, written_columns
from etl_callables.restoration import as_it_was
from etl_callables.rewriting import as_rows_say, rewrite
from etl_callables.run import REJECTED, STATE, Run, object_key
from etl_callables.sources import source_for
from etl_callables.store import Missing, Store
from etl_callables.transformation import Staged, read_staged, transform
from schemas.job import Job
from schemas.window import Window

_DEPTH: Final = 3
"""Names in the path of a window's folder: `_trawl`, the job, the window."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Where something to be forgotten is: a window's folder, and how many posts of it.

    `earlier` are the addresses of objects of that window under earlier keys, which go whole. `untold` says
    why nobody can tell whether it has more, empty where that is certain.
    """

    folder: str
    posts: int
    earlier: tuple[str, ...] = ()
    untold: str = ""


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
            posts, untold = self._posts_in(folder, forgotten, named)
            if posts or untold or folder in forgotten.pending:
                going = (thing for thing in self._earlier(folder) if not named(thing.key, folder))
                urls = tuple(self.store.url(thing.key) for thing in going)
                found.append(Trace(folder, posts, urls, untold))
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

    def _posts_in(self, folder: str, forgotten: Forgotten, named: NamedElsewhere) -> tuple[int, str]:
        """How many posts of the subjects a window has, and why there may be more, if so.

        Looked for in raw pages, its object and what earlier keys gave.
        """
        count, untold = len(self._in_pages(folder, forgotten)), ""
        manifest, published = read_manifest(self.store, folder), self._published(folder, named)
        if published is not None and not self._can_be_made_again(folder, published):
            _, seen = self._seen(published, self._recognition(forgotten))
            count, untold = max(count, sum(seen.hits)), seen.why
        if not count and manifest is not None:
            lefts = (self._posts_left(manifest, left, forgotten) for left in manifest.left)
            count = max(lefts, default=0)
        return count, untold

    def _in_pages(self, folder: str, forgotten: Forgotten) -> set[tuple[str, str]]:
        """The posts of the subjects in the raw pages of a window, each by its platform and id."""
        found = set()
        for page in raw.read_pages(self.store, self._pages(folder)):
            source = source_for(page.envelope.source, page.envelope.via)
            items = (item for body in page.bodies for item in source.posts(body, self.run.now()))
            found |= {item[:2] for item in items if isinstance(item, Post) and forgotten.knows(item)}
        return found

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

    def _posts_left(self, manifest: Manifest, left: Left, forgotten: Forgotten) -> int:
        """The same of an object of an earlier key; what does not tell, or cannot be read, counts as one."""
        try:
            if not is_there(self.store, left.object):
                return 0
        except Stop:
            return 1
        then = msgspec.structs.replace(manifest, object=left.object, privacy=left.privacy)
        _, seen = self._seen(then, self._recognition(forgotten))
        return max(sum(seen.hits), bool(seen.untold))

    def _rid(self, folder: str, forgotten: Forgotten, named: NamedElsewhere) -> str:
        """Take the subjects out of a window; what a person has to do about it, if anything."""
        in_pages = self._in_pages(folder, forgotten)
        whole = self._scrub_pages(folder, forgotten)
        manifest = self._published(folder, named)
        problem = ""
        if manifest is None:
            if whole:
                self._tell_again(folder)
        elif whole and self._can_be_made_again(folder, manifest):
            self._make_again(folder, manifest)
        else:
            problem = self._filter(folder, manifest, forgotten, in_pages)
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

    def _make_again(self, folder: str, manifest: Manifest) -> None:
        """The object, from raw pages that are rid of the subjects."""
        job, window, run = self._of(manifest)
        self._publish(folder, manifest, job, transform(job, window, run, {"raw": manifest.raw.done}))

    def _publish(self, folder: str, before: Manifest, job: Job, transformed: dict[str, Any]) -> None:
        """Put a staged file in its object's place, and have manifest and `done.json` tell of that alone."""
        _, window, run = self._of(before)
        staged = read_staged(self.store, transformed["staged"])
        load(replace(job, quality=None), window, run, transformed)
        forget_history(job, self.store, run)
        latest = read_manifest(self.store, folder)
        if latest is not None and latest.attempt != before.attempt:
            # As old as it was: to forget somebody keeps the others no longer. Nor do old pages come back.
            pages = msgspec.structs.replace(latest.raw, expired=latest.raw.expired or before.raw.expired)
            aged = msgspec.structs.replace(latest, finished=before.finished, raw=pages)
            write_manifest(self.store, folder, self._judged(aged, before, job, staged))
        self._retell(folder, staged)

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
        write_manifest(self.store, folder, self._judged(told, manifest, job, staged))
        self._retell(folder, staged)

    def _judged(self, manifest: Manifest, before: Manifest, job: Job, staged: Staged) -> Manifest:
        """A manifest with what still stands of how its run was judged."""
        if before.quality is None:
            return manifest
        found = Found(staged.kept, staged.last_post, staged.measured)
        window = Window(before.start, before.end)
        quality = assess_again(job.quality, window, found, before.quality)
        return msgspec.structs.replace(manifest, quality=quality)

    def _retell(self, folder: str, staged: Staged) -> None:
        """Have what closes the pages' attempt tell of no other posts than those that are left."""
        done = raw.read_done(self.store, staged.raw)
        told = msgspec.structs.replace(done, first_post=staged.first_post, last_post=staged.last_post)
        if told != done:
            raw.write_done(self.store, folder, raw.attempt_of(staged.raw), told)

    def _of(self, manifest: Manifest) -> tuple[Job, Window, Run]:
        """What wrote an object."""
        job = as_it_was(self.job, manifest)
        run = replace(self.run, id=manifest.run, variant=manifest.variant)
        return job, Window(manifest.start, manifest.end), run

    def _filter(
        self, folder: str, manifest: Manifest, forgotten: Forgotten, in_pages: Collection[tuple[str, str]]
    ) -> str:
        """Write the object anew without rows of the subjects, from itself.

        What a person has to do about it, if anything. `in_pages` are posts of them that its raw pages had.
        """
        recognition = self._recognition(forgotten)
        table, seen = self._seen(manifest, recognition)
        if seen.untold and in_pages and self._can_be_made_again(folder, manifest):
            # The pages go, for they cannot be parted; but they have told.
            posts = [Subject("post", name) for _, name in in_pages]
            told = self._seen(manifest, replace(recognition, subjects=posts))[1]
            seen = seen if told.untold else told
        columns = written_columns(manifest, self.job)
        if table is not None and columns is not None and (any(seen.hits) or not seen.untold):
            job, window, run = self._of(manifest)
            job = as_rows_say(job, manifest, columns)
            staged = rewrite(job, window, run, manifest, table=table, gone=seen.hits)
            self._publish(folder, manifest, job, staged)
        if not seen.untold:
            return ""
        told_by = self.store.url(manifest_key(folder))
        return (
            f"{manifest.object.url} (its manifest: {told_by}) may have their posts still: {seen.why}, and its"
            f" raw pages are gone: {', '.join([*seen.todo, 'delete it, or run that window again'])}"
        )

    def _recognition(self, forgotten: Forgotten) -> Recognition:
        return Recognition(self.job, self.run, self.subjects, forgotten)

    def _seen(self, manifest: Manifest, recognition: Recognition) -> tuple[pa.Table | None, Recognised]:
        """The rows of an object, and which of them are of the subjects; None where it is gone or damaged."""
        try:
            with self.store.open(manifest.object.key) as source:
                table = read_file(source, manifest.object.format, manifest.object.compression)
            return table, recognition.rows(manifest, table)
        except Missing:
            return None, Recognised()
        except UNREADABLE as problem:
            why = f"it is damaged ({' '.join(str(problem).split())})"
            return None, Recognised(untold=(Untold(why, "put an earlier version of it back"),))
