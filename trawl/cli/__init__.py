"""The command line. Each command imports what it needs when it runs, so that all of them start fast.

Exit codes: 0 fine, 1 something the person wrote, 2 a command line that is wrong or names what is not
there, 3 a defect of Trawl;
130 for a run that Ctrl-C stopped, as shells expect.
"""

from __future__ import annotations

import errno
import os
import sys
from importlib import import_module
from typing import NoReturn

import click

from trawl.cli.group import trawl

for _commands in ("jobs", "buckets", "about"):
    import_module(f"trawl.cli.{_commands}")  # they register themselves, and are listed in this order

DEFECT = 3
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""What becomes of printing to a file on a disk that takes no more."""


def main() -> NoReturn:
    """Run the command line; a defect of ours ends with its trace and exit code 3."""
    try:
        try:
            trawl(prog_name="trawl")
        finally:
            sys.stdout.flush()
    except OSError as error:
        code = _unprinted(error) if error.errno in _FULL and error.filename is None else _defect()
    except Exception:  # noqa: BLE001  the outermost frame: anything that arrives here is our defect
        code = _defect()
    sys.exit(code)


def _unprinted(error: OSError) -> int:
    # What Python still has to print would fail once more when it ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    click.echo(f"Error: what was to be printed cannot be written: {error.strerror}", err=True)
    return 1


def _defect() -> int:
    import traceback

    traceback.print_exc()
    click.echo(
        "This is a defect of Trawl, not of your files. Please report it with the lines above.", err=True
    )
    return DEFECT


__all__ = ["main", "trawl"]
