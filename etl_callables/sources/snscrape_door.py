"""The one door to snscrape, which is under the GPL (version 3 or later) and used unchanged.

Nothing else in Trawl imports it, so that whoever must not have it can leave it out.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import version as version_of
from importlib.util import find_spec
from types import ModuleType


def load(name: str) -> ModuleType:
    """One of snscrape's modules, without the others.

    Its package `snscrape.modules` imports all of them, by a call that Python 3.12 no longer has
    (`find_module`). A package of that name that does nothing, and looks for modules in the same
    folder, is put where Python finds it first.
    """
    package = "snscrape.modules"
    if package not in sys.modules:
        root = find_spec("snscrape")
        if root is None or root.submodule_search_locations is None:
            raise ModuleNotFoundError("snscrape is not installed", name="snscrape")
        empty = ModuleType(package, "snscrape's modules, each imported when it is asked for.")
        empty.__path__ = [f"{folder}/modules" for folder in root.submodule_search_locations]
        sys.modules[package] = empty
    return import_module(f"{package}.{name}")


def version() -> str:
    return f"snscrape {version_of('snscrape')}"
