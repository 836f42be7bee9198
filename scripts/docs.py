"""Make the generated pages anew, or with `--check` say which of them are stale (and exit with 1)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from etl_callables.manifest import json_schema
from trawl import prices
from trawl.reference import reference

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    "docs/job-reference.md": reference,
    "docs/sources.md": prices.page,
    "schemas/manifest.schema.json": lambda: json.dumps(json_schema(), indent=2) + "\n",
}


def main(arguments: list[str]) -> int:
    """Write the pages, or compare them; the exit code."""
    stale = []
    for name, make in PAGES.items():
        path, text = ROOT / name, make()
        if arguments != ["--check"]:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
    for name in stale:
        print(f"{name} is stale; run: make docs")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
