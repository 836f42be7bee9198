"""The Airflow DAG trawl.maintenance: each day, what is older than its job lets it be is listed, then deleted.

(Airflow looks for DAGs only in files in which both of these words are found.)
"""

from pathlib import Path

from trawl.upkeep import maintenance

globals().update(maintenance(Path(__file__).resolve().parent.parent / "pipelines"))
