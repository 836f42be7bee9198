"""A job while it is being understood: its effective values, without those already found at fault."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from schemas.fault import Fault, Path


class Draft:
    """Values by path, and the faults found so far; a value at fault counts as not said."""

    def __init__(
        self,
        job_id: str,
        root: str,
        value: dict[str, Any],
        builtin: Mapping[str, Any],
        blamed: Iterable[Path],
    ) -> None:
        self.job_id = job_id
        self.root = root
        self.faults: list[Fault] = []
        self._value = value
        self._builtin = builtin
        self._blamed = set(blamed)

    def said(self, *path: str) -> Any:
        """The value that a file says, None where none does or where it is at fault."""
        part: Any = self._value
        for step in path:
            if not isinstance(part, dict) or step not in part:
                return None
            part = part[step]
        return None if self.at_fault(*path) else part

    def at_fault(self, *path: str) -> bool:
        """Whether the value, something in it or something around it is at fault."""
        if not self._blamed:
            return False
        return any(blamed[: len(path)] == path[: len(blamed)] for blamed in self._blamed)

    def get(self, *path: str) -> Any:
        """The value that a file says, otherwise the built-in default."""
        value = self.said(*path)
        return self._builtin.get(".".join(path)) if value is None else value

    def blame(self, fault: Fault) -> None:
        """Note a fault; what it is about is not looked at again."""
        self.faults.append(fault)
        if fault.path and not fault.at_key:
            self._blamed.add(fault.path)
