"""The query of a source that cannot search, while it runs: `schemas.search`, in the words of a run."""

from __future__ import annotations

from etl_callables.errors import Stop
from schemas import search
from schemas.fault import Slip
from schemas.search import Words

__all__ = ["Words", "parse"]


def parse(query: str | None) -> Words:
    """A query's words; Stop for what the language does not have, naming it."""
    try:
        return search.parse(query)
    except Slip as slip:
        hint = f" ({slip.hint})" if slip.hint else ""
        raise Stop(f"The job cannot be searched for: {slip}{hint}.") from None
