"""The example archive is what its script writes, and what its README says."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from etl_callables.post import Post
from etl_callables.run import Run
from etl_callables.sources import Request, archive
from schemas.window import Window

ROOT = Path(__file__).parents[2]
POSTS = ROOT / "pipelines/examples/covid_archive/posts.jsonl"
WEEK = Window(datetime(2021, 7, 5, tzinfo=UTC), datetime(2021, 7, 12, tzinfo=UTC))


def test_the_script_writes_the_same_archive_byte_for_byte(tmp_path: Path) -> None:
    again = tmp_path / "posts.jsonl"
    subprocess.run([sys.executable, ROOT / "scripts/make_archive.py", again], check=True)
    assert again.read_bytes() == POSTS.read_bytes()


def test_the_archive_has_what_its_readme_says() -> None:
    request = Request(None, WEEK, options={"files": str(POSTS)})
    bodies = [body for page in archive.pages(request, None, Run()) for body in page.bodies]
    items = [item for body in bodies for item in archive.posts(body, WEEK.end)]
    posts = [item for item in items if isinstance(item, Post)]
    assert len(items) - len(posts) == 2
    assert Counter(Counter(post.id for post in posts).values()) == {1: 392, 2: 4}
    assert all((post.author or "").startswith("sample_") for post in posts)
    texts = [post.text or "" for post in posts]
    assert {text[0] for text in texts} >= set('@=+-"')
    assert any("\n" in text for text in texts)
    about = sum("covid" in text.casefold() for text in texts)
    assert 0.6 < about / len(texts) < 0.75
    assert len({post.lang for post in posts}) >= 8
