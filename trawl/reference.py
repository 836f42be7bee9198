"""The job reference: every field of a job file, generated from the schema that checks it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from schemas.words import nearest, short

SCHEMA: Final = Path(__file__).resolve().parent.parent / "schemas" / "scrape_job.schema.json"

DEFAULTS: Final = """\
## defaults.yaml

What several jobs have in common is written once, in a file `defaults.yaml` in their folder. It reaches every
job of that folder and of the folders below it; one in `pipelines/` itself reaches all:

```yaml
# pipelines/team/defaults.yaml
owner: analytics
timezone: Europe/Berlin
bucket: s3://analytics-posts
key: "{job}/{date}.csv"
date_range: {since: 2021-07-05}
```

- It may hold every field of a job, and needs none. It is no job itself, so nothing runs by it.
- The nearest wins: what the job says, then the defaults in its own folder, then those in the folder above.
- Mappings, such as `options` and `date_range`, are put together name by name. Anything else is replaced,
  and so are whole lists.
- `trawl show JOB` says for each value which line of which file it is from, and `trawl plan` which jobs a
  change touches.
- While one has problems, none of the jobs that it reaches is scheduled. `trawl check` shows them in it.
"""


def reference() -> str:
    """The whole reference as a Markdown page."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return "\n".join(_page(schema)).rstrip() + "\n"


def section(name: str) -> str:
    """The part on a field (`limit`, `options.files`), on a source (`twitter`) or on `defaults`, as Markdown.

    An option that several sources have is told for each. LookupError, with a sentence, for what is neither.
    """
    blocks = list(_blocks())
    found = [
        block
        for heading, source, block in blocks
        if heading == name or heading.startswith(f"{name}.") or name in source.split(", ")[0].split(": ")
    ]
    if not found:
        known = {heading for heading, _, _ in blocks if " " not in heading}
        near = nearest(name, known)
        raise LookupError(
            f'there is no field or source "{short(name)}"'
            + (f'; did you mean "{near}"?' if near else "; `trawl docs` has all there are")
        )
    return "\n\n".join("\n".join(block).strip() for block in found) + "\n"


def _blocks() -> Iterator[tuple[str, str, list[str]]]:
    """Each part under a heading of its own: its name, the source it is about, its lines."""
    heading = source = ""
    block: list[str] = []
    for line in _page(json.loads(SCHEMA.read_text(encoding="utf-8"))):
        if line.startswith("##"):
            if heading:
                yield heading, source, block
            heading, block = line.lstrip("#").strip(), []
            source = heading if heading.startswith("source: ") else source
            line = f"{line} ({source})" if source and heading != source else line  # noqa: PLW2901  told apart
        block.append(line)
    yield heading, source, block


def _page(schema: Mapping[str, Any]) -> Iterator[str]:
    yield "# Job reference"
    yield ""
    yield "<!-- Generated from schemas/scrape_job.schema.json by `make docs`. -->"
    yield ""
    yield schema["description"]
    yield ""
    yield "| field | what | required |"
    yield "|---|---|---|"
    for name, field in schema["properties"].items():
        required = "yes" if name in schema["required"] else ""
        yield f"| [`{name}`](#{name}) | {field['title']} | {required} |"
    yield ""
    yield from DEFAULTS.splitlines()
    for name, field in schema["properties"].items():
        yield ""
        yield from _section(name, field, schema, "##")
    yield from _sources(schema)


def _section(name: str, field: Mapping[str, Any], schema: Mapping[str, Any], level: str) -> Iterator[str]:
    whole = {**_resolved(field, schema), **field}
    yield f"{level} {name}"
    yield ""
    if "description" in whole:
        yield whole["description"]
        yield ""
    yield f"- Type: {_type(whole, schema)}"
    if whole.get("default") not in (None, "", [], {}):
        yield f"- Default: {_value(whole['default'])}"
    for key, words in (("minimum", "At least"), ("maximum", "At most"), ("maxLength", "Longest")):
        if key in whole:
            yield f"- {words}: {whole[key]:,}{' characters' if key == 'maxLength' else ''}"
    examples = whole.get("examples", [])
    if examples:
        yield f"- Examples: {', '.join(_value(example) for example in examples)}"
    for inner, value in whole.get("properties", {}).items():
        yield ""
        yield from _section(f"{name}.{inner}", value, schema, level + "#")


def _sources(schema: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield "## What each source adds"
    for branch in schema["allOf"]:
        condition, then = branch["if"]["properties"], branch["then"]
        if not condition.keys() <= {"source", "via"}:
            continue  # a rule about other fields, which their descriptions tell
        via = f", via: {condition['via']['const']}" if "via" in condition else ""
        yield ""
        yield f"### source: {condition['source']['const']}{via}"
        yield ""
        if "via" in then["properties"]:
            providers = then["properties"]["via"]["enum"]
            yield f"- Providers (`via`): {', '.join(f'`{provider}`' for provider in providers)}"
        if "required" in then:
            yield f"- Also required: {', '.join(f'`{name}`' for name in then['required'])}"
        options = _resolved(then["properties"].get("options", {}), schema)
        for name, option in options.get("properties", {}).items():
            yield ""
            yield from _section(f"options.{name}", option, schema, "####")


def _resolved(field: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The field with what its `$ref` says, its own words first."""
    reference: str | None = field.get("$ref")
    if reference is None:
        return field
    found: Mapping[str, Any] = schema["$defs"][reference.rpartition("/")[2]]
    return {**_resolved(found, schema), **field}


def _type(field: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "enum" in field:
        return "one of " + ", ".join(f"`{value}`" for value in field["enum"])
    if "anyOf" in field and "type" not in field:
        return ", or ".join(_type(_resolved(option, schema), schema) for option in field["anyOf"])
    kind = field.get("type", "string")
    if kind == "array":
        return f"a list, each {_type(_resolved(field.get('items', {}), schema), schema)}"
    return {
        "string": "text",
        "integer": "a whole number",
        "number": "a number",
        "boolean": "`true` or `false`",
        "object": "a mapping",
    }[kind]


def _value(value: object) -> str:
    """A value as it is written in a job file."""
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value, ensure_ascii=False)}`"
