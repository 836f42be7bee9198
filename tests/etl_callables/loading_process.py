"""Runs steps in processes that can be killed: `python -m tests.etl_callables.loading_process`.

For each line of JSON on its standard input (`step`, `bucket`, `given`) it forks, prints the child's id, and
prints how the child ended. It has imported everything and does nothing else, so that a step begins at once.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import etl_callables.store_s3  # noqa: F401 (what a step would import when it begins)
from etl_callables import load, transform
from tests.etl_callables.jobs import WINDOW, a_run, job

STEPS = {"transform": transform, "load": load}


def live(step: str, bucket: str, given: dict[str, Any]) -> None:
    """One step, to its end."""
    STEPS[step](job(bucket), WINDOW, a_run(), given)


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                live(**json.loads(line))
            except BaseException as problem:  # noqa: BLE001 (a child must never return into its parent's code)
                sys.stderr.write(f"{type(problem).__name__}: {problem}\n")
                os._exit(1)
            os._exit(0)
        tell(child)
        tell(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def tell(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
