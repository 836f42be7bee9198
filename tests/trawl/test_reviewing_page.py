"""The page for reviewers is true."""

from __future__ import annotations

import re
from pathlib import Path

from trawl.secrets import secrets_in

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reviewing.md").read_text(encoding="utf-8")


def kinds() -> set[str]:
    """The kinds of remarks there are."""
    sources = [*(ROOT / "trawl" / "plan").glob("*.py")]
    text = "".join(path.read_text(encoding="utf-8") for path in sources)
    return set(re.findall(r'Remark\(\s*"([a-z-]+)"', text)) | {"other-columns", "other-format"}


def test_every_warning_is_explained() -> None:
    rows = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    assert {word for row in rows for word in re.findall("`([a-z-]+)`", row)} == kinds()


def test_every_warning_is_brought_by_a_change_of_the_tests() -> None:
    golden = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "plan").glob("*/plan.txt")
    )
    assert [kind for kind in sorted(kinds()) if f"[{kind}]" not in golden] == []


def test_the_comment_that_lets_a_word_pass_is_the_one_that_the_page_shows() -> None:
    (line,) = re.findall(r"```yaml\n(.*pragma.*\n)```", PAGE)
    (allowed,) = secrets_in(line)
    assert allowed.allowed
    assert not secrets_in(line.partition("#")[0])[0].allowed


def test_the_example_is_what_a_plan_prints() -> None:
    (example,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    golden = (ROOT / "tests" / "plan" / "limit_grew_tenfold" / "plan.txt").read_text(encoding="utf-8")
    assert example in golden
