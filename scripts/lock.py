"""Make requirements*.txt from the short list in pyproject.toml, or check them.

`--check` changes nothing and exits with 1 where the locks no longer follow from the list. Versions that
are locked stay as they are unless the list rules them out; to renew them, delete the locks first.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {
    "requirements.txt": ("--extra", "airflow", "--extra", "iceberg"),
    # What checking and planning need, and no more.
    "requirements-check.txt": ("--constraint", "requirements.txt"),
    # The development lock holds the same versions as the other, and more.
    "requirements-dev.txt": (
        *("--extra", "airflow", "--extra", "iceberg", "--extra", "dev", "--extra", "bench"),
        *("--constraint", "requirements.txt"),
    ),
}


def compile_locks(folder: Path) -> None:
    """Write the locks in `folder`, which holds pyproject.toml and the locks so far, if any."""
    for name, extra in LOCKS.items():
        subprocess.run(
            [
                *(sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--quiet"),
                *("--universal", "--python-version", "3.11", "--generate-hashes"),
                # No registry is named: whoever installs uses the one their pip is set up for.
                *("--no-emit-index-url", "--no-emit-find-links", "--custom-compile-command", "make lock"),
                *("--output-file", name, *extra),
            ],
            cwd=folder,
            check=True,
        )


def main(arguments: list[str]) -> int:
    if arguments != ["--check"]:
        compile_locks(ROOT)
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in ("pyproject.toml", *LOCKS):
            shutil.copy(ROOT / file, folder / file)
        compile_locks(folder)
        stale = [lock for lock in LOCKS if (folder / lock).read_bytes() != (ROOT / lock).read_bytes()]
    for lock in stale:
        print(f"{lock} does not follow from pyproject.toml; run: make lock")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
