"""Keys with `?` for what a run fills in: IAM, S3 and DuckDB know no digits, but how many signs there are."""

from __future__ import annotations

from typing import Final

from schemas.job import Job
from schemas.key import TABLE, parse_key

_ANY: Final = {
    "date": "????-??-??",
    "year": "????",
    "month": "??",
    "day": "??",
    "hour": "??",
    "start": "????????T??????Z",
    "end": "????????T??????Z",
}


def wild_key(job: Job) -> str:
    """What the key of any of a job's objects, or of the files of its table, looks like, inside its bucket."""
    values = {**_ANY, "job": job.id.replace(".", "/")}
    key = "".join(values[piece] if n % 2 else piece for n, piece in enumerate(parse_key(job.key)))
    return f"{key}/*" if job.format == TABLE else key
