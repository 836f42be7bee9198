"""What a job expects of each run."""

from __future__ import annotations

from datetime import timedelta

from schemas.draft import Draft
from schemas.duration import parse_duration
from schemas.fault import Fault
from schemas.job import Quality


def quality_of(draft: Draft) -> Quality | None:
    """What is expected, None where nothing is; faults go to the draft."""
    said = draft.said("quality")
    if said is None:
        return None
    if set(said) == {"on_breach"}:
        message = "on_breach says what follows where a bound does not hold, and there is no bound"
        draft.blame(Fault(message, "no-bound", 'add one, such as "min_posts: 10"', ("quality", "on_breach")))
    lowest, highest = (draft.said("quality", name) for name in ("min_posts", "max_posts"))
    if lowest is not None and highest is not None and lowest > highest:
        message = f"max_posts is below min_posts ({lowest}), so no run could be as expected"
        draft.blame(Fault(message, "bounds-order", "", ("quality", "max_posts")))
    limit = draft.said("limit")
    if lowest is not None and limit is not None and lowest > limit:
        message = f"a run keeps {limit} posts at most (limit), so none could have {lowest}"
        draft.blame(Fault(message, "beyond-limit", "", ("quality", "min_posts")))
    languages = draft.said("quality", "languages") or {}
    if (whole := round(sum(languages.values()), 6)) > 1:
        message = f"the lowest shares of languages add up to {whole:g}, so no run could be as expected"
        draft.blame(Fault(message, "bounds-order", "1 is all posts", ("quality", "languages")))
    median = said.get("median") or {}
    return Quality(
        min_posts=lowest,
        max_posts=highest,
        at_least=median.get("at_least"),
        at_most=median.get("at_most"),
        nulls=dict(said.get("nulls") or {}),
        languages={name.casefold(): share for name, share in languages.items()},
        newest_within=_newest_within(draft),
        on_breach=said.get("on_breach") or "fail",
    )


def _newest_within(draft: Draft) -> timedelta | None:
    value = draft.said("quality", "newest_within")
    if value is None:
        return None
    try:
        return parse_duration(value)
    except ValueError as error:
        path = ("quality", "newest_within")
        draft.blame(Fault(str(error), "bad-duration", "write 30s, 5 minutes or 2 hours", path))
        return None
