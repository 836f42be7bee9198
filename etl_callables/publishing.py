"""Publishing: where a run's posts become what people read, an object under its key or rows of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from etl_callables import raw
from etl_callables.manifest import Manifest, Table
from etl_callables.run import ABANDONED, Run, file_name, has_table, object_key
from etl_callables.store import Store
from etl_callables.transformation import Staged
from schemas.job import Job
from schemas.key import TABLE
from schemas.window import Window

if TYPE_CHECKING:
    from etl_callables.iceberg import Lake


class Place(Protocol):
    """Where the posts of a window are published. Each method raises RetryLater and Stop."""

    def key(self, attempt: str) -> str:
        """The key of the object that an attempt writes."""

    def publish(self, staged: Staged, attempt: str) -> tuple[str, Table | None]:
        """Publish a staged file over what was there: the object's tag and, where there is one, the table."""

    def stands(self, manifest: Manifest) -> bool:
        """Whether what people read is still the very thing that a manifest describes."""

    def tidy(self, manifest: Manifest) -> None:
        """Remove what publishing has left for a while, if anything."""


@dataclass(frozen=True, slots=True)
class Object:
    """An object under the job's key, whole or not at all."""

    store: Store
    place: str

    def key(self, attempt: str) -> str:
        del attempt  # each run of a window writes the same one
        return self.place

    def publish(self, staged: Staged, attempt: str) -> tuple[str, Table | None]:
        return self.store.copy(staged.key, self.key(attempt)), None

    def stands(self, manifest: Manifest) -> bool:
        key = manifest.object.key
        return self.store.tag(key) == manifest.object.tag and self.store.size(key) == manifest.object.size

    def tidy(self, manifest: Manifest) -> None:
        """Nothing is left."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a window of a table: an object that is the table's only one of that window."""

    store: Store
    lake: Lake
    window: Window
    folder: str
    _whole: Object = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_whole", Object(self.store, self.folder))

    def key(self, attempt: str) -> str:
        # Never written over: whoever reads an older snapshot still reads the file that it shows.
        job = self.lake.job
        return f"{self.folder}/{attempt}/{file_name(job, job.key)}"

    def publish(self, staged: Staged, attempt: str) -> tuple[str, Table | None]:
        tag = self.store.copy(staged.key, self.key(attempt))
        key = self.key(attempt) if staged.kept else None
        return tag, self.lake.replace(self.window, key, attempt)

    def stands(self, manifest: Manifest) -> bool:
        table = manifest.table
        if table is None or not self._whole.stands(manifest):
            return False
        key = manifest.object.key if manifest.counts.kept else None
        return self.lake.holds(table, self.window, key)

    def tidy(self, manifest: Manifest) -> None:
        self.lake.expire()
        day_ago = raw.attempt_name(self.lake.run.now() - ABANDONED)
        keys = [entry.key for entry in self.store.list(self.folder) if entry.key != manifest.object.key]
        if old := [key for key in keys if raw.attempt_of(key) < day_ago]:
            self.store.delete(self.lake.unshown(self.window, old))


def shown_by_tables(jobs: Mapping[str, Job], store: Store, run: Run) -> Callable[[Manifest], str | None]:
    """What says, of a manifest with a table, what the table does not show as it should; None where it does.

    Of a job that is not among `jobs` nothing is said, for only it knows the catalog.
    """

    def shown(manifest: Manifest) -> str | None:
        job, table = jobs.get(manifest.job), manifest.table
        if table is None or job is None or job.format != TABLE or job.key != table.key:
            return None
        key = manifest.object.key if manifest.counts.kept else None
        if _lake(job, store, run).holds(table, Window(manifest.start, manifest.end), key):
            return None
        return f"is not what the table {table.name} shows for this window"

    return shown


def forget_history(job: Job, store: Store, run: Run) -> None:
    """Drop what a table keeps for readers of the past, with its files, where a job has one."""
    if job.format == TABLE:
        _lake(job, store, run).expire(everything=True)


def strays(store: Store, job: Job, run: Run, manifest: Manifest) -> list[str]:
    """Files of a window that neither manifest nor table names: of a run that was killed, or goes on."""
    if not has_table(job, run):
        return []
    window = Window(manifest.start, manifest.end)
    listed = [entry.key for entry in store.list(f"{job.key}/data/{window}")]
    keys = [key for key in listed if key != manifest.object.key]
    return _lake(job, store, run).unshown(window, keys) if keys else []


def withdraw(job: Job, store: Store, run: Run, manifest: Manifest) -> None:
    """Take the rows of a window out of the table that shows them, if one does, for good."""
    if manifest.table is not None:
        # Where its key was another then, or it had a table then and has none now, that one shows them.
        lake = _lake(replace(job, format=TABLE, key=manifest.table.key), store, run)
        lake.replace(Window(manifest.start, manifest.end), None, manifest.attempt)
        lake.expire(everything=True)


def _lake(job: Job, store: Store, run: Run) -> Lake:
    from etl_callables.iceberg import lake  # noqa: PLC0415 (only for who has a table)

    return lake(job, store, run)


def place_for(job: Job, window: Window, run: Run, store: Store) -> Place:
    """Where a run publishes the posts of a window."""
    if not has_table(job, run):
        return Object(store, object_key(job, window, run))
    return Rows(store, _lake(job, store, run), window, f"{job.key}/data/{window}")
