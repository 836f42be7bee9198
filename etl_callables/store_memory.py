"""A bucket in this process's memory, for tests and examples: fsspec's memory file system."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import fsspec

from etl_callables.store import Entry, Missing, checked


def _files() -> Any:
    return fsspec.filesystem("memory")


@dataclass(frozen=True, slots=True)
class MemoryStore:
    """Objects below `memory://name`, gone with the process."""

    name: str

    def url(self, key: str) -> str:
        return f"memory://{self.name}/{key}"

    def read(self, key: str) -> bytes:
        try:
            return bytes(_files().cat_file(self._path(key)))
        except FileNotFoundError:
            raise Missing(f"There is no object {self.url(key)}.") from None

    def open(self, key: str) -> BinaryIO:
        return io.BytesIO(self.read(key))

    def size(self, key: str) -> int | None:
        return len(self.read(key)) if _files().isfile(self._path(key)) else None

    def list(self, folder: str) -> Iterator[Entry]:
        root = f"/{self.name}"
        found = _files().find(f"{root}/{folder}".rstrip("/"), detail=True)
        return iter(sorted(Entry(path[len(root) + 1 :], info["size"]) for path, info in found.items()))

    def write(self, key: str, data: bytes) -> None:
        _files().pipe_file(self._path(key), data)

    def put(self, path: Path, key: str) -> None:
        self.write(key, path.read_bytes())

    def copy(self, source: str, target: str) -> str:
        self.write(target, self.read(source))
        return self.tag(target) or ""

    def tag(self, key: str) -> str | None:
        if not _files().isfile(self._path(key)):
            return None
        return str(_files().created(self._path(key)).timestamp())

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            if _files().isfile(self._path(key)):
                _files().rm_file(self._path(key))

    def sweep(self, folder: str) -> int:
        del folder
        return 0

    def sweep_key(self, key: str) -> int:
        return self.sweep(key)

    def _path(self, key: str) -> str:
        return f"/{self.name}/{checked(key)}"
