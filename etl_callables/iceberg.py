"""Iceberg tables: a job's rows by window, each window replaced in one commit.

The data file of a window is the file that transform staged: it is copied below the table on the store's own
side, and the commit takes it in and the window's former file out, in one snapshot. No row is read here. Old
snapshots are kept for who is reading them, for as long as the table's `history.expire.max-snapshot-age-ms`
says.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import pyarrow as pa
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import (
    BadRequestError,
    CommitFailedException,
    CommitStateUnknownException,
    ForbiddenError,
    NamespaceAlreadyExistsError,
    NoSuchPropertyException,
    NoSuchTableError,
    NotInstalledError,
    OAuthError,
    RESTError,
    TableAlreadyExistsError,
    UnauthorizedError,
    ValidationException,
)
from pyiceberg.io.pyarrow import parquet_file_to_data_file, pyarrow_to_schema
from pyiceberg.manifest import DataFile, ManifestEntryStatus
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table import TableProperties
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update.snapshot import ExpireSnapshots
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import ListType, NestedField
from sqlalchemy.exc import ArgumentError, DBAPIError

from etl_callables.errors import RetryLater, Stop
from etl_callables.manifest import Table
from etl_callables.run import STATE, Run
from etl_callables.store import Store
from etl_callables.store_local import LocalStore
from etl_callables.table import output_schema, window_column
from schemas.job import Job
from schemas.key import WINDOW_COLUMN
from schemas.window import Window

CATALOG: Final = f"{STATE}/catalog.sqlite"
"""The catalog of a local bucket, inside it: who has the one has the other."""

_NAME: Final = "trawl"
_OWNER: Final = "trawl.job"
_ATTEMPT: Final = "trawl.attempt"
_TRIES: Final = 12
"""How often a commit is tried while others commit to the same table."""

_LONGEST_WAIT: Final = 5.0
_HISTORY: Final = timedelta(days=5)
"""Iceberg's own: how old a snapshot may become where the table does not say."""

_MAX_AGE: Final = "history.expire.max-snapshot-age-ms"
_FIELD_ID: Final = b"PARQUET:field_id"

_UNREADABLE: Final = (ArgumentError, ImportError, NoSuchPropertyException, NotInstalledError, ValueError)
"""What comes of properties that no catalog can be made of."""

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
            return _identified(self._plain(), self._retried(lambda: self._table(catalog)).schema())

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
        missing = [name for name in self._plain().names if name not in _names(table.schema())]
        if missing:
            fresh = _fresh(self._plain())
            with table.update_schema() as update:
                for name in missing:
                    update.add_column((name,), fresh.find_field(name).field_type)
        return table

    def _create(self, catalog: Catalog, identifier: tuple[str, str]) -> None:
        schema = _fresh(self._plain())
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
        there = _names(table.schema())
        for field in _fresh(self._plain()).fields:
            old = there.get(field.name)
            if old is not None and _kind(old) != _kind(field):
                raise Stop(
                    f'The column "{field.name}" of the table {name} is {_kind(old)}, and {self.job.file}'
                    f" would write {_kind(field)}: give the column another name."
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
                with _explained(self.location):
                    return work()
            except (CommitFailedException, CommitStateUnknownException, ValidationException) as problem:
                self.run.log.info("Another run changes the table at the same time (%s).", problem)
            except DBAPIError as problem:
                if not _is_passing(problem):
                    raise _catalog_problem(self.job, problem) from problem
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

    # --- the catalog ---------------------------------------------------------------------------------

    @contextmanager
    def _catalog(self) -> Iterator[Catalog]:
        catalog = self._retried(self._opened)
        try:
            with _explained(self.location):
                yield catalog
        except DBAPIError as problem:
            raise _catalog_problem(self.job, problem) from problem
        finally:
            catalog.close()

    def _opened(self) -> Catalog:
        name = self.job.catalog_connection
        if name is not None:
            properties = {**_files_properties(self.job, self.run), **_said(name, self.run)}
            try:
                return load_catalog(name, **properties)
            except DBAPIError:
                raise
            except _UNREADABLE as problem:
                # Not what they say: that may have a password in it.
                raise Stop(
                    f"The extra of connection {name!r} does not say how to reach a catalog, or what it needs"
                    f" is not installed ({type(problem).__name__}): see how pyiceberg has its catalogs."
                ) from problem
        if not isinstance(self.store, LocalStore):
            raise Stop(
                f"{self.job.file} writes a table to {self.job.bucket}, and says no catalog: add"
                " catalog_connection, the name of an Airflow connection whose extra says how to reach one."
            )
        place = Path(self.store.root).absolute() / CATALOG
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise Stop(f"{place.parent} cannot be made ({problem.strerror}).") from problem
        return SqlCatalog(_NAME, uri=f"sqlite:///{place}?timeout=30")


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


# --- columns -----------------------------------------------------------------------------------------


def _fresh(schema: pa.Schema) -> Schema:
    """Columns as a new table would have them."""
    numbers = iter(range(1, 10_000))
    return pyarrow_to_schema(_with_ids(schema, lambda _name, _inner: next(numbers)))


def _identified(schema: pa.Schema, table: Schema) -> pa.Schema:
    """The same columns with their ids in a table."""

    def of(name: str, inner: bool) -> int:
        field = table.find_field(name)
        if inner and isinstance(field.field_type, ListType):
            return field.field_type.element_id
        return field.field_id

    return _with_ids(schema, of)


def _with_ids(schema: pa.Schema, number: Callable[[str, bool], int]) -> pa.Schema:
    fields = []
    for field in schema:
        said: dict[bytes | str, bytes | str] = {_FIELD_ID: str(number(field.name, False))}
        kind: pa.DataType = field.type
        if isinstance(kind, pa.ListType):
            inner: dict[bytes | str, bytes | str] = {_FIELD_ID: str(number(field.name, True))}
            kind = pa.list_(kind.value_field.with_metadata(inner))
        fields.append(pa.field(field.name, kind, metadata=said))
    return pa.schema(fields)


def _names(schema: Schema) -> dict[str, NestedField]:
    return {field.name: field for field in schema.fields}


def _kind(field: NestedField) -> str:
    """A column's type in words, without ids."""
    kind = field.field_type
    return f"list<{kind.element_type}>" if isinstance(kind, ListType) else str(kind)


# --- connections and errors --------------------------------------------------------------------------


def _said(name: str, run: Run) -> dict[str, str]:
    """The properties of a catalog, as the extra of its connection says them."""
    try:
        extra = run.connection(name).get("extra") or {}
    except LookupError:
        raise Stop(
            f"There is no connection {name!r}: create it in Airflow; its extra has the properties of the"
            ' catalog, such as {"type": "rest", "uri": "https://…"}.'
        ) from None
    if not isinstance(extra, Mapping) or not extra:
        raise Stop(
            f"The extra of connection {name!r} does not say how to reach a catalog: write a JSON object, such"
            ' as {"type": "rest", "uri": "https://…"}.'
        )
    return {key: value if isinstance(value, str) else str(value) for key, value in extra.items()}


def _files_properties(job: Job, run: Run) -> dict[str, str]:
    """How the table's own files are reached: as the store reaches the bucket."""
    if not job.bucket.startswith("s3://"):
        return {}
    from etl_callables.store_s3 import credentials  # noqa: PLC0415 (botocore costs half a second)

    found: dict[str, Any] = credentials(job.bucket_connection, run) if job.bucket_connection else {}
    said = {
        "py-io-impl": "pyiceberg.io.fsspec.FsspecFileIO",
        "s3.access-key-id": found.get("key"),
        "s3.secret-access-key": found.get("secret"),
        "s3.session-token": found.get("token"),
        "s3.endpoint": found.get("endpoint_url"),
        "s3.region": (found.get("client_kwargs") or {}).get("region_name"),
    }
    return {key: value for key, value in said.items() if value}


_PASSING: Final = ("locked", "busy", "already exists", "unique", "deadlock", "serialize")


def _is_passing(problem: DBAPIError) -> bool:
    """Whether a database refused only because of what another did at the same moment."""
    return problem.connection_invalidated or any(word in str(problem.orig).lower() for word in _PASSING)


def _catalog_problem(job: Job, problem: DBAPIError) -> Stop | RetryLater:
    said = " ".join(str(problem.orig).split())
    if _is_passing(problem):
        return RetryLater(f"The catalog of {job.file} is busy ({said}).")
    return Stop(f"The catalog of {job.file} cannot be used ({said}): look at it, or at catalog_connection.")


@contextmanager
def _explained(where: str) -> Iterator[None]:
    """What catalogs and file systems say besides, as a sentence and a consequence."""
    try:
        yield
    except (CommitFailedException, CommitStateUnknownException, ValidationException):
        raise
    except (BadRequestError, ForbiddenError, OAuthError, UnauthorizedError) as problem:
        raise Stop(f"The catalog of {where} refuses ({problem}): look at catalog_connection.") from problem
    except RESTError as problem:
        raise RetryLater(f"The catalog of {where} could not be asked ({problem}).") from problem
    except FileNotFoundError as problem:
        raise Stop(f"A file of the table at {where} is gone ({problem}): put it back.") from problem
    except PermissionError as problem:
        raise Stop(f"The table at {where} may not be read or written ({problem}).") from problem
    except OSError as problem:
        raise RetryLater(f"The table at {where} cannot be read or written ({problem}).") from problem
    except Exception as problem:
        if not type(problem).__module__.startswith(("botocore.", "aiobotocore.", "fsspec.")):
            raise
        from etl_callables.store_s3_errors import explain  # noqa: PLC0415 (botocore has been imported)

        raise explain(problem, "s3:GetObject", where) from problem
