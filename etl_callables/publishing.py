"""Publishing: where a run's posts become what people read, an object under its key or rows of a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from etl_callables.manifest import Manifest, Table
from etl_callables.run import Run, file_name, has_table, object_key
from etl_callables.store import Store
from etl_callables.transformation import Staged
from schemas.job import Job
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

    def tidy(self) -> None:
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

    def tidy(self) -> None:
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

    def tidy(self) -> None:
        self.lake.expire()


def place_for(job: Job, window: Window, run: Run, store: Store) -> Place:
    """Where a run publishes the posts of a window."""
    if not has_table(job, run):
        return Object(store, object_key(job, window, run))
    from etl_callables.iceberg import lake  # noqa: PLC0415 (only for who has a table)

    return Rows(store, lake(job, store, run), window, f"{job.key}/data/{window}")
