"""The forms of a plan, by name."""

from __future__ import annotations

import json
from datetime import datetime

from trawl.plan import Plan
from trawl.plan.markdown import markdown
from trawl.plan.plain import plain
from trawl.plan.text import text


def printed(plan: Plan, as_format: str, now: datetime, width: int | None = None) -> str:
    """The plan as `text`, `markdown` or `json`; ends with a newline. `width` is of a terminal."""
    if as_format == "json":
        return json.dumps(plain(plan), indent=2, ensure_ascii=False) + "\n"
    return markdown(plan, now) if as_format == "markdown" else f"{text(plan, now, width)}\n"
