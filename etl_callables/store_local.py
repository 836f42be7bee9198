"""A folder of this machine as a bucket."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from etl_callables.errors import RetryLater, Stop, TrawlError
from etl_callables.store import Entry, Missing, checked

_PART: Final = ".trawl-part-"
"""How the name of a file begins that is being written. Its writer holds a lock on it while alive."""

_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED: Final = {errno.EACCES, errno.EPERM, errno.EROFS}
_WRONG_PLACE: Final = {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP}


@dataclass(frozen=True, slots=True)
class LocalStore:
    """Objects are files below `root`, which is created by the first write."""

    root: Path

    def url(self, key: str) -> str:
        return (Path(os.path.abspath(self.root)) / key).as_uri()  # noqa: PTH100 (resolve() follows links)

    def path(self, key: str) -> Path:
        """The file of a key."""
        return self.root / checked(key)

    def read(self, key: str) -> bytes:
        with _explained(self.path(key), "read"):
            return self.path(key).read_bytes()

    def open(self, key: str) -> BinaryIO:
        with _explained(self.path(key), "read"):
            return self.path(key).open("rb")

    def size(self, key: str) -> int | None:
        with _explained(self.path(key), "read"):
            try:
                status = self.path(key).stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
            return status.st_size if self.path(key).is_file() else None

    def list(self, folder: str) -> Iterator[Entry]:
        if self.root.exists() and not self.root.is_dir():  # no folder yet is an empty bucket; this is none
            problem = NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            raise _explain(problem, self.root, "list") from problem
        found = []
        for path in _files(self.root / folder):
            if not path.name.startswith(_PART):
                with suppress(FileNotFoundError):  # deleted since it was listed
                    found.append(Entry(path.relative_to(self.root).as_posix(), path.stat().st_size))
        return iter(sorted(found))

    def write(self, key: str, data: bytes) -> None:
        def fill(out: BinaryIO) -> None:
            out.write(data)

        _publish(self.path(key), fill)

    def put(self, path: Path, key: str) -> None:
        _copy(path, self.path(key))

    def copy(self, source: str, target: str) -> str:
        with _explained(self.path(source), "read"):
            self.path(source).stat()
        return _copy(self.path(source), self.path(target))

    def tag(self, key: str) -> str | None:
        with _explained(self.path(key), "read"):
            try:
                return _tag(self.path(key).stat())
            except (FileNotFoundError, NotADirectoryError):
                return None

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            with _explained(self.path(key), "delete"):
                self.path(key).unlink(missing_ok=True)
                for folder in self.path(key).parents:
                    if folder in {self.root, *self.root.parents}:
                        break
                    try:
                        folder.rmdir()  # an object store has no empty folders
                    except OSError:
                        break

    def sweep(self, folder: str) -> int:
        parts = _files(self.root / folder)
        return sum(_swept(path) for path in parts if path.name.startswith(_PART))

    def sweep_key(self, key: str) -> int:
        # Whose part it was is not told by its name; that its writer is dead is.
        return sum(_swept(path) for path in self.path(key).parent.glob(f"{_PART}*"))


def _files(folder: Path) -> Iterator[Path]:
    """The files below a folder that may not exist."""

    def refuse(problem: OSError) -> None:
        if problem.errno not in {errno.ENOENT, errno.ENOTDIR}:
            raise problem

    with _explained(folder, "list"):
        for parent, _, names in os.walk(folder, onerror=refuse):
            for name in names:
                yield Path(parent, name)


def _copy(source: Path, target: Path) -> str:
    def fill(out: BinaryIO) -> None:
        with source.open("rb") as data:
            shutil.copyfileobj(data, out, 1 << 20)

    return _publish(target, fill)


def _tag(status: os.stat_result) -> str:
    return f"{status.st_ino}-{status.st_mtime_ns}-{status.st_size}"


def _publish(path: Path, fill: Callable[[BinaryIO], None]) -> str:
    """Write beside `path` and move into place: readers see the old file or the new one, whole.

    The data reach the disk before the name does, and the name before this returns its tag.
    """
    with _explained(path, "write"):
        for _ in range(5):
            try:
                _make_folder(path.parent)
                part, out = _create_part(path.parent)
                break
            except FileNotFoundError:  # another process removed the folder it had just emptied
                continue
        else:
            raise RetryLater(
                f"The folder {path.parent} cannot be made, or vanishes while it is written to."
                " Nothing was published."
            )
        try:
            with out:
                fill(out)
                out.flush()
                os.fsync(out.fileno())
                tag = _tag(os.fstat(out.fileno()))
                part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
        return tag


def _create_part(folder: Path) -> tuple[Path, BinaryIO]:
    """A new, locked file in the folder. The lock dies with its process, which is how a sweep can tell."""
    while True:
        part = folder / f"{_PART}{secrets.token_hex(8)}"
        out = cast("BinaryIO", part.open("xb"))
        fcntl.flock(out, fcntl.LOCK_EX)
        if os.fstat(out.fileno()).st_nlink:
            return part, out
        out.close()  # a sweep came between creation and lock


def _swept(part: Path) -> bool:
    """Remove the part of a dead writer; False when its writer lives or another sweep was faster."""
    try:
        with part.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()
    except OSError:
        return False
    return True


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    with suppress(FileNotFoundError):  # its last file was deleted meanwhile, and it with it
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def _explained(path: Path, verb: str) -> Iterator[None]:
    """Turn what the file system says into a sentence and a consequence."""
    try:
        yield
    except OSError as error:
        raise _explain(error, path, verb) from error


def _explain(error: OSError, path: Path, verb: str) -> TrawlError:
    if error.errno in _FULL:
        return RetryLater(f"The disk of {path.parent} is full ({error.strerror}). Nothing was published.")
    if error.errno in _REFUSED:
        return Stop(
            f"This user may not {verb} {path} ({error.strerror}): "
            "change the folder's owner or mode, or the job's `bucket`."
        )
    if isinstance(error, FileNotFoundError):
        return Missing(f"There is no file {path}.")
    if error.errno in _WRONG_PLACE:
        return Stop(f"Cannot {verb} {path} ({error.strerror}): choose another `bucket` or `key` in the job.")
    unwritten = " Nothing was published." if verb == "write" else ""
    return RetryLater(f"Cannot {verb} {path} now ({error.strerror or error}).{unwritten}")
