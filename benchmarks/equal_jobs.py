"""N equal jobs in the format of each tool.

Every job is three Python tasks in a row, daily since 2024, with an owner, tags, retries, a
description and no catch-up. What a tool cannot say in its format, its loader says for it.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

STEPS = ("extract", "transform", "load")
OPERATOR = "airflow.providers.standard.operators.python.PythonOperator"
ROOT = Path(__file__).resolve().parent.parent

HAND_WRITTEN = """\
from datetime import timedelta

import pendulum
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG

from benchmarks import steps

for number in range({count}):
    with DAG(
        dag_id=f"job_{{number:05}}",
        description=f"Posts about topic {{number}}, one file a day",
        schedule="@daily",
        start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
        catchup=False,
        max_active_runs=4,
        tags=["covid", "daily"],
        default_args={{"owner": "analytics", "retries": 1, "retry_delay": timedelta(minutes=5)}},
    ) as dag:
        extract = PythonOperator(task_id="extract", python_callable=steps.extract)
        transform = PythonOperator(task_id="transform", python_callable=steps.transform)
        load = PythonOperator(task_id="load", python_callable=steps.load)
        extract >> transform >> load
    globals()[dag.dag_id] = dag
"""

DAG_FACTORY = """\
{name}:
  description: Posts about topic {number}, one file a day
  schedule: "@daily"
  start_date: 2024-01-01
  catchup: false
  max_active_runs: 4
  tags: [covid, daily]
  default_args:
    owner: analytics
    retries: 1
    retry_delay_sec: 300
  tasks:
    extract:
      operator: {operator}
      python_callable: benchmarks.steps.extract
    transform:
      operator: {operator}
      python_callable: benchmarks.steps.transform
      dependencies: [extract]
    load:
      operator: {operator}
      python_callable: benchmarks.steps.load
      dependencies: [transform]
"""

BLUEPRINT = """\
dag_id: {name}
description: Posts about topic {number}, one file a day
schedule: "@daily"
start_date: "2024-01-01"
catchup: false
max_active_runs: 4
tags: [covid, daily]
owner: analytics
retries: 1
retry_delay_minutes: 5

steps:
  extract:
    blueprint: extract
  transform:
    blueprint: transform
    depends_on: [extract]
  load:
    blueprint: load
    depends_on: [transform]
"""

BLUEPRINT_TEMPLATES = """\
from datetime import timedelta

import pendulum
from airflow.providers.standard.operators.python import PythonOperator
from blueprint import BaseModel, Blueprint, BlueprintDagArgs

from benchmarks import steps


class Nothing(BaseModel):
    pass


class Extract(Blueprint[Nothing]):
    def render(self, config):
        return PythonOperator(task_id=self.step_id, python_callable=steps.extract)


class Transform(Blueprint[Nothing]):
    def render(self, config):
        return PythonOperator(task_id=self.step_id, python_callable=steps.transform)


class Load(Blueprint[Nothing]):
    def render(self, config):
        return PythonOperator(task_id=self.step_id, python_callable=steps.load)


class JobConfig(BaseModel):
    schedule: str
    start_date: str
    description: str
    catchup: bool
    max_active_runs: int
    tags: list[str]
    owner: str
    retries: int
    retry_delay_minutes: int


class JobArgs(BlueprintDagArgs[JobConfig]):
    def render(self, config):
        return {
            "schedule": config.schedule,
            "start_date": pendulum.parse(config.start_date, tz="UTC"),
            "description": config.description,
            "catchup": config.catchup,
            "max_active_runs": config.max_active_runs,
            "tags": config.tags,
            "default_args": {
                "owner": config.owner,
                "retries": config.retries,
                "retry_delay": timedelta(minutes=config.retry_delay_minutes),
            },
        }
"""

GUSTY_DAG = """\
description: Posts about topic {number}, one file a day
schedule: "@daily"
start_date: !datetime [2024, 1, 1]
catchup: false
max_active_runs: 4
tags: [covid, daily]
default_args:
  owner: analytics
  retries: 1
  retry_delay: !timedelta 'minutes: 5'
"""

GUSTY_TASK = """\
operator: {operator}
python_callable: !step {step}
dependencies: [{dependencies}]
"""

TRAWL = """\
description: Posts about topic {number}, one file a day
owner: analytics
tags: [covid, daily]
source: twitter
query: covid {number}
date_range: {{since: 2024-01-01}}
limit: 150
schedule: daily
retries: 1
retry_delay: 5 minutes
bucket: s3://benchmark
key: "{{job}}/{{date}}.csv"
"""


def name_of(number: int) -> str:
    """The id of a job, the same for every tool."""
    return f"job_{number:05}"


def write_hand_written(folder: Path, count: int) -> None:
    """One Python file that makes all DAGs in a loop: the cheapest way there is to write them by hand."""
    (folder / "hand_written.py").write_text(HAND_WRITTEN.format(count=count))


def write_dag_factory(folder: Path, count: int) -> None:
    """A YAML file a job."""
    for number in range(count):
        text = DAG_FACTORY.format(name=name_of(number), number=number, operator=OPERATOR)
        (folder / f"{name_of(number)}.yaml").write_text(text)


def write_blueprint(folder: Path, count: int) -> None:
    """The templates in Python, and a YAML file a job."""
    (folder / "templates.py").write_text(BLUEPRINT_TEMPLATES)
    for number in range(count):
        text = BLUEPRINT.format(name=name_of(number), number=number)
        (folder / f"{name_of(number)}.dag.yaml").write_text(text)


def write_gusty(folder: Path, count: int) -> None:
    """A folder a job, with a YAML file for the DAG and one for each task."""
    for number in range(count):
        job = folder / name_of(number)
        job.mkdir()
        (job / "METADATA.yml").write_text(GUSTY_DAG.format(number=number))
        for before, step in zip(("", *STEPS), STEPS, strict=False):
            text = GUSTY_TASK.format(operator=OPERATOR, step=step, dependencies=before)
            (job / f"{step}.yml").write_text(text)


def write_trawl(folder: Path, count: int) -> None:
    """A project's two folders: a YAML file a job in pipelines/, and in dags/ the loaders as they are."""
    pipelines, dags = folder / "pipelines", folder / "dags"
    pipelines.mkdir()
    dags.mkdir()
    for number in range(count):
        (pipelines / f"{name_of(number)}.yaml").write_text(TRAWL.format(number=number))
    for loader in (ROOT / "dags").glob("*.py"):
        (dags / loader.name).write_bytes(loader.read_bytes())


WRITERS: Mapping[str, Callable[[Path, int], None]] = {
    "hand-written Python": write_hand_written,
    "blueprint": write_blueprint,
    "dag-factory": write_dag_factory,
    "gusty": write_gusty,
    "Trawl": write_trawl,
}


def write(tool: str, parent: Path, count: int) -> Path:
    """`count` jobs of `tool` in a new folder below `parent`."""
    folder = parent / f"{tool.lower().replace(' ', '-')}-{count}"
    folder.mkdir()
    WRITERS[tool](folder, count)
    return folder
