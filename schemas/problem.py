"""What is wrong with a job file, and where."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to mend in one file.

    `path` is as the person would type it (relative to the project), `line` and `column` are
    1-based and point at the culprit, `kind` is a short stable slug for tools (`unknown-key`),
    `message` says what is wrong and `hint`, where there is one, what to write instead.
    """

    path: str
    line: int
    column: int
    message: str
    kind: str
    hint: str = ""

    @property
    def said(self) -> str:
        """What is wrong and what to write instead."""
        return f"{self.message}; {self.hint}" if self.hint else self.message

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.said} [{self.kind}]"
