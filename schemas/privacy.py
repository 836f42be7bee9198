"""What a job does to personal data before anything is written for good."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from schemas.columns import columns_of
from schemas.draft import Draft
from schemas.duration import parse_age
from schemas.fault import Fault
from schemas.job import Column, Pseudonyms

ONCE_ONLY: Final = frozenset({("rss", "feed")})
"""Sources, each with its provider, that cannot be asked for the past: their raw pages are all there is."""


def privacy_of(draft: Draft) -> dict[str, Any]:
    """The parts of a Job that say what is left out, columns among them, by name; faults go to the draft."""
    drop = tuple(draft.said("drop") or ())
    return {
        "columns": _columns(draft, drop),
        "drop": drop,
        "truncate": dict(draft.said("truncate") or {}),
        "pseudonymise": _pseudonyms(draft),
        "keep_raw": _keep_raw(draft),
        "keep": _keep(draft),
    }


def _columns(draft: Draft, drop: tuple[str, ...]) -> tuple[Column, ...]:
    said = draft.get("columns")
    columns = columns_of(said)
    if not drop:
        return columns
    if not isinstance(said, str):
        named = {column.field for column in columns}
        for place, name in enumerate(drop):
            if name in named:
                message = f'columns asks for "{name}", which drop leaves out'
                draft.blame(Fault(message, "dropped-column", "keep one of the two", ("drop", place)))
    left = tuple(column for column in columns if column.field not in drop)
    if not left and isinstance(said, str):
        message = "nothing is left to write once all of this is dropped"
        draft.blame(Fault(message, "nothing-left", "", ("drop",), at_key=True))
    return left


def _pseudonyms(draft: Draft) -> Pseudonyms | None:
    fields, key = (draft.said("pseudonymise", name) for name in ("fields", "key"))
    if fields is None or key is None:
        return None
    if draft.said("keep_raw") is None and not draft.at_fault("keep_raw"):
        source = (draft.said("source"), draft.get("via"))
        if source not in ONCE_ONLY:
            message = "raw pages still say what pseudonymise hides, and nothing says how long they are kept"
            hint = 'add "keep_raw: false", or an age such as "keep_raw: 30 days"'
            draft.blame(Fault(message, "raw-kept", hint, ("pseudonymise",), at_key=True))
    return Pseudonyms(tuple(fields), key, draft.said("pseudonymise", "stable") or "job")


def _keep_raw(draft: Draft) -> bool | timedelta:
    said: bool | str | None = draft.said("keep_raw")
    if said is None or said is True:
        return True
    source, via = draft.said("source"), draft.get("via")
    if (source, via) in ONCE_ONLY:
        message = f"{source} cannot be asked for the past, so a run made again needs its raw pages"
        draft.blame(Fault(message, "raw-needed", "leave it out", ("keep_raw",)))
    return parse_age(said) if isinstance(said, str) else False


def _keep(draft: Draft) -> timedelta | None:
    said = draft.said("keep")
    if said is None:
        return None
    age, raw = parse_age(said), draft.said("keep_raw")
    if isinstance(raw, str) and parse_age(raw) > age:
        message = f"raw pages go with their object, which is kept for {said}"
        draft.blame(Fault(message, "ages-order", "", ("keep_raw",)))
    return age
