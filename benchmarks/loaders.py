"""How each tool turns its files into DAGs, as its manual says to.

Each function imports what its tool needs and returns the rest of the work as a callable, so that
imports can be left out of a measurement.
"""

import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Load = Callable[[], Mapping[str, Any]]


def hand_written(folder: Path) -> Load:
    """Runs the file, whose own imports are done already."""
    import pendulum  # noqa: F401
    from airflow.providers.standard.operators.python import PythonOperator  # noqa: F401
    from airflow.sdk import DAG

    import benchmarks.steps  # noqa: F401

    def load() -> Mapping[str, Any]:
        names = runpy.run_path(str(folder / "hand_written.py"))
        return {name: value for name, value in names.items() if isinstance(value, DAG) and name != "dag"}

    return load


def blueprint(folder: Path) -> Load:
    """The one call of blueprint's manual."""
    from airflow.providers.standard.operators.python import PythonOperator  # noqa: F401
    from blueprint import build_all_airflow_dags

    def load() -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        build_all_airflow_dags(folder, register_globals=found)
        return found

    return load


def dag_factory(folder: Path) -> Load:
    """The one call of dag-factory's manual."""
    from airflow.providers.standard.operators.python import PythonOperator  # noqa: F401
    from dagfactory import load_yaml_dags

    import benchmarks.steps  # noqa: F401

    def load() -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        load_yaml_dags(found, dags_folder=str(folder), defaults_config_path=str(folder))
        return found

    return load


def gusty(folder: Path) -> Load:
    """The one call of gusty's manual; as it does, only the wanted DAG where one is."""
    from airflow.providers.standard.operators.python import PythonOperator  # noqa: F401
    from airflow.sdk import get_parsing_context
    from gusty import create_dags  # type: ignore[import-untyped]

    from benchmarks import steps

    def load() -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        create_dags(
            str(folder),
            found,
            latest_only=False,
            dag_constructors={"step": lambda name: getattr(steps, name)},
            current_dag_id=get_parsing_context().dag_id,
        )
        return found

    return load


def trawl(folder: Path) -> Load:
    """What dags/scrape_jobs.py does: every file is read, validated and built."""
    import etl_callables  # noqa: F401 (looked up by name when a DAG is built, as the next one is)
    import trawl.factory
    import trawl.operator

    return lambda: trawl.factory.dags(folder / "pipelines")


LOADERS: Mapping[str, Callable[[Path], Load]] = {
    "hand-written Python": hand_written,
    "blueprint": blueprint,
    "dag-factory": dag_factory,
    "gusty": gusty,
    "Trawl": trawl,
}
