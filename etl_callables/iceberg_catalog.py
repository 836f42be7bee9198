"""Catalogs of Iceberg tables: how each is reached, and what it says in words of this project."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import (
    BadRequestError,
    CommitFailedException,
    CommitStateUnknownException,
    ForbiddenError,
    NoSuchPropertyException,
    NotInstalledError,
    OAuthError,
    RESTError,
    UnauthorizedError,
    ValidationException,
)
from sqlalchemy.exc import ArgumentError, DBAPIError

from etl_callables.errors import RetryLater, Stop
from etl_callables.run import STATE, Run
from etl_callables.store import Store
from etl_callables.store_local import LocalStore
from etl_callables.url import veiled
from schemas.job import Job

CATALOG: Final = f"{STATE}/catalog.sqlite"
"""The catalog of a local bucket, inside it: who has the one has the other."""

_NAME: Final = "trawl"

_UNREADABLE: Final = (ArgumentError, ImportError, NoSuchPropertyException, NotInstalledError, ValueError)
"""What comes of properties that no catalog can be made of."""


def open_catalog(job: Job, store: Store, run: Run) -> Catalog:
    """The catalog that a job names, or that of its local bucket, for the caller to close.

    Raises Stop for one that nobody says how to reach, and whatever its database says.
    """
    name = job.catalog_connection
    if name is not None:
        properties = {**_files_properties(job, run), **_said(name, run)}
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
    if not isinstance(store, LocalStore):
        raise Stop(
            f"{job.file} writes a table to {job.bucket}, and says no catalog: add"
            " catalog_connection, the name of an Airflow connection whose extra says how to reach one."
        )
    place = Path(store.root).absolute() / CATALOG
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise Stop(f"{place.parent} cannot be made ({problem.strerror}).") from problem
    return SqlCatalog(_NAME, uri=f"sqlite:///{place}?timeout=30")


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


def is_passing(problem: DBAPIError) -> bool:
    """Whether a database refused only because of what another did at the same moment."""
    return problem.connection_invalidated or any(word in str(problem.orig).lower() for word in _PASSING)


def catalog_problem(job: Job, problem: DBAPIError) -> Stop | RetryLater:
    """What a catalog's database said, with its consequence."""
    said = _told(problem.orig)
    if is_passing(problem):
        return RetryLater(f"The catalog of {job.file} is busy ({said}).")
    return Stop(f"The catalog of {job.file} cannot be used ({said}): look at it, or at catalog_connection.")


@contextmanager
def explained(where: str) -> Iterator[None]:
    """What catalogs and file systems say besides, as a sentence and a consequence."""
    try:
        yield
    except (CommitFailedException, CommitStateUnknownException, ValidationException):
        raise
    except (BadRequestError, ForbiddenError, OAuthError, UnauthorizedError) as problem:
        raise Stop(
            f"The catalog of {where} refuses ({_told(problem)}): look at catalog_connection."
        ) from problem
    except RESTError as problem:
        raise RetryLater(f"The catalog of {where} could not be asked ({_told(problem)}).") from problem
    except FileNotFoundError as problem:
        raise Stop(f"A file of the table at {where} is gone ({_told(problem)}): put it back.") from problem
    except PermissionError as problem:
        raise Stop(f"The table at {where} may not be read or written ({_told(problem)}).") from problem
    except OSError as problem:
        raise RetryLater(f"The table at {where} cannot be read or written ({_told(problem)}).") from problem
    except Exception as problem:
        if not type(problem).__module__.startswith(("botocore.", "aiobotocore.", "fsspec.")):
            raise
        from etl_callables.store_s3_errors import explain  # noqa: PLC0415 (botocore has been imported)

        raise explain(problem, "s3:GetObject", where) from problem


def _told(problem: object) -> str:
    """In its own words, on one line and without what addresses of connections may have."""
    return veiled(" ".join(str(problem).split()))
