"""Verification: whether a bucket holds what its manifests say, every byte of it, and nothing besides.

Reads each manifest and each object that one names, and where asked for the raw pages too; the rest is only
listed. Runs may go on meanwhile: what looks wrong is looked at again before it is told.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final, Literal

from etl_callables import raw
from etl_callables.ahead import in_order
from etl_callables.errors import RetryLater, Stop
from etl_callables.forgetting import is_pending
from etl_callables.listing import Folder, folder_at, list_bucket, list_folders
from etl_callables.manifest import Damaged, Manifest, is_there, read_manifest
from etl_callables.overlapping import Overlap, name_of, overlaps
from etl_callables.run import ABANDONED, REJECTED, STATE, Run, object_key
from etl_callables.store import READERS, Missing, Store
from etl_callables.transformation import read_staged
from schemas.job import Job
from schemas.key import TABLE
from schemas.window import Window

Kind = Literal[
    "missing",
    "changed",
    "extra",
    "no-manifest",
    "orphaned",
    "no-raw",
    "changed-raw",
    "damaged",
    "abandoned",
    "rejected",
    "unread",
    "superseded",
    "unfinished",
]
"""What can be wrong. `no-manifest` objects are what their job writes for a window that has no manifest any
more. `no-raw` objects could not be made again, for raw pages are gone; nor could `changed-raw` ones, whose
raw pages are not those that the run read, which is found only where these are read. `orphaned` files were
left by runs that are over, `abandoned` are runs that never came to their end; `unfinished` is younger than a
day and as it should be: a run that goes on, or can. `superseded` is as its manifest says, yet newer runs have
its window too, or a part of it."""

_NOT_WRONG: Final = frozenset({"superseded", "unfinished"})

_AT_ONCE: Final = 4 << 20
"""Bytes of an object up to which one request is quicker than asking for its size first."""

_LOOKS: Final = 3
"""How often a window is looked at while runs change it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as a manifest says. `message` ends a sentence that begins with `url`.

    `folder` is the window's place in the bucket, empty for an `extra` object that belongs to none;
    `keys` are the files that it is about.
    """

    kind: Kind
    url: str
    message: str
    keys: tuple[str, ...]
    folder: str = ""
    job: str = ""
    window: str = ""

    @property
    def wrong(self) -> bool:
        return self.kind not in _NOT_WRONG

    def __str__(self) -> str:
        return f"{self.url}: {self.message} [{self.kind}]"


@dataclass(frozen=True, slots=True)
class Report:
    """What was read: manifests, objects and their bytes; and what was found, by address.

    `pages` are the raw pages that were read, None where nobody asked for that; in `untold` windows they could
    not be compared, for the manifest does not say what they were.
    """

    manifests: int
    objects: int
    size: int
    findings: tuple[Finding, ...]
    pages: int | None = None
    untold: int = 0

    @property
    def wrong(self) -> int:
        return sum(finding.wrong for finding in self.findings)


def verify(
    store: Store,
    now: datetime,
    jobs: Mapping[str, Job] | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
    *,
    known: Mapping[str, Job] | None = None,
    threads: int = READERS,
    shown: Callable[[Manifest], str | None] = lambda _manifest: None,
    with_raw: bool = False,
) -> Report:
    """Compare a bucket with its manifests: all of it, or only what `jobs` (by id) write.

    `progress` is told how many windows of how many are done; `known` are the jobs that tell whose an object
    without a manifest is, else `jobs`; `shown` says what a table does not show as a manifest has it;
    `with_raw` has raw pages read as well. What is wrong with one object is a finding; Stop is raised for what
    keeps any from being read.
    """
    objects, folders = list_bucket(store, jobs)
    manifests = dict(zip(folders, in_order(_reading(store), folders.values(), threads), strict=True))
    owners = _owners(manifest for manifest in manifests.values() if isinstance(manifest, Manifest))

    bucket = _Bucket(store, now, owners, objects, shown, with_raw)

    def look(folder: Folder) -> _Look:
        return _settled(bucket, folder, manifests[folder.path])

    looks = []
    for done, found in enumerate(in_order(look, folders.values(), threads), 1):
        looks.append(found)
        progress(done, len(folders))
    named = {key for found in looks for key in found.named} | set(owners)
    strangers = [key for key in objects if key not in named]
    strangers += [key for folder in folders.values() for key in folder.strangers() if key not in named]
    known = (jobs or {}) if known is None else known
    tables = {manifest.table.key for manifest in owners.values() if manifest.table is not None}
    tables |= {job.key for job in known.values() if job.format == TABLE}
    strangers = [key for key in strangers if not _is_tables(key, tables)]
    findings = [finding for found in looks for finding in found.findings]
    findings = _with_strangers(findings, list(_extra(bucket, strangers, folders, known)))
    there = [folder for folder, found in zip(folders.values(), looks, strict=True) if found.size is not None]
    findings += _superseded(store, [(folder, manifests[folder.path]) for folder in there])
    return Report(
        manifests=sum(isinstance(manifest, Manifest) for manifest in manifests.values()),
        objects=sum(found.size is not None for found in looks),
        size=sum(found.size or 0 for found in looks),
        findings=tuple(sorted(findings, key=lambda finding: (finding.url, finding.kind))),
        pages=sum(found.pages for found in looks) if with_raw else None,
        untold=sum(found.untold for found in looks),
    )


def _is_tables(key: str, tables: Collection[str]) -> bool:
    """Whether a file is one that a table keeps for itself: what it knows, and rows of its past."""
    return any(key.startswith((f"{table}/metadata/", f"{table}/data/")) for table in tables)


def check_window(
    store: Store,
    path: str,
    now: datetime,
    shown: Callable[[Manifest], str | None] = lambda _manifest: None,
) -> list[Finding]:
    """What is wrong with one window, by its folder; nothing besides is read."""
    folder = folder_at(store, path)
    manifest = _read(store, folder)
    owners = _owners([manifest] if isinstance(manifest, Manifest) else [])
    return list(_settled(_Bucket(store, now, owners, {}, shown), folder, manifest).findings)


_Read = Manifest | Finding | None
"""A manifest, what is wrong with it, or nothing where there is none."""


def _reading(store: Store) -> Callable[[Folder], _Read]:
    def read(folder: Folder) -> _Read:
        return _read(store, folder) if folder.manifest in folder.files else None

    return read


def _read(store: Store, folder: Folder) -> _Read:
    try:
        return read_manifest(store, folder.path)
    except Damaged as problem:
        return _damaged(store, folder, folder.manifest, problem)
    except RetryLater as problem:
        return _unread(store, folder, folder.manifest, problem)


def _owners(manifests: Iterable[Manifest]) -> dict[str, Manifest]:
    """Object -> the manifest that it has to agree with: a job that takes its whole range writes it again."""
    owners: dict[str, Manifest] = {}
    for manifest in manifests:
        other = owners.get(manifest.object.key)
        if other is None or manifest.finished > other.finished:
            owners[manifest.object.key] = manifest
    return owners


@dataclass(frozen=True, slots=True)
class _Bucket:
    """What is known of a bucket while it is looked at: who owns which object, and sizes by listing."""

    store: Store
    now: datetime
    owners: Mapping[str, Manifest]
    sizes: Mapping[str, int]
    shown: Callable[[Manifest], str | None]
    with_raw: bool = False


@dataclass(frozen=True, slots=True)
class _Look:
    """What was found in a window; `size` in bytes of the object read, None where none was.

    `pages` are the raw pages that were read; `untold` where they were not, for nothing says what they were.
    """

    findings: tuple[Finding, ...]
    named: frozenset[str] = frozenset()
    size: int | None = None
    pages: int = 0
    untold: bool = False


def _settled(bucket: _Bucket, folder: Folder, manifest: _Read) -> _Look:
    """What is wrong with a window, after as many looks as it takes for two to have seen the same."""
    for _ in range(_LOOKS):
        look = _window(bucket, folder, manifest)
        if not any(finding.wrong for finding in look.findings):
            break
        again = folder_at(bucket.store, folder.path)
        latest = _read(bucket.store, again)
        if latest == manifest and again.files == folder.files:
            break
        folder, manifest = again, latest
        known = [manifest] if isinstance(manifest, Manifest) else []
        bucket = replace(bucket, owners=_owners([*bucket.owners.values(), *known]), sizes={})
    return look


def _window(bucket: _Bucket, folder: Folder, manifest: _Read) -> _Look:
    if manifest is None:
        return _Look(tuple(_rejected(bucket, folder) or _begun(bucket, folder)))
    if isinstance(manifest, Finding):
        return _Look((manifest,))
    key = manifest.object.key
    findings = _rejected(bucket, folder)
    earlier: list[Finding] = []
    size: int | None = None
    pages, untold = 0, False
    try:
        if bucket.owners.get(key) == manifest:
            wrong, size = _object(bucket, folder, manifest)
            findings += wrong
        lost, there = _raw(bucket, folder, manifest)
        findings += lost
        if bucket.with_raw and there:
            untold = manifest.raw.sha256 is None
            findings += [] if untold else _pages(bucket.store, folder, manifest, there)
            pages = 0 if untold else len(there)
        earlier = _earlier(bucket, folder, manifest)
        findings += earlier
    except RetryLater as problem:
        findings.append(_unread(bucket.store, folder, key, problem))
    named = {key, *(one for finding in earlier for one in finding.keys)}
    return _Look(tuple(findings), frozenset(named), size, pages, untold)


def _object(bucket: _Bucket, folder: Folder, manifest: Manifest) -> tuple[list[Finding], int | None]:
    """Read a manifest's object, and say its size."""
    said = manifest.object
    url = bucket.store.url(said.key)
    try:
        size, digest = _digest(bucket.store, said.key, bucket.sizes.get(said.key, folder.files.get(said.key)))
    except Missing:
        if manifest.expired is not None:
            return [], None
        posts = f"{manifest.counts.kept:,} posts, {said.size:,} bytes"
        return [_finding(folder, "missing", url, f"is gone; its manifest says {posts}", [said.key])], None
    if (size, digest) == (said.size, said.sha256):
        if manifest.expired is None:
            message = bucket.shown(manifest)
            return [_finding(folder, "changed", url, message, [said.key])] if message else [], size
        message = f"is there, though it expired on {manifest.expired:%Y-%m-%d}"
        return [_finding(folder, "orphaned", url, message, [said.key])], size
    if _is_staged(bucket, [folder], said.key, size, lambda: digest):
        message = "is published by a run that has not written its manifest yet"
        return [_finding(folder, "unfinished", url, message, [said.key])], size
    message = (
        f"has {size:,} bytes; its manifest says {said.size:,}"
        if size != said.size
        else f"has other bytes than its manifest says, though as many ({size:,})"
    )
    return [_finding(folder, "changed", url, message, [said.key])], size


def _earlier(bucket: _Bucket, folder: Folder, manifest: Manifest) -> list[Finding]:
    """What the window has under earlier keys of its job, which nobody looks after any more."""
    found = []
    message = f"is what an earlier key gave for this window, which {manifest.object.key} has today"
    for thing in (left.object for left in manifest.left if left.object.key not in bucket.owners):
        url = bucket.store.url(thing.key)
        try:
            if is_there(bucket.store, thing):
                found.append(_finding(folder, "extra", url, message, [thing.key]))
        except Stop as problem:
            said = f"{message}, and could not be looked at: {problem}"
            found.append(_finding(folder, "unread", url, said, [thing.key]))
    return found


def _superseded(store: Store, there: Iterable[tuple[Folder, _Read]]) -> Iterator[Finding]:
    """Objects of older runs whose window newer ones have too; `there` are windows whose object was read."""
    known = [(folder, one) for folder, one in there if isinstance(one, Manifest) and one.expired is None]
    found = overlaps(manifest for _, manifest in known)
    for folder, manifest in known:
        if overlap := found.get(name_of(manifest)):
            key = manifest.object.key
            yield _finding(folder, "superseded", store.url(key), _twice(folder, manifest, overlap), [key])


def _twice(folder: Folder, manifest: Manifest, overlap: Overlap) -> str:
    """What is there of a window twice, and what to do about it."""
    newer, own = overlap.newer(), manifest.window
    if not overlap.whole:
        return f"overlaps {newer}: its own window is {own}, and readers find posts of both twice"
    verb = "covers" if overlap.first == overlap.last else "cover"
    said = f"is superseded by {newer}, which {verb} its window {own}, so that readers find posts twice"
    if manifest.table is not None:
        return said
    return f"{said}: delete it and {folder.path}/, unless it has posts that the newer has not"


def _digest(store: Store, key: str, known: int | None) -> tuple[int, str]:
    """Size and SHA-256 of an object; Missing where it is gone."""
    if known is not None and known <= _AT_ONCE:
        data = store.read(key)
        return len(data), hashlib.sha256(data).hexdigest()
    digest = hashlib.sha256()
    size = 0
    with store.open(key) as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
            size += len(piece)
    return size, digest.hexdigest()


def digest_of(store: Store, key: str) -> str:
    """SHA-256 of an object; Missing where it is gone."""
    return _digest(store, key, None)[1]


def _raw(bucket: _Bucket, folder: Folder, manifest: Manifest) -> tuple[list[Finding], tuple[str, ...]]:
    """Whether the object could be made again, and what lies beside its pages that no one needs.

    And the pages, where all are there that should be.
    """
    store, listed = bucket.store, manifest.raw.done
    url = store.url(manifest.object.key)
    try:
        pages = raw.read_done(store, listed).pages
    except Missing:
        message = "could not be made again: the list of its raw pages is gone"
        return [_finding(folder, "no-raw", url, message, [listed])], ()
    except Stop as problem:
        return [_damaged(store, folder, listed, problem)], ()
    if manifest.raw.expired is not None or manifest.expired is not None:
        return list(_left(bucket, folder, {listed})), ()
    left = list(_left(bucket, folder, {listed, *pages}))
    gone = [page for page in pages if page not in folder.files]
    if not gone:
        return left, pages
    message = f"could not be made again: {len(gone):,} of its {len(pages):,} raw pages are gone"
    return [_finding(folder, "no-raw", url, message, gone), *left], ()


def _pages(store: Store, folder: Folder, manifest: Manifest, pages: Sequence[str]) -> list[Finding]:
    """Read raw pages, and say whether they are those that the object was made of."""
    try:
        digests = {page: _digest(store, page, folder.files[page])[1] for page in pages}
    except Missing:  # deleted since it was listed, which the next look will see
        digests = {}
    if raw.digest_of_pages(digests) == manifest.raw.sha256:
        return []
    message = f"could not be made again, for {not_as_read(store, folder)}"
    return [_finding(folder, "changed-raw", store.url(manifest.object.key), message, pages)]


def _left(bucket: _Bucket, folder: Folder, needed: Collection[str]) -> Iterator[Finding]:
    """Raw pages and staged files beside those that the manifest needs."""
    old: list[str] = []
    young: list[str] = []
    for attempt, keys in [*folder.attempts("raw").items(), *folder.attempts("staged").items()]:
        (old if _is_old(attempt, bucket.now) else young).extend(key for key in keys if key not in needed)
    url = f"{bucket.store.url(folder.path)}/"
    if old:
        message = f"has {_files(old)} of runs that are over"
        yield _finding(folder, "orphaned", url, message, old)
    if young:
        message = f"has {_files(young)} of a run that goes on, or was stopped less than a day ago"
        yield _finding(folder, "unfinished", url, message, young)


def _rejected(bucket: _Bucket, folder: Folder) -> list[Finding]:
    """Posts that wait for somebody to look at them."""
    if not folder.rejected:
        return []
    url = f"{bucket.store.url(folder.path)}/{REJECTED}/"
    message = "has posts that are not as their job expects, which were not published"
    return [_finding(folder, "rejected", url, message, folder.rejected)]


def _begun(bucket: _Bucket, folder: Folder) -> Iterator[Finding]:
    """A window without a manifest."""
    attempts = {**folder.attempts("raw"), **folder.attempts("staged")}
    if not attempts:
        return
    keys = set(folder.files) - set(folder.strangers())
    url = f"{bucket.store.url(folder.path)}/"
    if _is_old(max(attempts), bucket.now):
        message = f"has {_files(keys)} of a run that never came to its end"
        yield _finding(folder, "abandoned", url, message, keys)
    else:
        message = f"has {_files(keys)} of a run that goes on, or was stopped less than a day ago"
        yield _finding(folder, "unfinished", url, message, keys)


def _extra(
    bucket: _Bucket, keys: Collection[str], folders: Mapping[str, Folder], known: Mapping[str, Job]
) -> Iterator[Finding]:
    """Objects that no manifest names, after a look for manifests written since, or by other jobs."""
    if not keys:
        return
    store = bucket.store
    latest = list_folders(store)
    manifests = dict(zip(latest, in_order(_reading(store), latest.values(), READERS), strict=True))
    named = set(_owners(manifest for manifest in manifests.values() if isinstance(manifest, Manifest)))
    bare = {path: folder for path, folder in latest.items() if not isinstance(manifests[path], Manifest)}
    owned = dict(_owned(bare.values(), known))
    for key in sorted(set(keys) - named):
        size = store.size(key)
        if size is None:  # deleted since it was listed
            continue
        url = store.url(key)
        if _is_staged(bucket, latest.values(), key, size, partial(digest_of, store, key)):
            message = "is published by a run that has not written its manifest yet"
            yield Finding("unfinished", url, message, (key,))
            continue
        if key in owned:
            window = folder_at(store, owned[key].path)
            if not isinstance(_read(store, window), Manifest):  # a run that has just come to its end
                yield _finding(window, "no-manifest", url, _bare(window), [key])
            continue
        owner = next((folder for folder in folders.values() if key in folder.files), None)
        finding = Finding("extra", url, _whose(key, owner, bare.values(), known), (key,))
        yield (
            finding
            if owner is None
            else replace(finding, folder=owner.path, job=owner.job, window=owner.window)
        )


def _owned(bare: Iterable[Folder], known: Mapping[str, Job]) -> Iterator[tuple[str, Folder]]:
    """The keys of the objects of windows without a manifest, as their jobs say them."""
    for folder in bare:
        job = known.get(folder.job)
        if job is not None and (folder.attempts("raw") or folder.manifest in folder.files):
            yield object_key(job, Window.parse(folder.window), Run(variant=folder.variant)), folder


def _bare(folder: Folder) -> str:
    """What an object is whose window has no manifest that could be read."""
    lost = "cannot be read" if folder.manifest in folder.files else "is gone"
    return f"is what {folder.job} writes for {folder.window}, whose manifest {lost}: {again(folder)}"


def _whose(key: str, owner: Folder | None, bare: Iterable[Folder], known: Mapping[str, Job]) -> str:
    """What an object is that no manifest names; jobs that are not here may have written it even so."""
    if key.startswith(f"{STATE}/") and not (owner and owner.variant):
        return "is nothing that Trawl keeps here"
    strange = [f for f in bare if f.job not in known and any(k.endswith("/done.json") for k in f.files)]
    if not strange:
        return "no manifest names this object"
    windows = strange[0].path.partition("/")[2] if len(strange) == 1 else f"one of {len(strange):,} windows"
    return f"no manifest names this object; it may be of {windows}, whose manifest is gone"


def not_as_read(store: Store, of: Folder | Finding) -> str:
    """What is so of a window whose raw pages are not those that its manifest tells of, and what to do."""
    path = of.path if isinstance(of, Folder) else of.folder
    todo = f"put them back as they were, from a copy or an earlier version of theirs, or {again(of)}"
    if is_pending(store, of.job, path):
        todo = "`trawl forget` was stopped in it: do that again"
    return f"the raw pages of {path.partition('/')[2]} are not those that its run read: {todo}"


def again(of: Folder | Finding) -> str:
    """What to do where only a run mends it: the words that run a window again."""
    if "~" in (of.path if isinstance(of, Folder) else of.folder):
        return "run that window again as it was asked for"
    window = Window.parse(of.window)
    start, end = (
        f"{moment:%Y-%m-%dT%H:%M:%SZ}".replace(":00Z", "Z") for moment in (window.start, window.end)
    )
    return f"run that window again (`trawl run {shlex.quote(of.job)} --start {start} --end {end}`)"


def _with_strangers(findings: Iterable[Finding], strangers: Sequence[Finding]) -> list[Finding]:
    """All findings, of which a window without a manifest has one: its object's, or its manifest's damage."""
    bare = {finding.folder: finding for finding in strangers if finding.kind == "no-manifest"}
    kept = []
    for finding in findings:
        twin = bare.get(finding.folder)
        if twin is not None and finding.kind in {"damaged", "unread"}:
            kept.append(replace(finding, message=f"{finding.message}; {twin.url} is its object"))
            del bare[finding.folder]
        elif twin is None or finding.kind not in {"abandoned", "unfinished"}:
            kept.append(finding)
    return [*kept, *bare.values(), *(one for one in strangers if one.kind != "no-manifest")]


def _is_staged(
    bucket: _Bucket, folders: Iterable[Folder], key: str, size: int, digest: Callable[[], str]
) -> bool:
    """Whether a run that may still go on has made the very bytes that are under a key."""
    name = key.rpartition("/")[2]
    for folder in folders:
        for attempt, keys in folder.attempts("staged").items():
            twins = [one for one in keys if one.endswith(f"/{name}") and folder.files[one] == size]
            if not twins or _is_old(attempt, bucket.now):
                continue
            try:
                staged = read_staged(bucket.store, f"{folder.path}/staged/{attempt}/staged.json")
            except Stop:  # it was finished meanwhile, or killed before it was written
                continue
            if staged.sha256 == digest():
                return True
    return False


def _is_old(attempt: str, now: datetime) -> bool:
    """Whether an attempt, by its name, began so long ago that it is over."""
    return attempt < raw.attempt_name(now - ABANDONED)


def _files(keys: Collection[str]) -> str:
    pages = sum(key.endswith(".jsonl.zst") and "/raw/" in key for key in keys)
    others = len(keys) - pages
    parts = [_count(pages, "raw page"), _count(others, "other file" if pages else "file")]
    return " and ".join(part for part in parts if part)


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}" if number else ""


def _finding(folder: Folder, kind: Kind, url: str, message: str, keys: Iterable[str]) -> Finding:
    return Finding(kind, url, message, tuple(sorted(keys)), folder.path, folder.job, folder.window)


def _damaged(store: Store, folder: Folder, key: str, problem: Stop) -> Finding:
    """What a reader said of a file, without what stands before the message anyway."""
    url = store.url(key)
    return _finding(folder, "damaged", url, str(problem).rpartition(f"{url} ")[2].rstrip("."), [key])


def _unread(store: Store, folder: Folder, key: str, problem: RetryLater) -> Finding:
    return _finding(folder, "unread", store.url(key), f"could not be read: {problem}", [key])
