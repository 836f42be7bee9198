"""The three callables that every DAG shares: extract, transform, load.

They know nothing of Airflow: each takes the job, the window and the run, and returns a small dict of
URIs and counts for the next. They are loaded on first use, so that importing the package is free.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etl_callables.extraction import extract as extract
    from etl_callables.loading import load as load
    from etl_callables.transformation import transform as transform

__all__ = ["extract", "load", "transform"]

_MODULES = {
    "extract": "etl_callables.extraction",
    "transform": "etl_callables.transformation",
    "load": "etl_callables.loading",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
