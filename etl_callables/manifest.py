"""Manifests: what each object in the bucket is, written last, read by everything that reports.

A manifest is the commit point of a run: an object without one was never finished. Its schema is
published in `schemas/manifest.schema.json`; the JSON is indented and sorted, for people read it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from functools import cache, partial
from importlib.metadata import version as version_of
from typing import Any, Final, Protocol

import msgspec

from etl_callables.ahead import in_order
from etl_callables.cost import Cost
from etl_callables.errors import Stop
from etl_callables.run import REJECTED, STATE
from etl_callables.store import READERS, Missing, Store

VERSION: Final = 1
_DEPTH: Final = 2
"""Slashes in the path of a window's folder: `_trawl`, the job, the window."""


class Damaged(Stop):
    """A manifest cannot be read."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the items fetched: the others and the sum of `skipped` add up to `fetched`.

    `mended` of the kept posts had text that is no Unicode; U+FFFD stands in its place.
    """

    fetched: int
    kept: int
    duplicate: int
    outside_window: int
    over_limit: int
    skipped: dict[str, int]
    mended: int


class Object(msgspec.Struct, frozen=True, kw_only=True):
    """The file that people read; `size` in bytes, `tag` the store's own mark of this very writing."""

    url: str
    key: str
    format: str
    compression: str | None
    size: int
    sha256: str
    tag: str
    columns: tuple[str, ...]


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """The table that shows the object as the rows of its window.

    `name` is as its catalog has it, `key` its place in the bucket, `snapshot` the commit that took the rows
    in, None where there were none to take.
    """

    name: str
    key: str
    snapshot: str | None
    rows: int


class Replaced(msgspec.Struct, frozen=True, kw_only=True):
    """The object that this one took the place of; None for what no manifest told."""

    key: str
    size: int
    sha256: str | None
    posts: int | None
    run: str | None


class Raw(msgspec.Struct, frozen=True, kw_only=True):
    """Where the raw pages are: the key of their `done.json`, and how many.

    `expired` is from when on they are not kept any more, None while they are; the `done.json` stays. `sha256`
    is of the pages that the object was made of (`raw.digest_of_pages`), None where it was not made of
    pages, or an earlier Trawl did not say.
    """

    done: str
    pages: int
    expired: datetime | None = None
    sha256: str | None = None


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to the rows of an object, for its manifest.

    `key` tells keys apart and cannot be turned back into one; two objects of a job with different ones
    have different pseudonyms for the same person.
    """

    pseudonymised: tuple[str, ...]
    stable: str | None
    key: str | None
    dropped: tuple[str, ...]
    truncated: dict[str, int | str]


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Of the kept posts: how many have a field empty, and how many are in a language, where the job asks."""

    nulls: dict[str, int]
    languages: dict[str, int]


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """An object of the same window under an earlier key of the job, as its own manifest told of it."""

    object: Object
    table: Table | None
    privacy: Applied | None
    finished: datetime


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """How a run compares with what its job expects.

    `breaches` are sentences for a person, none where all is as expected. `earlier` are the posts of the
    runs before, the latest first, where they were looked at; `silent` is how many runs in a row found
    nothing, 0 while that is nothing to speak of.
    """

    breaches: tuple[str, ...]
    measured: Measured | None
    earlier: tuple[int, ...]
    silent: int


class Durations(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds that each step of a run took, without what lay between them."""

    extract: float
    transform: float
    load: float


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One run over one window. Times are aware UTC; `window` is [start, end) as in `Window.__str__`.

    `job_digest` is the SHA-256 of the job's file and defaults, `values` the effective values.
    `per` is how `limit` was filled, as in the job. `truncated` says why the source ended before the
    window did, None when it did not; `cost` is what the pages cost at list prices, None where nothing
    does; `privacy` is what was done to the rows, None where nothing was; `quality` is how the run compares
    with what is expected, None where nothing is. `attempt` names the execution of transform that made
    the object. `expired` is when the object was deleted for its age, None while it is there. `table` is the
    table that shows it, None where the object is all there is. `left` is what earlier runs wrote of this
    window under other keys, and what was there still when this was written. `started` is when its pages
    began to be fetched, `finished` when it was written, however long the run lay still between them;
    `durations` is what its steps took, None where an earlier Trawl did not say.
    """

    job: str
    job_file: str
    job_digest: str
    source: str
    via: str
    provider: str
    query: str | None
    options: dict[str, Any]
    limit: int | None
    window: str
    start: datetime
    end: datetime
    run: str
    variant: str
    attempt: str
    counts: Counts
    first_post: datetime | None
    last_post: datetime | None
    truncated: str | None
    complete: bool
    object: Object
    raw: Raw
    replaced: Replaced | None
    started: datetime
    finished: datetime
    per: str = "run"
    values: dict[str, Any] = {}
    cost: Cost | None = None
    privacy: Applied | None = None
    quality: Quality | None = None
    expired: datetime | None = None
    table: Table | None = None
    left: tuple[Left, ...] = ()
    durations: Durations | None = None
    trawl: str = msgspec.field(default_factory=lambda: version_of("trawl"))
    version: int = VERSION


def is_rejected(manifest: Manifest) -> bool:
    """Whether it describes posts that are not as their job expects, and that are not published."""
    return f"/{REJECTED}/" in manifest.object.key


def is_there(store: Store, thing: Object) -> bool:
    """Whether what a manifest says of an object is still under its key: that very writing, or its bytes."""
    if store.size(thing.key) != thing.size:
        return False
    if store.tag(thing.key) == thing.tag:
        return True
    digest = hashlib.sha256()
    try:
        with store.open(thing.key) as data:
            while piece := data.read(1 << 20):
                digest.update(piece)
    except Missing:  # deleted meanwhile
        return False
    return digest.hexdigest() == thing.sha256


def may_be_there(store: Store, thing: Object) -> bool:
    """The same; what may not be looked at, as where a key is no more the job's, counts as there."""
    try:
        return is_there(store, thing)
    except Stop:
        return True


_LATER: Final = {"Raw": {"sha256"}}
"""What manifests that were written before it was there do without."""


def json_schema() -> dict[str, Any]:
    """What `schemas/manifest.schema.json` holds: closed objects that always have all but what is `_LATER`."""
    schema = msgspec.json.schema(Manifest)
    for name, part in schema["$defs"].items():
        part["additionalProperties"] = False
        part["required"] = sorted(set(part["properties"]) - _LATER.get(name, set()))
        part["properties"] = dict(sorted(part["properties"].items()))
        part["title"] = name
    whole = schema["$defs"].pop("Manifest")
    whole["properties"]["version"] = {"const": VERSION}
    whole["properties"]["trawl"] = {"type": "string"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Manifest of an object written by Trawl",
        **{name: value for name, value in whole.items() if name != "title"},
        "$defs": schema["$defs"],
    }


def manifest_key(prefix: str) -> str:
    """Where the manifest of a window is kept."""
    return f"{prefix}/manifest.json"


def encode(manifest: Manifest) -> bytes:
    """The JSON of a manifest: sorted, indented, ending in a line break."""
    plain = msgspec.to_builtins(manifest, order="sorted")
    return msgspec.json.format(msgspec.json.encode(plain, order="sorted"), indent=2) + b"\n"


def write_manifest(store: Store, prefix: str, manifest: Manifest) -> str:
    """Publish a manifest; its key."""
    key = manifest_key(prefix)
    store.write(key, encode(manifest))
    return key


def read_manifest(store: Store, prefix: str) -> Manifest | None:
    """The manifest of a window, None where there is none; Damaged where it is so, or of a later Trawl."""
    key = manifest_key(prefix)
    try:
        data = store.read(key)
    except Missing:
        return None
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise Damaged(
            f"The manifest {store.url(key)} is damaged ({problem}): delete it and run again."
        ) from problem
    if manifest.version != VERSION:
        raise Damaged(
            f"The manifest {store.url(key)} was written by another Trawl (version {manifest.version})."
        )
    return manifest


def list_manifests(store: Store, job_id: str, *, rejected: bool = False) -> Iterator[Manifest]:
    """The manifests of a job, by window and variant; with `rejected`, those of rejected posts too."""
    folder = f"{STATE}/{job_id}"

    def is_wanted(place: str, name: str) -> bool:
        depth = place.count("/") - folder.count("/") - (rejected and place.endswith(f"/{REJECTED}"))
        return name == "manifest.json" and depth == 1

    parts = (entry.key.rpartition("/") for entry in store.list(folder))
    places = [place for place, _, name in parts if is_wanted(place, name)]
    for manifest in in_order(partial(read_manifest, store), places, READERS):
        if manifest is not None:  # deleted since it was listed
            yield manifest


class NamedElsewhere(Protocol):
    """Whether a manifest beside that of a folder names a key.

    Only windows of one job may share an object, which is then that of the one finished last: with `after`,
    one of the job's own that was finished later; with `since`, one of these or another job's.
    """

    def __call__(
        self, key: str, folder: str, *, after: datetime | None = None, since: datetime | None = None
    ) -> bool: ...


def named_elsewhere(store: Store, job_id: str) -> NamedElsewhere:
    """What says whether an object is another's; it reads all manifests once, when first asked.

    Where only the job's own may be listed, it asks those: who may not read others' may not delete theirs.
    """
    own = f"{STATE}/{job_id}"

    @cache
    def folders(where: str) -> dict[str, set[str]]:
        try:
            entries = list(store.list(where))
        except Stop:
            if where == own:
                raise
            return folders(own)
        listed = (entry.key.removesuffix("/manifest.json") for entry in entries)
        places = [place for place in listed if place.count("/") == _DEPTH]
        found: dict[str, set[str]] = {}
        read = in_order(partial(readable, store), places, READERS)
        for place, manifest in zip(places, read, strict=True):
            if manifest is not None:
                found.setdefault(manifest.object.key, set()).add(place)
        return found

    def named(key: str, folder: str, *, after: datetime | None = None, since: datetime | None = None) -> bool:
        places = folders(STATE if after is None else own).get(key, set()) - {folder}
        named_by = ((place, readable(store, place)) for place in places)
        there = (
            (place, one)
            for place, one in named_by
            if one is not None and one.expired is None and one.object.key == key
        )
        moment = after or since
        return any(
            moment is None or one.finished > moment or not place.startswith(f"{own}/") for place, one in there
        )

    return named


def readable(store: Store, prefix: str) -> Manifest | None:
    """The manifest of a window, None also where it is damaged."""
    with suppress(Stop):
        return read_manifest(store, prefix)
    return None
