"""The three callables of the peers' jobs: building a DAG is measured, not running it."""


def extract() -> None: ...


def transform() -> None: ...


def load() -> None: ...
