"""Take the README's picture: a job's runs in Airflow's own web interface, in a real browser.

Starts Airflow on a free port over a copy of the example, backfills seven days and photographs the grid.
Needs chromium and chromedriver (scripts/debian.sh installs them).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support import expected_conditions as shown
from selenium.webdriver.support.wait import WebDriverWait

from tests.airflow.served import Airflow, served_project, wait_for

ROOT = Path(__file__).resolve().parent.parent

JOB = "examples.covid_archive"
PICTURE = ROOT / "docs" / "grid.png"


@contextmanager
def browser(profile: str) -> Iterator[Chrome]:
    """Debian's Chromium without a window, and without a word to anybody but the page."""
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for switch in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        # Whatever it would ask beside the page, it finds no address for.
        "host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "no-proxy-server",
        "hide-scrollbars",
        "window-size=1800,860",
        "force-device-scale-factor=1",
        "lang=en",
        f"user-data-dir={profile}",
    ):
        options.add_argument(f"--{switch}")
    driver = Chrome(options=options, service=ChromeService("/usr/bin/chromedriver"))
    try:
        yield driver
    finally:
        driver.quit()


def log_in(driver: Chrome, server: Airflow, path: str) -> None:
    """Open a page of Airflow as a person would: through its login form."""
    driver.get(f"http://127.0.0.1:{server.port}{path}")
    wait = WebDriverWait(driver, 60)
    name = wait.until(shown.element_to_be_clickable((By.NAME, "username")))
    name.send_keys(server.credentials()["username"])
    driver.find_element(By.NAME, "password").send_keys(server.credentials()["password"] + Keys.ENTER)
    wait.until(lambda _: "/auth/login" not in driver.current_url)
    driver.get(f"http://127.0.0.1:{server.port}{path}")


def backfill(server: Airflow, runs: int) -> None:
    """Let the scheduler run the example for each day of its range, and wait until that is done."""
    example = server.root / "pipelines" / "examples" / "covid_archive.yaml"
    example.write_text(example.read_text(encoding="utf-8") + "backfill: true\n", encoding="utf-8")
    wait_for("the example's DAG", lambda: server.dag(JOB))
    server.call("PATCH", f"/api/v2/dags/{JOB}", {"is_paused": False})
    wait_for("the runs", lambda: list(server.runs(JOB).values()).count("success") >= runs, 300)


def main() -> None:
    """Take the picture."""
    with tempfile.TemporaryDirectory() as name:
        project = Path(name) / "project"
        project.mkdir()
        with served_project(project) as server, browser(f"{name}/profile") as driver:
            backfill(server, 7)
            log_in(driver, server, f"/dags/{JOB}")
            WebDriverWait(driver, 60).until(
                shown.presence_of_element_located((By.XPATH, "//*[contains(text(), 'transform')]"))
            )
            time.sleep(4)  # the page draws its bars after it has them
            PICTURE.parent.mkdir(exist_ok=True)
            driver.save_screenshot(str(PICTURE))
    print(PICTURE.relative_to(ROOT))


if __name__ == "__main__":
    main()
