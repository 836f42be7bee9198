"""Erasure: what a job is to forget, found in its windows and taken out of each.

First the windows are noted (`Forgotten.pending`), then each is rid of it: raw pages, then the object, made
again from them or, where they are gone, from itself. Killed anywhere, the next time finishes it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import msgspec
import pyarrow as pa

from etl_callables import memory, raw
from etl_callables.claims import Claims, claims_of
from etl_callables.errors import Stop
from etl_callables.forgetting import Forgotten, Subject, Unparted, found_in, noted, scrub, write
from etl_callables.formats import UNREADABLE, read_file
from etl_callables.loading import counts_of, load
from etl_callables.manifest import (
    Manifest,
    is_there,
    manifest_key,
    may_be_there,
    read_manifest,
    write_manifest,
)
from etl_callables.publishing import forget_history, strays, withdraw
from etl_callables.quality import Found, assess_again
from etl_callables.recognition import Recognised, Recognition, Untold, written_columns
from etl_callables.rewriting import as_rows_say, rewrite
from etl_callables.run import REJECTED, STATE, Run
from etl_callables.sources import source_for
from etl_callables.store import Missing, Store
from etl_callables.tidying import rejected_manifest
from etl_callables.transformation import Staged, read_staged, transform
from schemas.job import Job
from schemas.window import Window

_DEPTH: Final = 3
"""Names in the path of a window's folder: `_trawl`, the job, the window."""


_UNNAMED: Final = "an object is there without a manifest, as of a run that was killed"

Maker = tuple[Job, Window, Run]
"""What writes an object."""


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
        claims = claims_of(self.job, self.store, self.run)
        for folder in self._folders():
            posts, untold = self._posts_in(folder, forgotten, claims)
            if posts or untold or folder in forgotten.pending:
                urls = tuple(self.store.url(thing.key) for thing in claims.earlier(folder))
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
        forgotten = self._noted().begun(self.subjects, posts)
        write(self.store, self.job, forgotten)  # first, so that no run brings it back meanwhile
        self._drop_from_memory((), forgotten)
        done = []
        claims = claims_of(self.job, self.store, self.run)
        # Older ones first: an object that several shared goes on as the newest one's, the others' then too.
        for folder in sorted(forgotten.pending, key=self._finished):
            problems = [self._rid(folder, forgotten, claims), *self._remove_left(folder, claims)]
            erased = Erased(folder, posts.get(folder, 0), "; ".join(filter(None, problems)))
            done.append(erased)
            forgotten = forgotten.ended(self.subjects, folder, erased.posts, rid=not erased.problem)
            write(self.store, self.job, forgotten)
        if self.has_written():
            # Its past may have rows of them that a run has replaced since, of which nothing else tells.
            forget_history(self.job, self.store, self.run)
        return done

    def _noted(self) -> Forgotten:
        return noted(self.store, self.job, self.subjects, self.run.now())

    def _finished(self, folder: str) -> datetime:
        manifest = read_manifest(self.store, folder)
        return self.run.now() if manifest is None else manifest.finished

    def _folders(self) -> list[str]:
        keys = (entry.key.split("/") for entry in self.store.list(f"{STATE}/{self.job.id}"))
        return sorted({"/".join(parts[:_DEPTH]) for parts in keys if len(parts) > _DEPTH and "_" in parts[2]})

    def _pages(self, folder: str) -> list[str]:
        listed = self.store.list(f"{folder}/raw")
        return [entry.key for entry in listed if not entry.key.endswith("/done.json")]

    def _can_be_made_again(self, folder: str, manifest: Manifest) -> bool:
        """Whether the pages of an object are there; others may be, of runs that published nothing."""
        pages = set(raw.read_done(self.store, manifest.raw.done).pages)
        return bool(pages) and pages <= set(self._pages(folder))

    def _posts_in(self, folder: str, forgotten: Forgotten, claims: Claims) -> tuple[int, str]:
        """How many posts of the subjects a window has, and why there may be more, if so.

        Looked for in raw pages, its object and what earlier keys gave.
        """
        count, untold = len(self._in_pages(folder, forgotten)), ""
        manifest, published = read_manifest(self.store, folder), claims.published(folder)
        if published is not None and not self._can_be_made_again(folder, published):
            _, seen = self._seen(published, self._recognition(folder, forgotten))
            count, untold = max(count, sum(seen.hits)), seen.why
        if not count and not untold:
            count = max(self._posts_aside(folder, manifest, forgotten), default=0)
        if manifest is None and not self._pages(folder) and claims.unnamed(folder):
            untold = _UNNAMED
        return count, untold

    def _in_pages(self, folder: str, forgotten: Forgotten) -> set[tuple[str, str]]:
        """The posts of the subjects in the raw pages of a window, each by its platform and id."""
        found: set[tuple[str, str]] = set()
        for page in raw.read_pages(self.store, self._pages(folder)):
            source = source_for(page.envelope.source, page.envelope.via)
            found |= found_in(source, page.bodies, forgotten.knows, self.run.now())
        return found

    def _posts_aside(self, folder: str, manifest: Manifest | None, forgotten: Forgotten) -> Iterator[int]:
        """The same of each object that is to go whole, of an earlier key or rejected.

        What does not tell, or cannot be read, has one.
        """
        if manifest is not None:
            for left in manifest.left:
                if may_be_there(self.store, left.object):
                    then = msgspec.structs.replace(manifest, object=left.object, privacy=left.privacy)
                    yield self._posts_or_one(folder, then, forgotten)
        if any(self.store.list(f"{folder}/{REJECTED}")):
            refused = rejected_manifest(self.store, folder)
            yield 1 if refused is None else self._posts_or_one(folder, refused, forgotten)

    def _posts_or_one(self, folder: str, manifest: Manifest, forgotten: Forgotten) -> int:
        try:
            _, seen = self._seen(manifest, self._recognition(folder, forgotten))
        except Stop:  # it is not to be read from here, as where its key is no more the job's
            return 1
        return max(sum(seen.hits), bool(seen.untold))

    def _rid(self, folder: str, forgotten: Forgotten, claims: Claims) -> str:
        """Take the subjects out of a window; what a person has to do about it, if anything."""
        told = self._told_by_pages(folder, forgotten)
        self._drop_from_memory({post.value for post in told}, forgotten)
        whole = self._scrub_pages(folder, forgotten)
        manifest = claims.published(folder)
        problem = ""
        if manifest is None:
            if whole:
                self._tell_again(folder, claims)
            if url := claims.unnamed(folder):
                problem = f"{url} may have their posts still: {_UNNAMED}: run that window again, or delete it"
        elif whole and self._can_be_made_again(folder, manifest):
            self._make_again(folder, manifest, claims.maker(manifest))
        else:
            recognition = self._recognition(folder, forgotten)
            if told and self._can_be_made_again(folder, manifest):
                # The pages are to go, for they cannot be parted; but they have told which posts it is about.
                by_id = replace(recognition, subjects=told, waiting=())
                recognition = recognition if self._seen(manifest, by_id)[1].untold else by_id
            problem = self._filter(folder, manifest, claims.maker(manifest), recognition)
        if not whole:
            self._drop_pages(folder)
        leftovers = [*self.store.list(f"{folder}/staged"), *self.store.list(f"{folder}/{REJECTED}")]
        self.store.delete([entry.key for entry in leftovers])
        return problem or self._strays(folder, claims)

    def _strays(self, folder: str, claims: Claims) -> str:
        """What a person has to do about files that no table shows and a run may be about to publish."""
        manifest = claims.published(folder)
        if manifest is None:
            return ""
        job, _, run = claims.maker(manifest)
        urls = [self.store.url(key) for key in strays(self.store, job, run, manifest)]
        why = "a run was killed that wrote this, or goes on: forget again in a day"
        return f"{', '.join(urls)} may have their posts still: {why}" if urls else ""

    def _remove_left(self, folder: str, claims: Claims) -> list[str]:
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
                if is_there(self.store, left.object) and not claims.named(key, folder, since=left.finished):
                    shown = msgspec.structs.replace(manifest, object=left.object, table=left.table)
                    withdraw(self.job, self.store, self.run, shown)
                    claims.hand_over(left, manifest.object)
                    self.store.delete([key])
            except Stop as problem:
                stay.append(left)
                said = "was written under an earlier key and may have their posts still"
                problems.append(f"{self.store.url(key)} {said}: {problem}")
        write_manifest(self.store, folder, msgspec.structs.replace(manifest, left=tuple(stay)))
        return problems

    def _drop_from_memory(self, names: Collection[str], forgotten: Forgotten) -> None:
        """Have a job of a source without a past remember no post of the subjects, nor that runs met it."""
        known = memory.recall(self.store, self.job)
        digests = forgotten.digests

        def stays(name: str) -> bool:
            return name not in names and forgotten.digest(Subject("post", name)) not in digests

        claimed = {name: window for name, window in known.claimed.items() if stays(name)}
        if len(claimed) == len(known.claimed):
            return
        for entry in self.store.list(f"{STATE}/{self.job.id}"):
            if entry.key.endswith("/done.json"):
                done = raw.read_done(self.store, entry.key)
                left = tuple(filter(stays, done.taken))
                if left != done.taken:
                    folder, attempt = entry.key.partition("/raw/")[0], raw.attempt_of(entry.key)
                    raw.write_done(self.store, folder, attempt, msgspec.structs.replace(done, taken=left))
        memory.remember(self.store, self.job, msgspec.structs.replace(known, claimed=claimed))

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

    def _make_again(self, folder: str, manifest: Manifest, maker: Maker) -> None:
        """The object, from raw pages that are rid of the subjects."""
        self._publish(folder, manifest, maker, transform(*maker, {"raw": manifest.raw.done}))

    def _publish(self, folder: str, before: Manifest, maker: Maker, transformed: dict[str, Any]) -> None:
        """Put a staged file in its object's place, and have manifest and `done.json` tell of that alone."""
        job, window, run = maker
        staged = read_staged(self.store, transformed["staged"])

        def mended(manifest: Manifest) -> Manifest:
            # As old as it was: to forget somebody keeps the others no longer. Nor do old pages come back.
            pages = msgspec.structs.replace(manifest.raw, expired=manifest.raw.expired or before.raw.expired)
            aged = msgspec.structs.replace(manifest, finished=before.finished, raw=pages)
            return self._judged(aged, before, job, staged)

        load(replace(job, quality=None), window, run, transformed, mended=mended)
        forget_history(job, self.store, run)
        self._retell(folder, staged)

    def _tell_again(self, folder: str, claims: Claims) -> None:
        """Have a manifest tell of its pages, rid of the subjects, where the object is a newer window's."""
        manifest = read_manifest(self.store, folder)
        if manifest is None or not self._can_be_made_again(folder, manifest):
            return
        job, window, run = claims.maker(manifest)
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

    def _filter(self, folder: str, manifest: Manifest, maker: Maker, recognition: Recognition) -> str:
        """Write the object anew without rows of the subjects, from itself.

        What a person has to do about it, if anything.
        """
        table, seen = self._seen(manifest, recognition)
        columns = written_columns(manifest, self.job)
        if table is not None and columns is not None and (any(seen.hits) or not seen.untold):
            job, window, run = maker
            maker = as_rows_say(job, manifest, columns), window, run
            try:
                staged = rewrite(*maker, manifest, table=table, gone=seen.hits)
            except (ValueError, KeyError, pa.ArrowException) as problem:
                seen = replace(seen, untold=(_damaged(problem),))
            else:
                self._publish(folder, manifest, maker, staged)
        if not seen.untold:
            return ""
        told_by = self.store.url(manifest_key(folder))
        return (
            f"{manifest.object.url} (its manifest: {told_by}) may have their posts still: {seen.why}, and its"
            f" raw pages are gone: {', '.join([*seen.todo, 'delete it, or run that window again'])}"
        )

    def _told_by_pages(self, folder: str, forgotten: Forgotten) -> list[Subject]:
        return [Subject("post", name) for _, name in sorted(self._in_pages(folder, forgotten))]

    def _recognition(self, folder: str, forgotten: Forgotten) -> Recognition:
        waiting = forgotten.waiting(self.subjects, folder)
        return Recognition(self.job, self.run, self.subjects, forgotten, waiting)

    def _seen(self, manifest: Manifest, recognition: Recognition) -> tuple[pa.Table | None, Recognised]:
        """The rows of an object, and which of them are of the subjects; None where it is gone or damaged."""
        try:
            with self.store.open(manifest.object.key) as source:
                table = read_file(source, manifest.object.format, manifest.object.compression)
            return table, recognition.rows(manifest, table)
        except Missing:
            return None, Recognised()
        except UNREADABLE as problem:
            return None, Recognised(untold=(_damaged(problem),))


def _damaged(problem: Exception) -> Untold:
    return Untold(f"it is damaged ({' '.join(str(problem).split())})", "put an earlier version of it back")
