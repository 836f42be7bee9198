"""`trawl sources`: what there is to scrape from, what each provider needs, and whether it answers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from textwrap import wrap
from typing import Final

import click

from etl_callables.sources import SOURCES
from etl_callables.sources.facts import facts_of
from schemas.job import Job

_TIMEOUT: Final = 10
_REFUSING: Final = 500


@dataclass(frozen=True, slots=True)
class Provider:
    """One line: the words of its facts, how many jobs here use it, and what its connections are about.

    `connections` are those that the jobs name, each with whether the environment has it; others may be
    in Airflow's own database. `answer` is what its service said just now, empty where it was not asked.
    """

    source: str
    via: str
    usual: bool
    gives: str
    needs: str
    prices: str
    note: str
    jobs: int
    connections: Mapping[str, bool]
    answer: str = ""


def providers(jobs: Iterable[Job], environment: Mapping[str, str], *, ask: bool) -> list[Provider]:
    """Every provider there is; with `ask`, each service is asked once for its first page."""
    known = list(jobs)
    pairs = [(source, via) for source, vias in SOURCES.items() for via in vias]
    answers: Mapping[tuple[str, str], str] = {}
    if ask:
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  a list alone starts faster without

        with ThreadPoolExecutor(max(1, len(pairs))) as pool:
            homes = [facts_of(*pair).home for pair in pairs]
            answers = dict(zip(pairs, pool.map(answer_of, homes), strict=True))
    return [
        _provider(source, via, known, environment, answers.get((source, via), "")) for source, via in pairs
    ]


def _provider(
    source: str, via: str, jobs: Iterable[Job], environment: Mapping[str, str], answer: str
) -> Provider:
    facts = facts_of(source, via)
    mine = [job for job in jobs if (job.source, job.via) == (source, via)]
    names = sorted({job.source_connection for job in mine if job.source_connection})
    return Provider(
        source,
        via,
        next(iter(SOURCES[source])) == via,
        facts.gives,
        facts.connection,
        facts.prices,
        facts.note,
        len(mine),
        {name: f"AIRFLOW_CONN_{name.upper()}" in environment for name in names},
        answer,
    )


def answer_of(home: str) -> str:
    """Whether something answers at an address, in words; empty where there is no address."""
    if not home:
        return ""
    import urllib.error  # noqa: PLC0415  a list alone starts faster without
    import urllib.request  # noqa: PLC0415  as above

    begun = time.monotonic()
    request = urllib.request.Request(home, headers={"User-Agent": "trawl"})  # noqa: S310  addresses of our own
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as found:  # noqa: S310  as above
            status = int(found.status)
    except urllib.error.HTTPError as error:
        status = error.code
    except OSError as error:
        return f"no answer ({getattr(error, 'reason', None) or error})"
    took = f"{1000 * (time.monotonic() - begun):.0f} ms"
    # A refusal without credentials is an answer too.
    return f"in trouble (HTTP {status})" if status >= _REFUSING else f"answers ({took})"


def as_json(found: Iterable[Provider]) -> str:
    """The same for tools."""
    return json.dumps([asdict(provider) for provider in found], indent=2, ensure_ascii=False)


def as_text(found: Iterable[Provider], width: int) -> str:
    """A paragraph each, in lines of at most `width` columns where words allow."""
    return "\n".join(line for provider in found for line in _paragraph(provider, width))


def _paragraph(one: Provider, width: int) -> Iterator[str]:
    usual = " (usual)" if one.usual and len(SOURCES[one.source]) > 1 else ""
    count = f"; {one.jobs} job{'s'[: one.jobs != 1]} here" if one.jobs else ""
    name = click.style(f"{one.source} via {one.via}", bold=True)
    lines = [f"{usual}: {one.gives}{count}"]
    lines += [f"connection: {one.needs}"] if one.needs else []
    for connection, there in one.connections.items():
        where = "in the environment" if there else "not in the environment; it may be in Airflow"
        lines.append(f"{connection}: {where}")
    lines += [f"charges: {one.prices}"] if one.prices else []
    lines += [one.note] if one.note else []
    lines += [f"now: {one.answer}"] if one.answer else []
    first, *others = lines
    head = wrap(f"{one.source} via {one.via}{first}", max(20, width), subsequent_indent="  ")
    yield name + head[0].removeprefix(f"{one.source} via {one.via}")
    yield from head[1:]
    for line in others:
        yield from wrap(line, max(20, width), initial_indent="  ", subsequent_indent="    ")
