"""Take the pictures of docs/first-job.md: of the commands as they print, and of Airflow as it runs.

In a fresh repository it types what the page says into a terminal and asks the language server of editors as
an editor does; what comes back is laid out by Chromium. Needs what scripts/picture.py needs, and npm.
"""

from __future__ import annotations

import html
import io
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME
from rich.text import Text
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions as shown
from selenium.webdriver.support.wait import WebDriverWait

from scripts.picture import ROOT, browser, log_in
from scripts.terminal import seen
from tests.airflow.served import served_project, unset, wait_for
from tests.editor.language_server import editor
from tests.test_first_job import ANSWERS, job_block, repository, run_block

PICTURES: Final = ROOT / "docs" / "pictures"
TRAWL: Final = str(Path(sys.executable).parent / "trawl")
WIDTH: Final = 800
"""Of a picture, in pixels: as wide as a page on GitHub."""

_STYLE: Final = f"""
body {{ margin: 0; background: #fff; color: #1f2328; font: 14px/1.5 'DejaVu Sans', sans-serif; }}
main {{ width: {WIDTH - 34}px; padding: 12px 16px; border: 1px solid #d1d9e0; }}
pre, code {{ font: 13px/1.5 'DejaVu Sans Mono', monospace; }}
pre {{ margin: 0; white-space: pre-wrap; }}
p, h3, h4 {{ margin: 6px 0; }}
table {{ border-collapse: collapse; margin: 8px 0; font-size: 13px; }}
td, th {{ border: 1px solid #d1d9e0; padding: 3px 8px; text-align: left; vertical-align: top; }}
u {{ text-decoration: underline wavy #cf222e; }}
.said {{ color: #cf222e; }}
"""


def take(driver: Chrome, name: str, body: str) -> None:
    """Lay `body`, which is markup, out and keep the picture of it."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(f"<!doctype html><meta charset=utf-8><style>{_STYLE}</style><main>{body}</main>")
        driver.get(page.as_uri())
        driver.find_element(By.TAG_NAME, "main").screenshot(str(PICTURES / name))
    print((PICTURES / name).relative_to(ROOT))


def terminal(folder: Path, *commands: Sequence[str]) -> str:
    """The markup of a terminal in which these commands were typed one after another."""
    said = ""
    for command in commands:
        _, text = seen([TRAWL, *command[1:]], folder, unset(os.environ), columns=94)
        said += f"\x1b[1m$ {' '.join(command)}\x1b[0m\n{text}"
    console = Console(record=True, width=200, file=io.StringIO())
    console.print(Text.from_ansi(said.rstrip()), soft_wrap=True)
    return console.export_html(
        theme=DEFAULT_TERMINAL_THEME, inline_styles=True, code_format="<pre>{code}</pre>"
    )


def editing(folder: Path) -> str:
    """The markup of what the language server offers and marks, told as that: an editor looks otherwise."""
    name = "pipelines/team/library.yaml"
    good = (folder / name).read_text(encoding="utf-8")
    bad = re.sub("^query:.*", "querry: library", good, flags=re.MULTILINE)
    bad = re.sub("^(schedule: +).*", r"\1dayly", bad, flags=re.MULTILINE)
    with editor(folder, {}) as open_one:
        offered = open_one.complete(name, re.sub("^(schedule: ).*", r"\1|", good, flags=re.MULTILINE))
        hover = open_one.hover(name, re.sub("^date_range", "date|_range", good, flags=re.MULTILINE))
        marks = open_one.marks("pipelines/team/bad.yaml", bad)
    without_comments = re.sub("^#.*\n|^\n| *# .*$", "", bad, flags=re.MULTILINE)
    lines = html.escape(without_comments)
    for text, _ in marks:
        marked = html.escape(text)
        lines = lines.replace(f"\n{marked}:", f"\n<u>{marked}</u>:").replace(
            f" {marked}\n", f" <u>{marked}</u>\n"
        )
    said = "".join(
        f"<p><code>{html.escape(text)}</code> <span class=said>{html.escape(what)}</span></p>"
        for text, what in marks
    )
    plain = re.sub(r"\\(.)", r"\1", hover).replace("&nbsp;", " ").replace("&emsp;", " ")
    explained: str = MarkdownIt("commonmark", {"html": False}).render(plain.partition("Source:")[0])
    return (
        "<p><b>What yaml-language-server says</b>, which VS Code and other editors show in their own way</p>"
        "<table><tr><th>marked<td><pre>" + lines + f"</pre>{said}"
        "<tr><th>offered after<br><code>schedule:</code><td>"
        + ", ".join(f"<code>{html.escape(label)}</code>" for label in offered)
        + "<tr><th>shown over<br><code>date_range</code><td>"
        + explained
        + "</table>"
    )


def comment(folder: Path) -> str:
    """The markup of the plan as GitHub lays a comment out; without a font of emoji its signs are drawn."""
    _, text = seen(
        [TRAWL, "plan", "--base", "main", "--format", "markdown"], folder, unset(os.environ), columns=200
    )
    text = text.replace("<details>", "").replace("</details>", "")
    text = re.sub("<summary>(.*?)</summary>", r"▸ \1", text)
    text = text.partition("▸")[0] + "▸" + text.partition("▸")[2].partition("\n")[0]
    markup: str = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    for sign, colour in (("🟢", "#1a7f37"), ("⚠️", "#9a6700"), ("❌", "#cf222e")):
        drawn = {"🟢": "●", "⚠️": "⚠", "❌": "✖"}[sign]
        markup = markup.replace(sign, f'<span style="color:{colour}">{drawn}</span>')
    return markup


def runs(folder: Path) -> None:
    """Photograph the job's runs in Airflow after the page's backfill."""
    project = folder / "served"
    project.mkdir()
    with served_project(project) as server, browser(f"{folder}/airflow") as driver:
        job = project / "pipelines" / "team" / "library.yaml"
        job.parent.mkdir()
        shutil.copy(folder / "trawl" / "pipelines" / "team" / "library.yaml", job)
        wait_for("the job's DAG", lambda: server.dag("team.library"))
        server.call("PATCH", "/api/v2/dags/team.library", {"is_paused": False})
        environ = {**unset(os.environ), "PATH": f"{Path(TRAWL).parent}:{os.environ['PATH']}"}
        seen(["bash", "-euc", run_block()], project, environ)
        code, said = seen(
            [TRAWL, "backfill", "team.library", "--wait"], project, unset(os.environ), answers="y\n"
        )
        if code:
            raise SystemExit(said)
        driver.set_window_size(940, 500)
        log_in(driver, server, "/dags/team.library/runs")
        WebDriverWait(driver, 60).until_not(
            shown.text_to_be_present_in_element((By.TAG_NAME, "body"), "Backfill in progress")
        )
        driver.refresh()
        WebDriverWait(driver, 60).until(
            shown.presence_of_element_located((By.XPATH, "//*[contains(text(), 'transform')]"))
        )
        # The button between grid and details folds the details away, so that all runs have room.
        ActionChains(driver).click(driver.find_element(By.CSS_SELECTOR, "[role=separator]")).perform()
        time.sleep(4)  # the page draws its bars after it has them
        driver.save_screenshot(str(PICTURES / "runs.png"))
        print((PICTURES / "runs.png").relative_to(ROOT))


def main() -> None:
    """Take them all."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project = repository(folder)
        seen(
            ["bash", "-euc", job_block()],
            project,
            {**unset(os.environ), "PATH": f"{Path(TRAWL).parent}:/usr/bin:/bin"},
            answers=ANSWERS,
        )
        job = project / "pipelines" / "team" / "library.yaml"
        good = job.read_text(encoding="utf-8")
        with browser(f"{name}/profile") as driver:
            driver.set_window_size(1000, 1400)
            take(driver, "editor.png", editing(project))
            job.write_text(good.replace("query:", "querry:").replace(" daily ", " dayly "), encoding="utf-8")
            take(driver, "check.png", terminal(project, ["trawl", "check"], ["trawl", "check", "--fix"]))
            job.write_text(good, encoding="utf-8")
            take(driver, "plan.png", comment(project))
        runs(folder)


if __name__ == "__main__":
    main()
