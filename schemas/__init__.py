"""The contract: what a job file may say, and what it means once read.

Nothing in this package imports Airflow, pandas or pyarrow: a file is checked in the time a person
waits for an editor.
"""
