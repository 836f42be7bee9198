"""Buckets: where objects go, and when two names mean the same place."""

from __future__ import annotations

import os
import re
from typing import Final

from schemas.fault import Fault

_S3_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_BARE = re.compile(r"(?:s3[an]?:/{0,2})?/*(?P<name>[a-z0-9][a-z0-9.-]+[a-z0-9])(?P<rest>/.*)?")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\\*?\[\]{}#%\"<>|^`]")
_DOTS = re.compile(r"(?<=/)\.{1,2}(?=/|\Z)")
_RULE: Final = "3 to 63 lower-case letters, digits, dots and hyphens, with a letter or digit at both ends"


def bucket_fault(text: str) -> Fault | None:
    """What keeps `text` from being a bucket, if anything does."""
    fault = _fault(text)
    return None if fault is None else fault._replace(path=("bucket",))


def _fault(text: str) -> Fault | None:
    if found := _FORBIDDEN.search(text):
        shown = found[0] if found[0].isprintable() else f"U+{ord(found[0]):04X}"
        hint = "placeholders go into the key" if shown in "{}" else ""
        return Fault(
            f'the bucket has the character "{shown}", which not every tool can read',
            "bad-bucket",
            hint,
            offset=found.start(),
        )
    if text.startswith("s3://"):
        name = text.removeprefix("s3://").partition("/")[0]
        fault = _name_fault(name)
        if fault is not None:
            return fault._replace(offset=len("s3://"))
        return _folder_fault(text, len(f"s3://{name}/"), needed=False)
    for scheme in ("file:///", "./"):
        if text.startswith(scheme):
            return _folder_fault(text, len(scheme))
    if text.startswith("memory://"):
        return None
    return Fault(f'"{text}" is no bucket', "bad-bucket", _meant(text))


def _meant(text: str) -> str:
    if text.startswith(("/", "file:/")):
        return f'did you mean "file:///{text.removeprefix("file:").lstrip("/")}"?'
    if not text.startswith(".") and (found := _BARE.fullmatch(text.lower().replace("_", "-"))):
        return f'did you mean "s3://{found["name"]}{found["rest"] or ""}"?'
    return "write s3://name, s3://name/folder, ./folder or file:///folder"


def _name_fault(name: str) -> Fault | None:
    if _S3_NAME.fullmatch(name) and ".." not in name and not _ADDRESS.fullmatch(name):
        reserved = name.startswith(("xn--", "sthree-", "amzn-s3-demo-")) or name.endswith(
            ("-s3alias", "--ol-s3")
        )
        if not reserved:
            return None
        return Fault(f'bucket names like "{name}" are kept by Amazon for itself', "bad-bucket")
    message = f'"{name}" cannot be the name of an S3 bucket'
    lower = name.lower().replace("_", "-")
    hint = (
        f'did you mean "{lower}"?' if lower != name and _S3_NAME.fullmatch(lower) else f"names have {_RULE}"
    )
    return Fault(message, "bad-bucket", hint)


def _folder_fault(text: str, start: int, *, needed: bool = True) -> Fault | None:
    """The fault of the folder that begins in `text` at `start`."""
    segments = text[start:].strip("/").split("/")
    dots = _DOTS.search(text, start)
    if dots or (needed and segments == [""]):
        message, hint = "the bucket's folder must be a plain path", 'write it without "." and ".."'
        return Fault(message, "bad-bucket", hint, offset=dots.start() if dots else 0)
    if "" in segments[1:] or text[start : start + 1] == "/":
        at = text.index("//", start - 1)
        return Fault(
            'the bucket has an empty folder name ("//")', "bad-bucket", 'write a single "/"', offset=at
        )
    return None


def place_of(bucket: str, root: str) -> str:
    """One spelling for each place: relative folders made absolute, no slash at the end."""
    if bucket.startswith("./"):
        return "file://" + os.path.normpath(os.path.join(root, bucket))  # noqa: PTH118  hot path, text in and out
    return bucket.rstrip("/")
