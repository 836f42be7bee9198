"""The problems of invalid files in pipelines/, as one import error of Airflow's.

A file of its own: an import error marks every DAG of its file stale, and no healthy job may stop
because of somebody else's typing mistake.
"""

from pathlib import Path

from trawl.factory import raise_problems

raise_problems(Path(__file__).resolve().parent.parent / "pipelines")
