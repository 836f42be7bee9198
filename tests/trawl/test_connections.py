"""Connections in the environment are read as Airflow reads them, without importing it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_callables.errors import Stop
from trawl.connections import connections, parsed

VALUES = [
    "http://:secret-token@",
    "http://me:p%40ss%2Fword@host.example:8080/schema",
    "https://host.example",
    "aws://AKIA:secret@/?region_name=eu-west-1&endpoint_url=http%3A%2F%2F127.0.0.1%3A9000",
    "http://https://host.example:8443",
    "generic:///?__extra__=%7B%22a%22%3A+%5B1%5D%7D",
    "google-cloud-platform://?count=1&flag=true&empty=&word=x",
    "postgresql://u@h/db",
    "//host",
    '{"conn_type": "http", "password": "t", "port": "80"}',
    '{"conn_type": "google-cloud", "host": "h", "port": 80, "extra": {"a": 1}}',
    '{"conn_type": "aws", "login": "k", "password": "s", "extra": "{\\"region_name\\": \\"x\\"}"}',
    '{"password": "t"}',
]


@pytest.mark.slow
def test_each_is_what_airflow_takes_it_for() -> None:
    code = (
        "import json, sys\nfrom airflow.models.connection import Connection\n"
        "def of(value):\n"
        "    found = Connection.from_json(value) if value[0] == '{' else Connection(uri=value)\n"
        "    names = ('conn_type', 'host', 'login', 'password', 'schema', 'port', 'extra_dejson')\n"
        "    return [getattr(found, name) or None for name in names]\n"
        "print(json.dumps([of(value) for value in json.loads(sys.argv[1])]))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, json.dumps(VALUES)],
        capture_output=True,
        text=True,
        check=True,
    )
    theirs = json.loads(done.stdout.splitlines()[-1])
    ours = [[value or None for value in parsed("x", value).values()] for value in VALUES]
    assert ours == theirs


@given(st.text(min_size=1), st.text(), st.dictionaries(st.text(min_size=1), st.integers()))
def test_whatever_is_quoted_comes_back(login: str, password: str, extra: dict[str, int]) -> None:
    login, password = login.encode("utf-8", "replace").decode(), password.encode("utf-8", "replace").decode()
    json_form = json.dumps({"conn_type": "http", "login": login, "password": password, "extra": extra})
    uri = f"http://{quote(login, safe='')}:{quote(password, safe='')}@host/?__extra__=" + quote(
        json.dumps(extra), safe=""
    )
    for value in (json_form, uri):
        found = parsed("x", value)
        assert (found["login"], found["password"], found["extra"]) == (login, password, extra)


@given(st.text(min_size=1))
def test_what_is_no_connection_is_told_without_its_value(value: str) -> None:
    said = "AIRFLOW_CONN_X_TEAM is no connection"
    try:
        parsed("x_team", f"{value}secret")
    except Stop as error:
        said = str(error)
    assert said.startswith("AIRFLOW_CONN_X_TEAM is no connection")
    assert "secret" not in said


@pytest.mark.parametrize(
    "value", ["token", "a://b://c://d", "http://h:port", "{", "[]", '{"user": 1}', '{"extra": "no"}']
)
def test_what_is_neither_form_stops(value: str) -> None:
    with pytest.raises(Stop, match="AIRFLOW_CONN_X is no connection"):
        parsed("x", value)


def test_a_name_is_looked_up_in_capitals(tmp_path: Path) -> None:
    resolve = connections(tmp_path, {"AIRFLOW_CONN_X_TEAM": "http://:t@"})
    assert resolve("x_team")["password"] == "t"


def test_without_an_airflow_of_the_project_an_unknown_name_is_unknown_at_once(tmp_path: Path) -> None:
    with pytest.raises(LookupError):
        connections(tmp_path, {})("nobody")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_airflow_itself_is_asked_where_there_is_one(tmp_path: Path) -> None:
    """Its secrets backend stands for its database, which takes longer to set up."""
    home = tmp_path / "home"
    home.mkdir()
    kept = tmp_path / "connections.json"
    kept.write_text(json.dumps({"x_team": "http://me:t@host/?a=1"}))
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"connections_file_path": str(kept)}),
    }
    resolve = connections(tmp_path, environment)
    found = resolve("x_team")
    assert (found["type"], found["login"], found["password"], found["extra"]) == ("http", "me", "t", {"a": 1})
    kept.unlink()
    assert resolve("x_team") is found, "a name is asked for once"
    with pytest.raises(LookupError):
        connections(tmp_path, {**environment, "AIRFLOW__SECRETS__BACKEND": ""})("nobody")
