"""What a job means where nobody says anything: the defaults that the schema itself declares."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from schemas.shape import schema


@cache
def builtin_values(source: str | None, via: str | None = None) -> Mapping[str, Any]:
    """Dotted path to value, for a job with that source and provider (None: the source's usual one).

    Mappings are not values, their parts are.
    """
    root = schema()
    values: dict[str, Any] = {}
    _collect(root["properties"], "", values)
    for branch in branches(source, via):
        _collect(branch["properties"], "", values)
        if "options" in branch["properties"]:
            options = root["$defs"][branch["properties"]["options"]["$ref"].removeprefix("#/$defs/")]
            _collect(options["properties"], "options.", values)
    return MappingProxyType(values)


def _collect(properties: dict[str, Any], prefix: str, values: dict[str, Any]) -> None:
    for name, part in properties.items():
        if "default" in part and not isinstance(part["default"], dict):
            values[prefix + name] = part["default"]
        if "properties" in part:
            _collect(part["properties"], f"{prefix}{name}.", values)


def branches(source: str | None, via: str | None = None) -> list[dict[str, Any]]:
    """What the schema adds for a source, and for its provider where that makes a difference."""
    found = []
    for rule in schema()["allOf"]:
        condition = rule["if"]
        asked = {name: part.get("const") for name, part in condition["properties"].items()}
        # A condition that lets `via` be absent is about the source's usual provider.
        said = via or (asked.get("via") if "via" not in condition["required"] else None)
        if asked in ({"source": source}, {"source": source, "via": said}):
            found.append(dict(rule["then"]))
    return found
