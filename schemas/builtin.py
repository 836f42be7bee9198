"""What a job means where nobody says anything: the defaults that the schema itself declares."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from schemas.shape import schema


@cache
def builtin_values(source: str | None) -> Mapping[str, Any]:
    """Dotted path to value, for a job with that source; mappings are not values, their parts are."""
    root = schema()
    values: dict[str, Any] = {}
    _collect(root["properties"], "", values)
    branch = _branch(root, source)
    if branch is not None:
        _collect(branch["properties"], "", values)
        options = root["$defs"][branch["properties"]["options"]["$ref"].removeprefix("#/$defs/")]
        _collect(options["properties"], "options.", values)
    return MappingProxyType(values)


def _collect(properties: dict[str, Any], prefix: str, values: dict[str, Any]) -> None:
    for name, part in properties.items():
        if "default" in part and not isinstance(part["default"], dict):
            values[prefix + name] = part["default"]
        if "properties" in part:
            _collect(part["properties"], f"{prefix}{name}.", values)


def _branch(root: dict[str, Any], source: str | None) -> dict[str, Any] | None:
    for rule in root["allOf"]:
        if rule["if"]["properties"]["source"]["const"] == source:
            return dict(rule["then"])
    return None
