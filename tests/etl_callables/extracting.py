"""An extract as a process that can be killed: `python -m tests.etl_callables.extracting BUCKET LIMIT RUN`.

Searches Twitter for 5 July 2021, wherever the environment leads. LIMIT 0 is none. Prints the result.
"""

from __future__ import annotations

import json
import logging
import sys

from etl_callables import extract
from etl_callables.run import Run
from schemas.window import Window
from tests.trawl.jobs import job, utc

WINDOW = Window(utc(2021, 7, 5), utc(2021, 7, 6))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    asked = job(source="twitter", via="snscrape", bucket=sys.argv[1], limit=int(sys.argv[2]) or None)
    print(json.dumps(extract(asked, WINDOW, Run(id=sys.argv[3]))))  # noqa: T201 - for the test that started it
