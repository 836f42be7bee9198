"""Columns as text, a whole column at a time: JSON for lists and values, ISO forms for times."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from etl_callables.table import pc

_CONTROL = r"[\x00-\x1f]"


def json_strings(column: Any) -> Any:
    """Each string as a JSON string, quotes included; nulls stay null."""
    escaped = column
    for raw, written in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        if pc.any(pc.match_substring(escaped, raw)).as_py():
            escaped = pc.replace_substring(escaped, raw, written)
    if pc.any(pc.match_substring_regex(escaped, _CONTROL)).as_py():  # the rest are as good as never there
        texts = [
            None if text is None else json.dumps(text, ensure_ascii=False) for text in column.to_pylist()
        ]
        return pa.array(texts, pa.string())
    return pc.binary_join_element_wise('"', escaped, '"', "")


def json_lists(column: Any) -> Any:
    """Each list of strings as a JSON array; nulls stay null."""
    if column.null_count == len(column):
        return pa.nulls(len(column), pa.string())
    # The values outside a slice's own range are not ours to look at, hence flatten and new offsets.
    lengths = pc.fill_null(pc.list_value_length(column), 0)
    ends = pc.cumulative_sum(lengths)
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends.cast(pa.int32())])
    quoted = pa.ListArray.from_arrays(offsets, pc.fill_null(json_strings(column.flatten()), "null"))
    joined = pc.binary_join_element_wise("[", pc.binary_join(quoted, ", "), "]", "")
    return pc.if_else(pc.is_valid(column), joined, pa.scalar(None, pa.string()))


def times(column: Any, between: str, zone: str) -> Any:
    """`2021-07-05<between>12:00:00<zone>`, with six digits of a second where there is a fraction."""
    plain = column.cast(pa.timestamp("us"))
    whole = plain.cast(pa.timestamp("s"), safe=False)
    if pc.all(pc.equal(whole.cast(pa.timestamp("us")), plain)).as_py() is not False:
        text = whole.cast(pa.string())
    else:
        fine = plain.cast(pa.string())
        text = pc.if_else(pc.equal(whole.cast(pa.timestamp("us")), plain), whole.cast(pa.string()), fine)
    if between != " ":
        text = pc.replace_substring(text, " ", between)
    return pc.binary_join_element_wise(text, zone, "")


def parsed(text: Any, kind: Any) -> Any:
    """What texts say, as a column of a type: times and lists that were written as above.

    ValueError and TypeError where they were not.
    """
    if pa.types.is_timestamp(kind):
        return pc.replace_substring(text, " ", "T", max_replacements=1).cast(kind).combine_chunks()
    if pa.types.is_list(kind):
        lists = [None if value is None else json.loads(value) for value in text.to_pylist()]
        return pa.array(lists, kind)
    return text.combine_chunks()
