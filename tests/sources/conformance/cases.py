"""Every source under test: one module each, named after source and provider, which has its `CASE`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from etl_callables.sources import SOURCES
from tests.sources.conformance.case import Case

HERE = Path(__file__).parent
MODULES = {
    (source, via): f"{source}_{via}".replace("-", "_")
    for source, providers in SOURCES.items()
    for via in providers
}
"""(source, via) -> module of this folder."""


def missing() -> list[str]:
    """What a person still has to write."""
    return [
        f"{' via '.join(name)} wants a CASE in tests/sources/conformance/{module}.py"
        for name, module in MODULES.items()
        if not (HERE / f"{module}.py").is_file()
    ]


def case_of(source: str, via: str) -> Case:
    case: Case = import_module(f"tests.sources.conformance.{MODULES[source, via]}").CASE
    assert (case.source, case.via) == (source, via)
    return case


CASES = [case_of(*name) for name, module in MODULES.items() if (HERE / f"{module}.py").is_file()]
