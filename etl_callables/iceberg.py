"""Iceberg tables: a job's rows by window, each window replaced in one commit.

The data file of a window is the file that transform staged: it is copied below the table on the store's own
side, and the commit takes it in and the window's former file out, in one snapshot. No row is read here. Old
snapshots are kept for who is reading them, for as long as the table's `history.expire.max-snapshot-age-ms`
says.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeVar

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import (
    CommitFailedException,
    CommitStateUnknownException,
    NamespaceAlreadyExistsError,
    NoSuchTableError,
    TableAlreadyExistsError,
    ValidationException,
)
from pyiceberg.io.pyarrow import parquet_file_to_data_file
from pyiceberg.manifest import DataFile, ManifestEntryStatus
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table import TableProperties
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update.snapshot import ExpireSnapshots
from pyiceberg.transforms import IdentityTransform
from sqlalchemy.exc import DBAPIError

from etl_callables.errors import RetryLater, Stop
from etl_callables.iceberg_catalog import catalog_problem, explained, is_passing, open_catalog
from etl_callables.iceberg_columns import as_new, fields_of, identified, kind_of
from etl_callables.manifest import Table
from etl_callables.run import Run
from etl_callables.store import Store
from etl_callables.store_local import LocalStore
from etl_callables.table import output_schema, window_column
from schemas.job import Job
from schemas.key import WINDOW_COLUMN
from schemas.window import Window

_OWNER: Final = "trawl.job"
_ATTEMPT: Final = "trawl.attempt"
_TRIES: Final = 12
"""How often a commit is tried while others commit to the same table."""

_LONGEST_WAIT: Final = 5.0
_HISTORY: Final = timedelta(days=5)
"""Iceberg's own: how old a snapshot may become where the table does not say."""

_MAX_AGE: Final = "history.expire.max-snapshot-age-ms"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Lake:
    """The table of a job, in the job's bucket and its catalog."""

    job: Job
    store: Store
    run: Run

    def file_schema(self) -> pa.Schema:
        """The columns of the job's data files, each with its id in the table, which is made or widened first.

        Readers know columns by these ids. Raises Stop for a table that is not as the job's would be.
        """
        with self._catalog() as catalog:
            return identified(self._plain(), self._retried(lambda: self._table(catalog)).schema())

    def replace(self, window: Window, key: str | None, attempt: str) -> Table:
        """Make the file under `key` all that the table has of a window (None: nothing), in one commit.

        Without a commit where it is so already. Raises RetryLater where too many others commit meanwhile,
        and Stop.
        """
        wanted = set() if key is None else {self._address(key)}
        with self._catalog() as catalog:
            return self._retried(lambda: self._replaced(catalog, window, wanted, attempt))

    def rows(self) -> int | None:
        """How many rows the table has, None where no run has made it yet. Nothing of it is read or changed.

        Raises RetryLater and Stop, also for a table that a run would not write to.
        """
        with self._catalog() as catalog:
            try:
                table = catalog.load_table(_identifier(self.job))
            except NoSuchTableError:
                return None
            self._check(table)
            snapshot = table.current_snapshot()
            said = (
                {} if snapshot is None or snapshot.summary is None else snapshot.summary.additional_properties
            )
            return int(said.get("total-records", 0))

    def holds(self, table: Table, window: Window, key: str | None) -> bool:
        """Whether the table shows the file under `key`, whole and alone, for a window (None: nothing)."""
        wanted = set() if key is None else {self._address(key)}
        with self._catalog() as catalog:
            try:
                found = catalog.load_table(_identifier(self.job))
            except NoSuchTableError:
                return False
            files = _files(found, window)
            return {file.file_path for file in files} == wanted and sum(
                file.record_count for file in files
            ) == (table.rows if wanted else 0)

    def expire(self, *, everything: bool = False) -> int:
        """Drop snapshots older than the table lets them be, or with `everything` all but the current.

        How many. Files that no snapshot shows any more are removed with them.
        """
        with self._catalog() as catalog:
            try:
                table = catalog.load_table(_identifier(self.job))
            except NoSuchTableError:
                return 0
            return self._expired(table, everything=everything)

    def unshown(self, window: Window, keys: Collection[str]) -> list[str]:
        """Those of a window's files that no snapshot shows: of runs that were killed, or had no rows."""
        with self._catalog() as catalog:
            try:
                table = catalog.load_table(_identifier(self.job))
            except NoSuchTableError:
                return list(keys)
            shown = {
                file.file_path for one in table.snapshots() for file in _files(table, window, one.snapshot_id)
            }
            return [key for key in keys if self._address(key) not in shown]

    # --- the table -----------------------------------------------------------------------------------

    def _plain(self) -> pa.Schema:
        return output_schema(self.job.columns).append(window_column())

    @property
    def location(self) -> str:
        """Where the table is, as its metadata spells it."""
        return self._address(self.job.key)

    def _address(self, key: str) -> str:
        if not isinstance(self.store, LocalStore):
            return self.store.url(key)
        path = str(Path(self.store.root).absolute() / key)
        if odd := next((sign for sign in "#?;%" if sign in path), None):
            raise Stop(f'A table cannot be in {path}: Iceberg reads "{odd}" as no part of a path. Move it.')
        return f"file://{path}"

    def _table(self, catalog: Catalog) -> IcebergTable:
        """The table, made where there is none, with every column that the job writes."""
        identifier = _identifier(self.job)
        try:
            table = catalog.load_table(identifier)
        except NoSuchTableError:
            with suppress(NamespaceAlreadyExistsError):
                catalog.create_namespace(identifier[:1])
            with suppress(TableAlreadyExistsError):
                self._create(catalog, identifier)
            table = catalog.load_table(identifier)
        self._check(table)
        missing = [name for name in self._plain().names if name not in fields_of(table.schema())]
        if missing:
            new = as_new(self._plain())
            with table.update_schema() as update:
                for name in missing:
                    update.add_column((name,), new.find_field(name).field_type)
        return table

    def _create(self, catalog: Catalog, identifier: tuple[str, str]) -> None:
        schema = as_new(self._plain())
        column = schema.find_field(WINDOW_COLUMN)
        spec = PartitionSpec(
            PartitionField(
                source_id=column.field_id, field_id=1000, transform=IdentityTransform(), name=WINDOW_COLUMN
            )
        )
        catalog.create_table(
            identifier,
            schema,
            location=self.location,
            partition_spec=spec,
            properties={
                "format-version": "2",
                _OWNER: self.job.id,
                # Every commit writes all metadata anew; without this each of these files would stay.
                "write.metadata.delete-after-commit.enabled": "true",
                "write.metadata.previous-versions-max": "20",
                # Bounds would name the first author and the last, in metadata, when they are forgotten.
                TableProperties.DEFAULT_WRITE_METRICS_MODE: "counts",
                f"{TableProperties.METRICS_MODE_COLUMN_CONF_PREFIX}.{WINDOW_COLUMN}": "full",
            },
        )

    def _check(self, table: IcebergTable) -> None:
        """Stop for a table that is not this job's, or not of its shape."""
        name = ".".join(_identifier(self.job))
        owner = table.metadata.properties.get(_OWNER)
        if owner != self.job.id:
            whose = f"belongs to the job {owner}" if owner else "was not made by Trawl"
            raise Stop(
                f"The table {name} {whose}, and {self.job.file} would replace rows of it: choose another key,"
                f' or set its property "{_OWNER}" to "{self.job.id}".'
            )
        if table.location().rstrip("/") != self.location:
            raise Stop(
                f"The table {name} is at {table.location()}, and {self.job.file} would write to"
                f" {self.location}: put bucket and key back, or choose another key."
            )
        fields = table.spec().fields
        by = table.schema().find_column_name(fields[0].source_id) if len(fields) == 1 else None
        if by != WINDOW_COLUMN or not isinstance(fields[0].transform, IdentityTransform):
            raise Stop(f"The table {name} is not partitioned by {WINDOW_COLUMN} alone: put that back.")
        there = fields_of(table.schema())
        for field in as_new(self._plain()).fields:
            old = there.get(field.name)
            if old is not None and kind_of(old) != kind_of(field):
                raise Stop(
                    f'The column "{field.name}" of the table {name} is {kind_of(old)}, and {self.job.file}'
                    f" would write {kind_of(field)}: give the column another name."
                )

    # --- commits -------------------------------------------------------------------------------------

    def _replaced(self, catalog: Catalog, window: Window, wanted: set[str], attempt: str) -> Table:
        table = self._table(catalog)
        old = _files(table, window)
        if {file.file_path for file in old} == wanted:
            return self._told(table, wanted, old, attempt)
        # Tried again here, where the window's files are looked up anew. Iceberg's own way would try the
        # same change again: of two first runs of a window at once, both would stay.
        alone = {**table.metadata.properties, TableProperties.COMMIT_NUM_RETRIES: "0"}
        table.metadata = table.metadata.model_copy(update={"properties": alone})
        said = {_OWNER: self.job.id, _ATTEMPT: attempt, "trawl.window": str(window), "trawl.run": self.run.id}
        with table.transaction() as transaction:
            update = transaction.update_snapshot(snapshot_properties=said)
            new = [self._data_file(table, address) for address in sorted(wanted)]
            with update.overwrite() if old else update.fast_append() as change:
                for file in old:
                    change.delete_data_file(file)
                for file in new:
                    change.append_data_file(file)
        return self._told(table, wanted, new, attempt)

    def _data_file(self, table: IcebergTable, address: str) -> DataFile:
        """What the table is to know of a file: its footer is read, and nothing else of it."""
        try:
            file = parquet_file_to_data_file(table.io, table.metadata, address)
        except (ValueError, pa.ArrowException) as problem:
            said = " ".join(str(problem).split())
            raise Stop(
                f"{address} has other columns than the table ({said}): clear the transform task."
            ) from problem
        return file

    def _told(self, table: IcebergTable, wanted: set[str], files: list[DataFile], attempt: str) -> Table:
        snapshot = _snapshot_of(table, attempt) or table.current_snapshot()
        return Table(
            name=".".join(_identifier(self.job)),
            key=self.job.key,
            snapshot=None if snapshot is None else str(snapshot.snapshot_id),
            rows=sum(file.record_count for file in files) if wanted else 0,
        )

    def _retried(self, work: Callable[[], T]) -> T:
        """What `work` gives, tried again while others change the same table or lock the catalog."""
        for attempt in range(_TRIES):
            try:
                with explained(self.location):
                    return work()
            except (CommitFailedException, CommitStateUnknownException, ValidationException) as problem:
                self.run.log.info("Another run changes the table at the same time (%s).", problem)
            except DBAPIError as problem:
                if not is_passing(problem):
                    raise catalog_problem(self.job, problem) from problem
            self.run.sleep(min(_LONGEST_WAIT, 0.05 * 2**attempt) * random.uniform(0.5, 1.5))  # noqa: S311
        raise RetryLater(
            f"Other runs change the table at {self.location} all the time. The staged file is kept."
        )

    # --- history -------------------------------------------------------------------------------------

    def _expired(self, table: IcebergTable, *, everything: bool) -> int:
        said = table.metadata.properties.get(_MAX_AGE)
        age = timedelta(milliseconds=int(said)) if said else _HISTORY
        before = (self.run.now() - age).timestamp() * 1000
        kept = {ref.snapshot_id for ref in table.metadata.refs.values()}
        old = [
            one
            for one in table.snapshots()
            if one.snapshot_id not in kept and (everything or one.timestamp_ms < before)
        ]
        if not old:
            return 0
        # Who has branches or tags of their own sees to the files of those, too.
        line = table.metadata.refs.keys() == {"main"}
        gone = {one.snapshot_id for one in old}
        rest = [one for one in table.snapshots() if one.snapshot_id not in gone]
        files = _left(table, old, rest) if line else set()
        with table.transaction() as transaction:
            ExpireSnapshots(transaction).by_ids(sorted(gone)).commit()
        for address in sorted(files):
            with suppress(FileNotFoundError):
                table.io.delete(address)
        return len(old)

    @contextmanager
    def _catalog(self) -> Iterator[Catalog]:
        catalog = self._retried(lambda: open_catalog(self.job, self.store, self.run))
        try:
            with explained(self.location):
                yield catalog
        except DBAPIError as problem:
            raise catalog_problem(self.job, problem) from problem
        finally:
            catalog.close()


def lake(job: Job, store: Store, run: Run) -> Lake:
    """The table of a job."""
    return Lake(job, store, run)


def _identifier(job: Job) -> tuple[str, str]:
    namespace, _, name = job.key.partition("/")
    return namespace, name


def _files(table: IcebergTable, window: Window, snapshot: int | None = None) -> list[DataFile]:
    """The files that the table, or a snapshot of it, shows for a window."""
    rows = f"{WINDOW_COLUMN} == '{window.start.isoformat()}'"
    return [task.file for task in table.scan(row_filter=rows, snapshot_id=snapshot).plan_files()]


def _snapshot_of(table: IcebergTable, attempt: str) -> Snapshot | None:
    for snapshot in reversed(table.snapshots()):
        if snapshot.summary is not None and snapshot.summary.additional_properties.get(_ATTEMPT) == attempt:
            return snapshot
    return None


def _left(table: IcebergTable, old: list[Snapshot], rest: list[Snapshot]) -> set[str]:
    """The files that only snapshots of `old` show, of a table whose snapshots are one line."""
    oldest = min(rest, key=lambda one: one.sequence_number or 0)
    lists = {one.snapshot_id: one.manifests(table.io) for one in [*old, oldest]}
    needed = {manifest.manifest_path for manifest in lists[oldest.snapshot_id]}
    files = set()
    for snapshot in [*old, oldest]:
        for manifest in lists[snapshot.snapshot_id]:
            if manifest.added_snapshot_id == snapshot.snapshot_id and manifest.deleted_files_count:
                files |= {
                    entry.data_file.file_path
                    for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=False)
                    if entry.status == ManifestEntryStatus.DELETED
                    and entry.snapshot_id == snapshot.snapshot_id
                }
            if manifest.manifest_path not in needed:
                files.add(manifest.manifest_path)
    return files | {one.manifest_list for one in old}
