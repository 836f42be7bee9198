"""What a person sees of a job in Airflow's web interface, in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions as shown
from selenium.webdriver.support.wait import WebDriverWait

from scripts.picture import JOB, browser, log_in
from tests.airflow.served import Airflow, wait_for

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("airflow"),
    pytest.mark.skipif(not shutil.which("chromedriver"), reason="no chromedriver: run scripts/debian.sh"),
]


@pytest.fixture(scope="module")
def driver(served: Airflow, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A browser whose person has logged in, on the example's page."""
    wait_for("the example's DAG", lambda: served.dag(JOB))
    with browser(str(tmp_path_factory.mktemp("profile"))) as driver:
        log_in(driver, served, f"/dags/{JOB}")
        yield driver


def see(driver: Chrome, text: str) -> None:
    """Wait until `text` stands on the page."""
    WebDriverWait(driver, 60).until(shown.text_to_be_present_in_element((By.TAG_NAME, "body"), text))


def press(driver: Chrome, label: str) -> None:
    button = shown.element_to_be_clickable((By.CSS_SELECTOR, f"button[aria-label='{label}']"))
    WebDriverWait(driver, 60).until(button).click()


def test_the_jobs_page_tells_what_it_does_and_where_each_value_was_written(driver: Chrome) -> None:
    driver.get(driver.current_url)
    see(driver, "examples")
    see(driver, "daily")
    press(driver, "Dag Docs")
    see(driver, "Posts about COVID from an archive of made-up ones, one file a day")
    see(driver, "every day at 00:00 (UTC)")
    see(driver, "pipelines/examples/covid_archive.yaml")
    see(driver, "./bucket/{job}/{date}/posts.csv")
    see(driver, "retries: 1                                # built-in default")


def test_the_trigger_form_offers_what_a_run_by_hand_may_change(driver: Chrome) -> None:
    driver.get(driver.current_url)
    press(driver, "Trigger Dag")
    for field in ("Since", "Until", "Query", "Limit"):
        see(driver, field)
    see(driver, "With another, the posts are written beside the job's own.")
