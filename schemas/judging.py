"""One verdict on a job's values: the schema's and the meaning's, one problem for one slip."""

from __future__ import annotations

from typing import Any, Final

from schemas.builtin import builtin_values
from schemas.draft import Draft
from schemas.fault import Fault, Path, Place, dotted
from schemas.inside import lines_of
from schemas.layers import Layers
from schemas.meaning import understand, via_fault
from schemas.quoting import quoting_faults
from schemas.shape import Misfit, misfits
from schemas.wording import fault_of
from schemas.words import short

# Values that a parser of their own explains better than a pattern can.
_EXPLAINED: Final = frozenset(
    {
        ("schedule",),
        ("bucket",),
        ("retry_delay",),
        ("timeout",),
        ("date_range", "since"),
        ("date_range", "until"),
    }
)


def judge(
    layers: Layers, job_id: str, root: str, *, partial: bool, known: list[Fault]
) -> tuple[dict[str, Any], list[Fault]]:
    """What the layers mean, and what is wrong with them beyond the faults known already."""
    quoted = list(quoting_faults(layers.value))
    faults: list[Fault] = list(quoted)
    in_quotes = {fault.path for fault in quoted}
    blamed = {fault.path for fault in (*known, *quoted) if fault.path}
    explained: dict[Path, Fault] = {}
    for misfit in misfits(layers.value, partial=partial):
        if any(misfit.path[:length] in blamed for length in range(1, len(misfit.path) + 1)) and not (
            # One slip, one problem; but a name that is none is another slip than the quotes of its value.
            misfit.keyword == "additionalProperties" and misfit.path in in_quotes
        ):
            continue
        fault = _via(misfit, layers.value) or _comment(misfit, layers) or fault_of(misfit)
        if misfit.path in _EXPLAINED and fault.kind == "wrong-form":
            explained[misfit.path] = fault
            continue
        faults.append(fault)
        if fault.path and not fault.at_key:
            blamed.add(fault.path)
    faults = [fault for fault in faults if not _renamed(fault, faults)]
    source, via = (
        said if isinstance(said := layers.value.get(name), str) else None for name in ("source", "via")
    )
    builtin = builtin_values(source, via)
    draft = Draft(job_id, root, layers.value, builtin, blamed)
    parts = understand(draft)
    heard = {fault.path for fault in draft.faults}
    faults += draft.faults
    faults += [fault for path, fault in explained.items() if path not in heard]
    return parts, faults


def _renamed(fault: Fault, faults: list[Fault]) -> bool:
    """Whether a key is missing only because it is there under a slip of the pen."""
    return fault.kind == "missing-key" and any(
        other.kind == "unknown-key"
        and other.path[:-1] == fault.path
        and fault.message.startswith(f'"{dotted((*fault.path, other.hint[14:-2]))}"')
        for other in faults
    )


def _comment(misfit: Misfit, layers: Layers) -> Fault | None:
    """The fault of a value that YAML took for a comment."""
    place = layers.own.tree.places.get(misfit.path)
    if misfit.value is not None or place is None:
        return None
    line = lines_of(layers.own.tree.text)[place.line - 1]
    after = line[place.column - 1 :].partition(":")[2].strip()
    if not after.startswith("#"):
        return None
    at = Place(place.line, line.index("#", place.column - 1) + 1)
    message = f'"{dotted(misfit.path)}" has no value: "#" after a space begins a comment'
    return Fault(message, "no-value", f'put it in quotes: "{short(after)}"', misfit.path, place=at)


def _via(misfit: Misfit, value: dict[str, Any]) -> Fault | None:
    if misfit.path == ("via",) and misfit.keyword == "enum":
        return via_fault(str(value.get("source")), str(misfit.value), misfit.extra)
    return None
