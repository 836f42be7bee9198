"""What a bucket holds, by its listing: the objects that people read, and each window's own files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from etl_callables.manifest import manifest_key
from etl_callables.run import REJECTED, STATE
from etl_callables.store import Store
from schemas.collisions import key_pattern
from schemas.job import Job
from schemas.key import parse_key
from schemas.window import Window

_WINDOW = re.compile(r"(\d{8}T\d{6}Z_\d{8}T\d{6}Z)(?:~(.+))?")
_DEPTH: Final = 3
"""Names before what is in a window's folder: `_trawl`, the job, the window."""

_KEPT: Final = {
    1: re.compile(r"catalog\.sqlite(?:-journal|-shm|-wal)?"),
    2: re.compile(
        r"memory\.json|forgotten\.json|spending/\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{8}\.json|doctor/[0-9a-f]{16}"
    ),
}
"""What Trawl keeps for all jobs, and for each: names before it -> what follows them."""


@dataclass(frozen=True, slots=True)
class Folder:
    """What a window has below `_trawl/`, by its listing: sizes by key."""

    path: str
    job: str
    window: str
    variant: str
    files: dict[str, int] = field(default_factory=dict)

    @property
    def manifest(self) -> str:
        return manifest_key(self.path)

    def attempts(self, kind: str) -> dict[str, list[str]]:
        """The keys below `raw` or `staged`, by attempt."""
        found: dict[str, list[str]] = {}
        for key in self.files:
            inner = key.split("/")[_DEPTH:]
            if inner[0] == kind and len(inner) == _DEPTH:
                found.setdefault(inner[1], []).append(key)
        return found

    def strangers(self) -> list[str]:
        """Keys that are nothing Trawl puts here; a variant's own object lies beside its manifest."""
        known = {key for kind in ("raw", "staged") for keys in self.attempts(kind).values() for key in keys}
        known.update(self.rejected)
        return [key for key in self.files if key not in known and key != self.manifest]

    @property
    def rejected(self) -> list[str]:
        """The keys of posts that were not as their job expects, and of what describes them."""
        return [key for key in self.files if key.startswith(f"{self.path}/{REJECTED}/")]


def list_bucket(store: Store, jobs: Mapping[str, Job] | None) -> tuple[dict[str, int], dict[str, Folder]]:
    """Sizes of the objects that people read and of what is nobody's, and the windows' folders by path."""
    objects: dict[str, int] = {}
    folders: dict[str, Folder] = {}
    if jobs is None:
        for entry in store.list(""):
            if not _note(folders, entry.key, entry.size) and not is_kept(entry.key):
                objects[entry.key] = entry.size
        return objects, folders
    for job in jobs.values():
        for entry in store.list(f"{STATE}/{job.id}"):
            if not _note(folders, entry.key, entry.size) and not is_kept(entry.key):
                objects[entry.key] = entry.size
    for where, patterns in _places(jobs.values()).items():
        for entry in store.list(where):
            if any(pattern.fullmatch(entry.key) for pattern in patterns):
                objects[entry.key] = entry.size
    return objects, folders


def is_kept(key: str) -> bool:
    """Whether a key is of what Trawl keeps below `_trawl/` beside the windows' folders."""
    parts = key.split("/")
    return parts[0] == STATE and any(form.fullmatch("/".join(parts[n:])) for n, form in _KEPT.items())


def list_folders(store: Store, where: str = STATE) -> dict[str, Folder]:
    """The windows' folders below a place, by path."""
    folders: dict[str, Folder] = {}
    for entry in store.list(where):
        _note(folders, entry.key, entry.size)
    return folders


def _places(jobs: Iterable[Job]) -> dict[str, list[re.Pattern[str]]]:
    """The folders that jobs write to, each to be listed once, and what their keys look like there."""
    found: dict[str, list[re.Pattern[str]]] = {}
    for job in jobs:
        # {job} is filled in by the pattern, so that only what differs between runs is looked for.
        head = parse_key(job.key.replace("{job}", job.id.replace(".", "/")))[0]
        found.setdefault(head.rpartition("/")[0], []).append(key_pattern(job))
    return found


def folder_at(store: Store, path: str) -> Folder:
    """A window's folder as it is now."""
    _, job, name = path.split("/")
    window, _, variant = name.partition("~")
    return Folder(path, job, window, variant, {entry.key: entry.size for entry in store.list(path)})


def _note(folders: dict[str, Folder], key: str, size: int) -> bool:
    """Note a file below `_trawl/` where it belongs to a window, and say whether it does."""
    parts = key.split("/")
    found = _WINDOW.fullmatch(parts[2]) if len(parts) > _DEPTH and parts[0] == STATE else None
    if found is None or not _is_window(found[1]):
        return False
    path = "/".join(parts[:_DEPTH])
    folder = folders.setdefault(path, Folder(path, parts[1], found[1], found[2] or ""))
    folder.files[key] = size
    return True


def _is_window(name: str) -> bool:
    try:
        Window.parse(name)
    except ValueError:
        return False
    return True
