"""Connections outside Airflow: from the environment, as Airflow itself reads them there.

`AIRFLOW_CONN_<NAME>` holds a URI or a JSON object. Only where it is absent, and this project has an Airflow,
is that one asked, in a process of its own, for it takes seconds to import and touches what it finds.
https://airflow.apache.org/docs/apache-airflow/stable/howto/connection.html
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from etl_callables.errors import Stop

Connection = Mapping[str, Any]
"""`type`, `host`, `login`, `password`, `schema`, `port`, and `extra`, a dict;
None or empty where nothing is said."""

ABSENT: Final = 4
"""The exit code of `trawl.asking_airflow` where Airflow knows no connection of that name."""

_PROTOCOLS: Final = 2


def variable(name: str) -> str:
    """The environment variable of a connection."""
    return f"AIRFLOW_CONN_{name.upper()}"


def connections(root: Path, environment: Mapping[str, str] | None = None) -> Callable[[str], Connection]:
    """What resolves the names of connections for a project, as `Run.connection`.

    The result raises LookupError for a name that nobody knows, Stop for one that cannot be read. It asks
    Airflow once a name.
    """
    known = os.environ if environment is None else environment
    asked: dict[str, Connection] = {}

    def resolve(name: str) -> Connection:
        if value := known.get(variable(name), "").strip():
            return parsed(name, value)
        if name not in asked:
            asked[name] = _from_airflow(name, root, known)
        return asked[name]

    return resolve


def parsed(name: str, value: str) -> Connection:
    """A connection from its variable's value; Stop, without the value, where it is neither of both forms."""
    try:
        return _of_json(json.loads(value)) if value.startswith("{") else _of_uri(value)
    except (ValueError, TypeError, AttributeError):
        raise Stop(
            f"{variable(name)} is no connection: write type://login:password@host:port/schema, with special"
            ' characters as in a URL, or a JSON object such as {"conn_type": "http", "password": "…"}.'
        ) from None


def _of_json(value: dict[str, Any]) -> Connection:
    known = {"conn_type", "description", "host", "login", "password", "schema", "port", "extra"}
    if not value.keys() <= known:
        raise ValueError
    extra = value.get("extra") or {}
    port = value.get("port")
    return {
        "type": _kind(value.get("conn_type") or ""),
        **{field: value.get(field) for field in ("host", "login", "password", "schema")},
        "port": int(port) if port not in {None, ""} else None,
        "extra": dict(json.loads(extra) if isinstance(extra, str) else extra),
    }


def _of_uri(uri: str) -> Connection:
    """`type://protocol://host` is two protocols: the first is the type, the second belongs to the host."""
    kind = urlsplit(uri).scheme
    protocols = uri.count("://")
    if (not kind and not uri.startswith("//")) or protocols > _PROTOCOLS:
        raise ValueError
    nested = protocols == _PROTOCOLS
    parts = urlsplit(uri[len(kind) + 3 :] if nested else uri[len(kind) + 1 :] if kind else uri)
    host = _host(parts)
    return {
        "type": _kind(kind),
        "host": f"{parts.scheme}://{host}" if nested and host else host,
        "login": None if parts.username is None else unquote(parts.username),
        "password": None if parts.password is None else unquote(parts.password),
        "schema": unquote(parts.path[1:]),
        "port": parts.port,
        "extra": _extra(parts.query),
    }


def _host(parts: SplitResult) -> str:
    """The host, which may be quoted and then keeps its case, as a socket's path does."""
    host = unquote(parts.hostname or "")
    if "/" in host:
        host = unquote(parts.netloc.rpartition("@")[2].partition(":")[0])
    return host


def _extra(query: str) -> dict[str, Any]:
    values: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
    if "__extra__" in values:
        return dict(json.loads(values["__extra__"]))
    for field, value in values.items():
        with suppress(ValueError):
            values[field] = json.loads(value)
    return values


def _kind(word: str) -> str:
    return "postgres" if word == "postgresql" else word.replace("-", "_")


def _from_airflow(name: str, root: Path, known: Mapping[str, str]) -> Connection:
    settings = airflow_environment(root, known)
    if settings is None:
        raise LookupError(name)
    done = subprocess.run(  # noqa: S603  our own Python; the name is an argument, never a command
        [sys.executable, "-m", "trawl.asking_airflow", name],
        env=settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode == ABSENT:
        raise LookupError(name)
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        raise Stop(
            f"Airflow could not be asked for the connection {name}: see what `airflow connections get {name}`"
            f" says, or set {variable(name)}."
        )
    found: Connection = json.loads(lines[-1])
    return found


def airflow_environment(root: Path, known: Mapping[str, str]) -> dict[str, str] | None:
    """The environment of the project's Airflow: the one named by AIRFLOW_HOME, or `.airflow` of `trawl up`.

    None where there is none: asking would set up an empty one in the person's home.
    """
    if find_spec("airflow") is None:
        return None
    if known.get("AIRFLOW_HOME"):
        return dict(known)
    home = root / ".airflow"
    if not home.is_dir():
        return None
    from trawl.local import environment  # noqa: PLC0415  for those who have one

    return {**environment(root, home), **known, "AIRFLOW_HOME": str(home)}
