"""Formats give back the exact text, whatever it is, and the same bytes for the same rows."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_callables.errors import Stop
from etl_callables.formats import FORMATS, read_file, rechunked, write_file
from etl_callables.formats.csv import LEADS, escaped, unescaped
from etl_callables.reader import read_frame, read_posts
from etl_callables.store import Missing
from etl_callables.table import SCHEMA

MOMENT = datetime(2021, 7, 5, 12, tzinfo=UTC)
EVERY = [(name, compression) for name in FORMATS for compression in (None, "gzip", "zstd")]

# What has broken CSV, JSON and spreadsheets before, more often than random text would meet it.
HOSTILE = st.text(
    st.one_of(
        st.sampled_from("='+-@\t\r\n\"',;\\\0␀01\uff1d\uff0b\uff0d\uff20 \u202e\u2028\ufeff😀é[]{}"),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=30,
)


def rows(count: int, **columns: object) -> pa.Table:
    """Posts that are as plain as can be, but for the columns given."""
    plain: dict[str, object] = {
        name: pa.nulls(count, SCHEMA.field(name).type) for name in SCHEMA.names if name not in columns
    }
    return pa.table(
        {
            name: pa.array(columns.get(name, plain.get(name)), SCHEMA.field(name).type)
            for name in SCHEMA.names
        },
        SCHEMA,
    )


def written(table: pa.Table, path: Path, name: str, compression: str | None = None) -> bytes:
    write_file(path, name, compression, table.schema, table.to_batches())
    return path.read_bytes()


POSTS = rows(
    3,
    platform=["twitter", "twitter", "bluesky"],
    id=["1", "2", "at://x/3"],
    created_at=[MOMENT, MOMENT + timedelta(microseconds=120), MOMENT + timedelta(days=1)],
    text=["@y =1+1", None, ""],
    likes=[0, None, 2**63 - 1],
    hashtags=[["covid", 'q"\n'], None, []],
)


@pytest.mark.parametrize(("name", "compression"), EVERY)
def test_every_format_gives_back_what_was_written(name: str, compression: str | None, tmp_path: Path) -> None:
    """Nulls, empty texts, empty lists and times to the microsecond are told apart."""
    data = written(POSTS, tmp_path / "posts", name, compression)
    assert read_file(io.BytesIO(data), name, compression).to_pylist() == POSTS.to_pylist()


@pytest.mark.parametrize(("name", "compression"), EVERY)
def test_same_rows_same_bytes_however_they_come(name: str, compression: str | None, tmp_path: Path) -> None:
    """Bytes do not depend on how the rows were cut into batches, on the clock or on the file's name."""
    table = pa.concat_tables([POSTS] * 7000).combine_chunks()
    whole = written(table, tmp_path / "a", name, compression)
    pieces = tmp_path / "b"
    write_file(pieces, name, compression, table.schema, table.to_batches(max_chunksize=997))
    assert pieces.read_bytes() == whole


@pytest.mark.parametrize(("name", "compression"), EVERY)
def test_size_and_checksum_are_those_of_the_file(name: str, compression: str | None, tmp_path: Path) -> None:
    """What `write_file` says of a file is true of its bytes."""
    path = tmp_path / "posts"
    encoded = write_file(path, name, compression, POSTS.schema, POSTS.to_batches())
    assert encoded.size == path.stat().st_size
    assert encoded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", FORMATS)
def test_no_posts_are_still_a_file_that_can_be_read(name: str, tmp_path: Path) -> None:
    """A CSV has its header, a Parquet file its schema."""
    empty = SCHEMA.empty_table()
    data = written(empty, tmp_path / "posts", name)
    table = read_file(io.BytesIO(data), name, None)
    assert table.num_rows == 0
    if name != "jsonl":
        assert table.schema.names == SCHEMA.names


@settings(max_examples=150)
@given(
    texts=st.lists(st.one_of(st.none(), HOSTILE), min_size=1, max_size=6), name=st.sampled_from(list(FORMATS))
)
def test_any_text_comes_back_exactly(
    texts: list[str | None], name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No text, alone or in a list, is changed by being written and read."""
    lists = [None if text is None else [text, text] for text in texts]
    table = rows(len(texts), text=texts, author=texts, hashtags=lists)
    data = written(table, tmp_path_factory.mktemp("any") / "posts", name)
    assert read_file(io.BytesIO(data), name, None).to_pylist() == table.to_pylist()


@settings(max_examples=300)
@given(st.lists(HOSTILE, min_size=1))
def test_the_escape_of_csv_is_safe_and_reversible(texts: list[str]) -> None:
    """No cell begins as a formula does, none has a NUL, and each is taken back to what it was."""
    cells = escaped(pa.array(texts, pa.string()))
    assert not any(cell[:1] in set(LEADS) or "\0" in cell for cell in cells.to_pylist())
    assert unescaped(cells).to_pylist() == texts
    assert len(set(cells.to_pylist())) == len(set(texts))


def test_csv_is_written_as_people_expect_it(tmp_path: Path) -> None:
    """Header, line ends, times, lists and escapes, to the byte."""
    table = POSTS.select(["id", "created_at", "text", "likes", "hashtags"]).rename_columns(
        ["id", "=Date", "Tweet, whole", "likes", "tags"]
    )
    assert written(table, tmp_path / "posts", "csv").decode() == (
        '"id","\'=Date","Tweet, whole","likes","tags"\n'
        '"1","2021-07-05 12:00:00+00:00","\'@y =1+1",0,"[""covid"", ""q\\""\\n""]"\n'
        '"2","2021-07-05 12:00:00.000120+00:00",,,\n'
        '"at://x/3","2021-07-06 12:00:00+00:00","",9223372036854775807,"[]"\n'
    )


def test_json_lines_are_written_as_people_expect_them(tmp_path: Path) -> None:
    """Order of columns, nulls and times, to the byte."""
    table = POSTS.select(["id", "created_at", "text", "hashtags"])
    table = table.rename_columns(["id", "created_at", "text", "tags"])
    assert written(table, tmp_path / "posts", "jsonl").decode().splitlines()[:2] == [
        '{"id": "1", "created_at": "2021-07-05T12:00:00Z", "text": "@y =1+1", "tags": ["covid", "q\\"\\n"]}',
        '{"id": "2", "created_at": "2021-07-05T12:00:00.000120Z", "text": null, "tags": null}',
    ]


def test_numbers_stay_numbers_in_csv_under_any_header(tmp_path: Path) -> None:
    """A negative-looking text is escaped, a count is not, and identifiers are not taken for counts."""
    table = rows(2, id=["007", "8"], likes=[None, 5], text=["-5", None]).select(["id", "likes", "text"])
    table = table.rename_columns(["Number", "Number of Likes", "Tweet"])
    data = written(table, tmp_path / "posts.csv", "csv")
    back = read_file(io.BytesIO(data), "csv", None)
    assert back.schema.types == [pa.string(), pa.int64(), pa.string()]
    assert back.to_pylist() == table.to_pylist()
    assert data.decode().splitlines()[1:] == ['"007",,"\'-5"', '"8",5,']


@pytest.mark.parametrize("name", ["csv", "jsonl"])
@pytest.mark.parametrize("header", ["likes", "created_at", "hashtags", "text"])
@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("text", ["plain", "-5", None]),
        ("text", ["2021-07-05", "2021", None]),
        ("text", ['["a","b"]', "[]", "null"]),
        ("likes", [None, 5, 6]),
        ("created_at", [MOMENT, None, MOMENT]),
        ("hashtags", [["a"], None, []]),
    ],
)
def test_a_header_that_is_the_name_of_another_field_changes_no_value(
    name: str, header: str, field: str, values: list[object], tmp_path: Path
) -> None:
    """A job may call any field by any name; what is read is written again to the byte."""
    table = rows(3, **{field: values}).select([field]).rename_columns([header])
    data = written(table, tmp_path / "posts", name)
    back = read_file(io.BytesIO(data), name, None)
    assert written(back, tmp_path / "again", name) == data


def test_pandas_reads_csv_and_one_expression_gives_back_the_text(tmp_path: Path) -> None:
    """The expression that the format's documentation gives."""
    texts = [
        "=1",
        "'=1",
        "''@x",
        "'plain",
        "a\0b",
        "␀0",
        "␀1␀",
        "two\nlines\r\n",
        'quo"te',
        "\u202eabc",
        "😀",
    ]
    path = tmp_path / "posts.csv"
    written(rows(len(texts), text=texts), path, "csv")
    s = pd.read_csv(path, keep_default_na=False)["text"]
    lead = r"^'('*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])"
    back = s.str.replace(lead, r"\1", regex=True).str.replace("␀0", "\0").str.replace("␀1", "␀")
    assert list(back) == texts


def test_the_csv_module_of_python_agrees_on_cells(tmp_path: Path) -> None:
    """RFC 4180: any reader finds the same records."""
    texts = ['a,b;"c"', "x\ny\r\nz", "", "'"]
    data = written(rows(4, text=texts).select(["text"]), tmp_path / "posts", "csv").decode()
    assert [row[0] for row in csv.reader(io.StringIO(data, newline=""))] == ["text", *texts]


def test_parquet_is_typed_and_its_statistics_are_there(tmp_path: Path) -> None:
    """Readers that prune by time and id can."""
    path = tmp_path / "posts.parquet"
    written(POSTS, path, "parquet")
    file = pq.ParquetFile(path)
    assert file.schema_arrow.equals(SCHEMA)
    column = file.metadata.row_group(0).column(SCHEMA.get_field_index("created_at"))
    assert column.compression == "ZSTD"
    assert column.statistics.min == MOMENT
    assert pd.read_parquet(path)["id"].tolist() == ["1", "2", "at://x/3"]


def test_gzip_says_neither_name_nor_time(tmp_path: Path) -> None:
    """The header of the container is all zeros where two runs could differ."""
    data = written(POSTS, tmp_path / "posts", "jsonl", "gzip")
    assert data[3:8] == b"\0\0\0\0\0"
    assert json.loads(gzip.decompress(data).splitlines()[0])["id"] == "1"


def test_batches_are_cut_to_the_same_length() -> None:
    """All but the last have exactly the rows asked for, in order."""
    table = pa.table({"n": list(range(23))})
    pieces = list(rechunked(table.schema, table.to_batches(max_chunksize=3), 10))
    assert [piece.num_rows for piece in pieces] == [10, 10, 3]
    assert [n for piece in pieces for n in piece["n"].to_pylist()] == list(range(23))


@pytest.mark.parametrize("name", ["posts.csv", "posts.csv.gz", "posts.jsonl.zst", "posts.parquet"])
def test_files_are_read_by_their_suffix(name: str, tmp_path: Path) -> None:
    """A path or a URL is enough; pandas gets a frame of it."""
    form, _, suffix = name.removeprefix("posts.").partition(".")
    written(POSTS, tmp_path / name, form, {"gz": "gzip", "zst": "zstd"}.get(suffix))
    assert read_posts(str(tmp_path / name)).to_pylist() == POSTS.to_pylist()
    assert read_posts((tmp_path / name).as_uri()).num_rows == 3
    assert read_frame(str(tmp_path / name))["id"].tolist() == ["1", "2", "at://x/3"]


def test_what_cannot_be_read_is_said_in_a_sentence(tmp_path: Path) -> None:
    """An unknown suffix and an absent file are the person's to mend."""
    with pytest.raises(Stop, match="no suffix that says its format: csv, jsonl, parquet"):
        read_posts(str(tmp_path / "posts.xls"))
    with pytest.raises(Missing, match="There is no file"):
        read_posts(str(tmp_path / "posts.csv"))
