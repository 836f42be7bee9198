"""An extract from a Mastodon server as a process that can be killed: `python -m … URL BUCKET`.

Takes the hashtag covid of 5 July 2021, without a limit. Prints the result.
"""

from __future__ import annotations

import json
import sys

from etl_callables import extract
from etl_callables.run import Run
from tests.etl_callables.jobs import WINDOW, job

if __name__ == "__main__":
    asked = job(
        sys.argv[2],
        source="mastodon",
        via="api",
        options={"server": "mastodon.example", "hashtag": "covid"},
        source_connection="there",
    )
    run = Run(connection=lambda _: {"host": sys.argv[1]})
    print(json.dumps(extract(asked, WINDOW, run)))  # noqa: T201 - for the test that started it
