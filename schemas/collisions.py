"""Whether two jobs would write the same object."""

from __future__ import annotations

import re
from collections.abc import Iterable
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


def collisions(jobs: Iterable[Job]) -> list[tuple[Job, Job]]:
    """Pairs (later, earlier by id) that would write one object; each later job once."""
    found: list[tuple[Job, Job]] = []
    seen: dict[str, list[Job]] = {}
    templates: dict[str, list[tuple[re.Pattern[str], Job]]] = {}
    literals: dict[str, Job] = {}
    lengths: set[int] = set()
    for job in sorted(jobs, key=lambda job: job.id):
        where = target(job)
        earlier = _same(job, seen.get(where, ())) or _matching(where, templates, literals, lengths)
        if earlier is not None:
            found.append((job, earlier))
            continue
        seen.setdefault(where, []).append(job)
        head, brace, _ = where.partition("{")
        if brace:
            templates.setdefault(head, []).append((_pattern(where), job))
            lengths.add(len(head))
        else:
            literals[where] = job
    return found


def _same(job: Job, others: Iterable[Job]) -> Job | None:
    return next((other for other in others if len(parse_key(job.key)) == 1 or _overlap(job, other)), None)


def _overlap(one: Job, other: Job) -> bool:
    a, b = one.date_range, other.date_range
    a_first = a.until is not None and b.since is not None and a.until <= b.since
    b_first = b.until is not None and a.since is not None and b.until <= a.since
    return not a_first and not b_first


def _pattern(where: str) -> re.Pattern[str]:
    pieces = re.split(r"\{([a-z]+)\}", where)
    return re.compile("".join(_DIGITS[p] if n % 2 else re.escape(p) for n, p in enumerate(pieces)))


def _matching(
    where: str,
    templates: dict[str, list[tuple[re.Pattern[str], Job]]],
    literals: dict[str, Job],
    lengths: set[int],
) -> Job | None:
    """An earlier job whose template can give this job's literal key, or the other way round."""
    if "{" in where:
        pattern = _pattern(where)
        head = where.partition("{")[0]
        candidates = (key for key in literals if key.startswith(head)) if literals else ()
        return next((literals[key] for key in candidates if pattern.fullmatch(key)), None)
    for length in lengths:
        for pattern, other in templates.get(where[:length], ()):
            if pattern.fullmatch(where):
                return other
    return None
