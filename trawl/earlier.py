"""What a job wrote under earlier keys, which its manifests name still and no pattern of its key finds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from etl_callables.ahead import in_order
from etl_callables.errors import Stop, TrawlError
from etl_callables.listing import list_folders
from etl_callables.manifest import Manifest, is_rejected, readable
from etl_callables.overlapping import name_of, overlaps
from etl_callables.run import STATE, Run
from etl_callables.store import READERS, Store, open_store
from schemas.job import Job
from schemas.words import counted
from trawl.wildcards import wild_key


@dataclass(frozen=True, slots=True)
class Written:
    """The manifests of objects that are under `earlier` keys, by window, and what a person should know.

    `current` is whether there is anything under the job's key of today.
    """

    earlier: tuple[Manifest, ...] = ()
    current: bool = True
    notes: tuple[str, ...] = ()


def look(job: Job, run: Run) -> Written:
    """What is in the job's bucket; where that cannot be read, a note that says so."""
    try:
        return written(job, open_store(job, run))
    except TrawlError as problem:
        return Written(notes=(f"What {job.id} wrote under earlier keys was not looked for: {problem}",))


def written(job: Job, store: Store) -> Written:
    """The objects with posts that are under earlier keys. Raises RetryLater and Stop."""
    folders = [folder for folder in list_folders(store, f"{STATE}/{job.id}").values() if not folder.variant]
    paths = [folder.path for folder in folders if folder.manifest in folder.files]
    read = list(in_order(partial(readable, store), paths, READERS))
    known = [one for one in read if one is not None and one.expired is None and not is_rejected(one)]
    pattern = re.compile(re.escape(wild_key(job)).replace(r"\?", "[^/]"))
    # The last of those that wrote an object over is the one that tells of it.
    last = {one.object.key: one for one in sorted(known, key=lambda one: one.finished) if one.counts.kept}
    others = sorted(
        (one for key, one in last.items() if not pattern.fullmatch(key)), key=lambda one: one.start
    )
    newer = overlaps(known)
    wanted = [one for one in others if (found := newer.get(name_of(one))) is None or not found.whole]
    there = list(in_order(lambda one: _is_there(store, one.object.key), wanted, READERS))
    return Written(
        earlier=tuple(one for one, found in zip(wanted, there, strict=True) if found),
        current=any(pattern.fullmatch(one.object.key) for one in known) or not others,
        notes=tuple(
            _notes(job, lost=there.count(False), twice=len(others) - len(wanted), damaged=read.count(None))
        ),
    )


def _is_there(store: Store, key: str) -> bool:
    try:
        return store.size(key) is not None
    except Stop:  # a reader's policy may know the job's present key only
        return False


def _notes(job: Job, *, lost: int, twice: int, damaged: int) -> Iterable[str]:
    """What is left out, and why."""
    if lost:
        yield (
            f"Left out: {counted(lost, 'object')} under earlier keys, gone or not to be read from here;"
            f" `trawl verify {job.id}` says more."
        )
    if twice:
        yield f"Left out: {counted(twice, 'object')} under earlier keys, of windows that newer runs cover."
    if damaged:
        unread = f"{counted(damaged, 'manifest')} cannot be read, and may name more"
        yield f"{unread}; `trawl verify {job.id}` says which."
