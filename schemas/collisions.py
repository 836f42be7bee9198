"""Whether two jobs would write the same object."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from schemas.bucket import place_of
from schemas.job import Job
from schemas.key import parse_key

_DIGITS: Final = {
    "date": r"\d{4}-\d{2}-\d{2}",
    "year": r"\d{4}",
    "month": r"\d{2}",
    "day": r"\d{2}",
    "hour": r"\d{2}",
    "start": r"\d{8}T\d{6}Z",
    "end": r"\d{8}T\d{6}Z",
}


def target(job: Job) -> str:
    """Where a job writes, in one spelling: bucket and key, {job} filled in, {date} in its parts."""
    pieces = []
    for place, piece in enumerate(parse_key(job.key)):
        if place % 2 == 0:
            pieces.append(piece)
        elif piece == "job":
            pieces.append(job.id.replace(".", "/"))
        else:
            pieces.append("{year}-{month}-{day}" if piece == "date" else f"{{{piece}}}")
    return f"{place_of(job.bucket, job.root)}/{''.join(pieces)}"


def key_pattern(job: Job) -> re.Pattern[str]:
    """What each key that the job writes looks like, inside its bucket."""
    return _pattern(target(job)[len(place_of(job.bucket, job.root)) + 1 :])


def collisions(jobs: Iterable[Job]) -> list[tuple[Job, Job]]:
    """Pairs (later, earlier by id) that would write one object; each later job once."""
    found: dict[str, tuple[Job, Job]] = {}
    same: dict[str, list[Job]] = {}
    for job in sorted(jobs, key=lambda job: job.id):
        others = same.setdefault(target(job), [])
        earlier = next((other for other in others if _overlap(job, other)), None)
        if earlier is not None:
            found[job.id] = job, earlier
        others.append(job)
    for literal, template in _matches(same):
        pair = sorted((same[literal][0], same[template][0]), key=lambda job: job.id, reverse=True)
        found.setdefault(pair[0].id, (pair[0], pair[1]))
    return [found[job_id] for job_id in sorted(found)]


def _overlap(one: Job, other: Job) -> bool:
    """Whether there is a run of each that writes one object, given that their keys are alike."""
    if len(parse_key(one.key)) == 1 or set(parse_key(one.key)[1::2]) == {"job"}:
        return True
    a, b = one.date_range, other.date_range
    a_first = a.until is not None and b.since is not None and a.until <= b.since
    b_first = b.until is not None and a.since is not None and b.until <= a.since
    return not a_first and not b_first


def _matches(targets: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Pairs of a target without placeholders and one that can become it."""
    templates: dict[str, list[str]] = {}
    literals: list[str] = []
    for where in targets:
        head, brace, _ = where.partition("{")
        if brace:
            templates.setdefault(head, []).append(where)
        else:
            literals.append(where)
    lengths = {len(head) for head in templates}
    for literal in literals:
        for length in lengths:
            for template in templates.get(literal[:length], ()):
                if _pattern(template).fullmatch(literal):
                    yield literal, template


@lru_cache(maxsize=4096)
def _pattern(template: str) -> re.Pattern[str]:
    pieces = re.split(r"\{([a-z]+)\}", template)
    return re.compile("".join(_DIGITS[p] if n % 2 else re.escape(p) for n, p in enumerate(pieces)))
