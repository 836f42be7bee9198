"""What DAG each job file becomes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from airflow.sdk import DAG, Asset, get_parsing_context
from airflow.sdk.exceptions import ParamValidationError
from airflow.serialization.serialized_objects import DagSerialization
from hypothesis import given
from hypothesis import strategies as st

from schemas.job import DateRange, Job
from schemas.reading import read_jobs
from tests.trawl.jobs import job, utc
from trawl.factory import InvalidScrapeJobs, dag_of, dags, raise_problems
from trawl.operator import ScrapeOperator
from trawl.upkeep import maintenance

ROOT = Path(__file__).resolve().parents[2]
GOOD = sorted(path for path in (ROOT / "tests/jobs/ok").iterdir() if path.suffix != ".txt")
CHAIN = {"extract": {"transform"}, "transform": {"load"}, "load": set()}
JOB = """\
source: archive
query: covid
options: {files: posts.jsonl}
date_range: {since: 2021-07-05}
schedule: daily
bucket: ./bucket
key: "{job}/{date}.csv"
"""


@pytest.fixture
def pipelines(tmp_path: Path) -> Path:
    folder = tmp_path / "pipelines"
    folder.mkdir()
    for name in ("one", "two"):
        (folder / f"{name}.yaml").write_text(JOB)
    return folder


@pytest.fixture
def wanting(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes the loader believe that a task of this DAG asks, as Airflow does: by its environment."""

    def want(dag_id: str) -> None:
        monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", dag_id)
        assert get_parsing_context().dag_id == dag_id

    return want


def stored(dag: DAG) -> DAG:
    """The DAG as Airflow keeps it: through its serialization and JSON."""
    return DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(dag))))


@pytest.mark.parametrize("case", GOOD, ids=[path.stem for path in GOOD])
def test_every_good_file_becomes_a_dag_that_airflow_can_keep(case: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pipelines"
    if case.is_dir():
        shutil.copytree(case, folder)
    else:
        folder.mkdir()
        shutil.copy(case, folder)
    jobs = read_jobs(folder).jobs
    built = dags(folder)
    assert list(built) == [job.id for job in jobs]
    for of in jobs:
        kept = stored(built[of.id])
        assert kept.dag_id == of.id
        assert kept.tags == set(of.tags)
        assert kept.description == of.description
        assert kept.owner == (of.owner or "trawl")
        assert kept.catchup is of.backfill
        assert {task.task_id: task.downstream_task_ids for task in kept.tasks} == CHAIN


def test_the_three_tasks_call_the_three_callables_with_the_jobs_own_settings() -> None:
    dag = dag_of(
        job(
            owner="AJAY",
            retries=3,
            retry_delay=timedelta(minutes=1),
            timeout=timedelta(hours=2),
            depends_on_past=True,
        )
    )
    for task in dag.tasks:
        assert isinstance(task, ScrapeOperator)
        assert task.python_callable.__qualname__ == task.task_id
        assert task.python_callable.__module__ == "etl_callables"
        assert (task.owner, task.retries, task.retry_delay) == ("AJAY", 3, timedelta(minutes=1))
        assert (task.execution_timeout, task.depends_on_past) == (timedelta(hours=2), True)
    assert [task.after for task in dag.tasks] == [None, "extract", "transform"]


def test_the_last_task_has_the_jobs_asset_for_an_outlet_and_no_other_has_any() -> None:
    dag = stored(dag_of(job(id="team.covid")))
    outlets = {task.task_id: [(asset.name, asset.uri) for asset in task.outlets] for task in dag.tasks}
    assert outlets == {"extract": [], "transform": [], "load": [("trawl/team.covid",) * 2]}


def test_deleting_what_is_old_updates_no_asset(pipelines: Path) -> None:
    (dag,) = maintenance(pipelines).values()
    assert [task.outlets for task in dag.tasks] == [[], []]


def test_a_task_that_runs_has_no_outlet_before_it_has_published(
    pipelines: Path, wanting: Callable[[str], None]
) -> None:
    """Or Airflow would refuse to run it where another DAG gives the asset's name to something else."""
    wanting("one")
    load = dags(pipelines)["one"].task_dict["load"]
    assert isinstance(load, ScrapeOperator)
    assert (load.outlets, load.asset) == ([], Asset("trawl/one"))


@pytest.mark.parametrize("name", ["self", "context", "airflow.x", "x-y", "http", "a.b.c"])
def test_a_job_has_one_asset_however_it_is_named_and_spelt(name: str) -> None:
    """Airflow forbids some names, and reads others as addresses."""
    (asset,) = dag_of(job(id=name)).task_dict["load"].outlets
    assert asset == Asset(f"trawl/{name}") == Asset(uri=f"trawl/{name}")
    assert asset == Asset(name=f"trawl/{name}", uri=f"trawl/{name}")


@given(
    st.text(st.characters(codec="utf-8"), max_size=100), st.sampled_from(["s3://{", "./a b", "s3://ü/%7B"])
)
def test_the_asset_is_the_same_wherever_a_job_writes(words: str, bucket: str) -> None:
    """Two jobs of one bucket have two, and a job that moves keeps its own."""
    changed = job(query=words, description=words, bucket=bucket, key="a/{year}/{job}.csv")
    assert dag_of(changed).task_dict["load"].outlets == dag_of(job()).task_dict["load"].outlets
    assert dag_of(job(id="another")).task_dict["load"].outlets != dag_of(job()).task_dict["load"].outlets


def test_a_job_without_a_timeout_may_take_as_long_as_it_needs() -> None:
    assert {task.execution_timeout for task in dag_of(job()).tasks} == {None}


@pytest.mark.parametrize(("each_run", "at_once"), [("interval", 4), ("whole", 1)])
def test_runs_that_write_the_same_object_never_overlap(each_run: str, at_once: int) -> None:
    dag = dag_of(job(date_range=DateRange(utc(2021, 7, 5), utc(2021, 7, 12), each_run)))
    assert dag.max_active_runs == at_once


@pytest.mark.parametrize(
    ("on_failure", "on_retry"), [(True, False), (False, True), (True, True), (False, False)]
)
def test_mail_is_sent_when_the_job_says_so(on_failure: bool, on_retry: bool) -> None:
    dag = dag_of(job(email=("a@example.com",), email_on_failure=on_failure, email_on_retry=on_retry))
    for task in dag.tasks:
        assert bool(task.on_failure_callback) is on_failure
        assert bool(task.on_retry_callback) is on_retry
        for callback in [*(task.on_failure_callback or ()), *(task.on_retry_callback or ())]:
            assert callback.to == ["a@example.com"]


def test_a_job_without_addresses_mails_nobody() -> None:
    for task in dag_of(job(email_on_failure=True)).tasks:
        assert not task.on_failure_callback


@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_words_of_a_person_are_never_a_template(words: str) -> None:
    text = "{{ ds }} $HOME ${HOME} " + words
    dag = dag_of(job(query=text, description=text, key="x/{date}.csv"))
    assert dag.description == text
    for task in dag.tasks:
        assert task.template_fields == ()
        assert task.job.query == text


def test_the_fields_of_the_form_are_empty_and_checked() -> None:
    dag = dag_of(job())
    dag.params.validate()
    assert dag.params.dump() == {"since": None, "until": None, "query": None, "limit": None}


@pytest.mark.parametrize(
    ("name", "nonsense"), [("since", "tomorrow"), ("until", 3), ("query", 3), ("limit", 0), ("limit", "9")]
)
def test_nonsense_in_the_form_is_refused(name: str, nonsense: object) -> None:
    params = dag_of(job()).params
    with pytest.raises(ParamValidationError):
        params[name] = nonsense


def test_a_task_reads_its_own_job_and_no_other(pipelines: Path, wanting: Callable[[str], None]) -> None:
    (pipelines / "two.yaml").write_text("nonsense: [")
    (pipelines / "three.yaml").write_bytes(b"\xff")
    wanting("one")
    assert list(dags(pipelines)) == ["one"]


@pytest.mark.parametrize("wanted", ["gone", "two", "../two", "a.b"])
def test_a_task_whose_job_is_gone_or_broken_finds_no_dag(
    pipelines: Path, wanted: str, wanting: Callable[[str], None]
) -> None:
    (pipelines / "two.yaml").write_text("nonsense: [")
    wanting(wanted)
    assert dags(pipelines) == {}


def test_a_job_that_cannot_be_built_costs_no_other_its_dag(
    pipelines: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def build(job: Job) -> DAG:
        if job.id == "one":
            raise RuntimeError("no")
        return dag_of(job)

    assert list(dags(pipelines, build)) == ["two"]
    assert "pipelines/one.yaml is valid, yet no DAG could be built" in caplog.text


def test_invalid_files_raise_all_their_problems_at_once_and_valid_ones_none(pipelines: Path) -> None:
    raise_problems(pipelines)
    (pipelines / "one.yaml").write_text(JOB.replace("query", "querry"))
    (pipelines / "three.yaml").write_text(JOB.replace("daily", "dayly") + "limit: none\n")
    with pytest.raises(InvalidScrapeJobs) as raised:
        raise_problems(pipelines)
    lines = str(raised.value).strip().splitlines()
    assert [line.split(" ")[0] for line in lines] == [
        "pipelines/one.yaml:2:1:",
        "pipelines/three.yaml:5:11:",
        "pipelines/three.yaml:8:8:",
    ]
    assert list(dags(pipelines)) == ["two"]


def test_what_is_secret_in_an_address_is_in_no_import_error(pipelines: Path) -> None:
    (pipelines / "one.yaml").write_text(JOB + "retries: https://me:sesame@h.example/?token=sesame\n")
    with pytest.raises(InvalidScrapeJobs) as raised:
        raise_problems(pipelines)
    assert "https://h.example/?token=…" in str(raised.value)
    assert "sesame" not in str(raised.value)


def test_bad_defaults_are_told_once_and_how_many_jobs_wait_for_them(pipelines: Path) -> None:
    (pipelines / "defaults.yaml").write_text("limit: 0\n")
    with pytest.raises(InvalidScrapeJobs) as raised:
        raise_problems(pipelines)
    assert str(raised.value).strip().splitlines() == [
        'pipelines/defaults.yaml:1:8: "limit" must be at least 1, not 0 [out-of-range]',
        "2 job files wait for defaults to be mended.",
    ]
    assert dags(pipelines) == {}


def test_importing_the_factory_turns_off_dag_factorys_usage_data() -> None:
    code = "import trawl.factory, dagfactory.telemetry as t; print(t.should_emit())"
    env = {name: value for name, value in os.environ.items() if "TELEMETRY" not in name}
    env |= {"AIRFLOW__DAG_FACTORY__ENABLE_TELEMETRY": "True"}
    for name in ("DO_NOT_TRACK", "SCARF_NO_ANALYTICS"):
        env.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "False"
