"""The command line. Each command imports what it needs when it runs, so that all of them start fast.

Exit codes: 0 fine, 1 something the person wrote, 2 a wrong command line, 3 a defect of Trawl;
130 for a run that Ctrl-C stopped, as shells expect.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import NoReturn

import click

from trawl.cli.group import trawl

for _commands in ("jobs", "buckets", "about"):
    import_module(f"trawl.cli.{_commands}")  # they register themselves, and are listed in this order

DEFECT = 3


def main() -> NoReturn:
    """Run the command line; a defect of ours ends with its trace and exit code 3."""
    try:
        trawl(prog_name="trawl")
    except Exception:  # noqa: BLE001  the outermost frame: anything that arrives here is our defect
        import traceback

        traceback.print_exc()
        click.echo(
            "This is a defect of Trawl, not of your files. Please report it with the lines above.", err=True
        )
    sys.exit(DEFECT)


__all__ = ["main", "trawl"]
