"""A pipelines folder as a revision of git has it, laid out on the disk for as long as it is read.

Only job files, defaults and links are written, below a fresh folder, by names that cannot leave it;
nothing is checked out, so no filter of a repository ever runs. What no disk could hold, such as a file
beside a folder of the same name, is left out, as git would fail to check it out.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from schemas.folder import SUFFIXES
from schemas.tree import MAX_BYTES
from trawl.git import Entry, Repository

_NEVER: Final = frozenset({"", ".", "..", ".git"})
_LONGEST_LINK: Final = 4096


@contextmanager
def snapshot(repository: Repository, commit: str, name: str) -> Iterator[Path]:
    """A folder that holds the folder `name` of a commit; it is gone after the `with`."""
    with tempfile.TemporaryDirectory(prefix="trawl-") as temporary:
        top = Path(temporary, name)
        top.mkdir(parents=True)
        entries = [entry for entry in repository.files(commit, name) if _may_be_read(entry)]
        files = [entry for entry in entries if not entry.link and entry.size <= MAX_BYTES]
        for entry, content in zip(files, repository.blobs(entry.blob for entry in files), strict=True):
            with suppress(OSError):
                _new(top, entry.path).write_bytes(content)
        for entry in entries:
            if not entry.link and entry.size > MAX_BYTES:
                # Nobody reads what is in it: it is too large to be a job, and says so by its size.
                with suppress(OSError), _new(top, entry.path).open("wb") as file:
                    file.truncate(entry.size)
        # Last, so that nothing is ever written through one. The reader follows none that leads out.
        links = [entry for entry in entries if entry.link]
        for entry, content in zip(links, repository.blobs(entry.blob for entry in links), strict=True):
            with suppress(OSError):
                _new(top, entry.path).symlink_to(os.fsdecode(content.replace(b"\0", b"")) or "nowhere")
        yield Path(temporary)


def _may_be_read(entry: Entry) -> bool:
    """Whether the reader would look at it, and its name is one that git itself would check out."""
    if entry.link and entry.size > _LONGEST_LINK:
        return False
    if not entry.link and not entry.path.endswith(SUFFIXES):
        return False
    return not any(part.lower() in _NEVER for part in entry.path.split("/"))


def _new(top: Path, path: str) -> Path:
    place = top / path
    place.parent.mkdir(parents=True, exist_ok=True)
    return place
