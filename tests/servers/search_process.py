"""X's search as a process of its own: `python -m tests.servers.search_process FOLDER PAGES PER_PAGE`.

Serves PAGES pages of PER_PAGE tweets, newest first, a tweet a minute. Each search that arrives is a
line in FOLDER/asked (`first` or the cursor); an answer is only sent once FOLDER/allowed holds at least
as many bytes as searches have been answered, so that a test decides how far a client gets. Its
environment for clients is in FOLDER/environment.json once it listens.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.servers.authority import Authority
from tests.servers.tweets import entry_2026
from tests.servers.x_search import HOSTS, Answer, Search, search_page

NEWEST = datetime(2021, 7, 5, 23, 59, tzinfo=UTC)


class Pages(Mapping[str | None, Sequence[Answer]]):
    """Pages by cursor: None, `1`, `2` …; after the last an empty one."""

    def __init__(self, pages: int, size: int) -> None:
        self.pages, self.size = pages, size

    def __getitem__(self, cursor: str | None) -> Sequence[Answer]:
        page = int(cursor or 0)
        first = page * self.size
        numbers = range(first, first + self.size) if page < self.pages else ()
        tweets = [entry_2026(1_000_000 - number, NEWEST - timedelta(minutes=number)) for number in numbers]
        return [search_page(tweets, str(page + 1))]

    def __iter__(self) -> Iterator[str | None]:
        return iter([None, *map(str, range(1, self.pages + 1))])

    def __len__(self) -> int:
        return self.pages + 1


class Gated(Search):
    """Writes down what is asked, and answers when it may."""

    folder: Path

    def answer(self, at: str | None, query: str) -> Answer:
        found = super().answer(at, query)
        with (self.folder / "asked").open("a") as asked:
            asked.write(f"{at or 'first'}\n")
        turn = len(self.asked)
        allowed = self.folder / "allowed"
        while allowed.stat().st_size < turn and not self.closing.is_set():
            time.sleep(0.005)
        return found


def main(folder: Path, pages: int, size: int) -> None:
    authority = Authority(folder)
    search = Gated(authority.serve(*HOSTS), str(authority.file), Pages(pages, size))
    search.folder = folder
    with search:
        part = folder / "environment.part"
        part.write_text(json.dumps(search.environment))
        part.rename(folder / "environment.json")
        sys.stdin.read()  # until whoever started this goes away


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
