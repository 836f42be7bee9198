"""What is told of an object once its manifest is written: to whoever waits for it, and to lineage."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from etl_callables.manifest import Manifest


def announcement(manifest: Manifest, url: str, *, unchanged: bool) -> dict[str, Any]:
    """The gist of a manifest, which is at `url`, in plain JSON values.

    `partition` is the object's key, `start` and `end` its window in UTC, `size` its bytes; `unchanged` says
    that these very bytes were there before, so that nothing was written.
    """
    return {
        "job": manifest.job,
        "object": manifest.object.url,
        "partition": manifest.object.key,
        "manifest": url,
        "start": _written(manifest.start),
        "end": _written(manifest.end),
        "posts": manifest.counts.kept,
        "truncated": manifest.truncated,
        "complete": manifest.complete,
        "size": manifest.object.size,
        "sha256": manifest.object.sha256,
        "unchanged": unchanged,
        "run": manifest.run,
        "variant": manifest.variant,
    }


def _written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
