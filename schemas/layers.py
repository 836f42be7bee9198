"""A job over its defaults: one effective value, every part of which knows the file it is from."""

from __future__ import annotations

from typing import Any, NamedTuple

from schemas.fault import Path, Place
from schemas.job import Origin
from schemas.tree import Tree


class Layer(NamedTuple):
    """A file as read: its path as the person would type it, and its bytes for the digest."""

    file: str
    data: bytes
    tree: Tree


class Layers(NamedTuple):
    """The job's own layer, then its defaults from the nearest folder outward, and what they add up to.

    Mappings merge key by key; anything else is replaced by the nearest.
    """

    layers: tuple[Layer, ...]
    value: dict[str, Any]

    @property
    def own(self) -> Layer:
        """The job's own file."""
        return self.layers[0]

    def find(self, path: Path, *, at_key: bool = False) -> tuple[Layer, Place] | None:
        """The file that says the value at `path`, and where; None where no file says it."""
        for layer in self.layers:
            place = (layer.tree.keys if at_key else layer.tree.places).get(path)
            if place is not None:
                return layer, place
        return None


def lay(layers: tuple[Layer, ...]) -> Layers:
    """The layers, nearest first, added up."""
    value = layers[-1].tree.value
    for layer in reversed(layers[:-1]):
        value = _over(layer.tree.value, value)
    return Layers(layers, value)


def _over(near: dict[str, Any], far: dict[str, Any]) -> dict[str, Any]:
    merged = dict(far)
    for key, value in near.items():
        below = far.get(key)
        merged[key] = _over(value, below) if isinstance(value, dict) and isinstance(below, dict) else value
    return merged


def written(layers: Layers) -> tuple[dict[str, Any], dict[str, Origin]]:
    """Every effective value by dotted path, and its origin; lists are values, mappings are not."""
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}

    def walk(part: dict[str, Any], path: Path, name: str) -> None:
        for key, value in part.items():
            inner, dotted = (*path, key), f"{name}{key}"
            if isinstance(value, dict) and value:
                walk(value, inner, f"{dotted}.")
                continue
            values[dotted] = value
            found = layers.find(inner)
            if found is not None:
                layer, place = found
                origins[dotted] = Origin(layer.file, place.line, place.column)

    walk(layers.value, (), "")
    return values, origins
