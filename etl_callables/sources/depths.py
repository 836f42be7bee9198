"""How much services give of one list, or in one day, however they are asked: what they publish or show."""

from __future__ import annotations

from typing import Final

REDDIT_LISTING: Final = 1000
REDDIT_SEARCH: Final = 250
"""Reddit's newest posts in a subreddit and, about so many, in a search; less what was removed."""

X_TIMELINE: Final = 3200
X_WITHOUT_REPLIES: Final = 800
"""A user's newest posts on X, all of them or without the replies."""

YOUTUBE_SEARCHES: Final = 100
YOUTUBE_UNITS: Final = 10_000
"""A project's questions a day: searches, and units for everything else."""

YOUTUBE_PAGE: Final = 50
"""Videos that a search gives at most."""
