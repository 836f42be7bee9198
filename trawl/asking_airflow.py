"""A connection as Airflow knows it: `python -m trawl.asking_airflow NAME`, its settings in the environment.

Prints it as JSON on the last line, for `trawl.connections` alone; exits with `ABSENT` where there is none.
"""

from __future__ import annotations

import json
import sys

from airflow.models.connection import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

from trawl.connections import ABSENT


def main(name: str) -> int:
    """Print the connection; 0, or ABSENT."""
    try:
        found = Connection.get_connection_from_secrets(name)
    except AirflowNotFoundException:
        return ABSENT
    values = {
        "type": found.conn_type,
        "host": found.host,
        "login": found.login,
        "password": found.password,
        "schema": found.schema,
        "port": found.port,
        "extra": found.extra_dejson,
    }
    print(f"\n{json.dumps(values)}")  # noqa: T201  this is what the module is for
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
