"""Which deliveries may be read already: not just arrived, and their set whole. Pure functions.

S3 never shows half an object, and a file is read by its ETag, so that a file that grows in steps is caught. What is
left are senders that deliver half a file under its final name, or half a set of files.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from connectors.batch import FileRef
from connectors.contract import CompleteWhen


@dataclass(frozen=True)
class Waiting:
    """A delivery that is left to a later run, and why."""

    file: FileRef
    reason: str


@dataclass(frozen=True)
class Promise:
    """What a sender's manifest says of one file, as far as it says it. Checksums in hexadecimal digits."""

    rows: int | None = None
    bytes: int | None = None
    md5: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class SetManifest:
    """A sender's manifest: what it promises by key, or why it cannot be read."""

    promises: Mapping[str, Promise]
    fault: str = ""


def too_young(files: Iterable[FileRef], now: datetime, minimum: timedelta) -> list[Waiting]:
    """The files that arrived less than `minimum` ago."""
    return [
        Waiting(f, f"it arrived less than {minimum.total_seconds():.0f} s ago")
        for f in files
        if now - f.last_modified < minimum
    ]


def is_control(key: str, rule: CompleteWhen | None) -> bool:
    """True for a table's own markers and manifests."""
    if rule is None:
        return False
    name = key.rpartition("/")[2]
    return name.endswith(rule.name[1:]) if rule.name.startswith("*") else name == rule.name


def without_marker(files: Iterable[FileRef], present: Mapping[str, FileRef], name: str, prefix: str) -> list[Waiting]:
    """The files whose set has no marker yet, or one that is older than the file: left from an earlier delivery."""
    waiting: list[Waiting] = []
    for file in files:
        marks = [present[key] for key in _marks(file.key, name, prefix) if key in present]
        if not marks:
            waiting.append(Waiting(file, f"there is no {_beside(file.key, name)} yet"))
        elif all(mark.last_modified < file.last_modified for mark in marks):
            waiting.append(Waiting(file, f"{marks[0].key} is older than the file"))
    return waiting


def manifest_key(key: str, name: str) -> str:
    """Where the manifest of a file's set lies."""
    return f"{_folder(key)}{name}"


def unfulfilled(
    files: Iterable[FileRef], present: Mapping[str, FileRef], manifests: Mapping[str, SetManifest], name: str
) -> list[Waiting]:
    """The files whose set is not what its manifest promises: a file is not there, or not as large, or not named.

    Args:
        manifests: by key.
    """
    waiting: list[Waiting] = []
    for file in files:
        where = manifest_key(file.key, name)
        found = manifests.get(where)
        if found is None:
            waiting.append(Waiting(file, f"there is no {where} yet"))
        elif found.fault:
            waiting.append(Waiting(file, f"{where} {found.fault}"))
        elif file.key not in found.promises:
            waiting.append(Waiting(file, f"{where} does not name it"))
        elif lacking := _lacking(found.promises, present):
            waiting.append(Waiting(file, f"{where} names {lacking[0]}, which is not there (or has another size)"))
    return waiting


def read_manifest(body: bytes, bucket: str, folder: str) -> SetManifest:
    """A sender's manifest. An entry names its file by key, by name relative to the manifest, or by `s3://` URL."""
    try:
        raw: Any = json.loads(body)
    except ValueError:
        return SetManifest({}, "is no JSON")
    entries: Any = cast("dict[str, Any]", raw).get("files", raw.get("entries")) if isinstance(raw, dict) else None
    if not isinstance(entries, list):
        return SetManifest({}, "has no list `files` or `entries`")
    promises: dict[str, Promise] = {}
    for entry in cast("list[Any]", entries):
        facts: dict[str, Any] = (
            {"name": entry} if isinstance(entry, str) else dict(entry) if isinstance(entry, dict) else {}
        )
        name = _first(facts, "key", "url", "path", "name")
        if not isinstance(name, str):
            return SetManifest({}, "has an entry without a name")
        meta = facts.get("meta")
        facts |= cast("dict[str, Any]", meta) if isinstance(meta, dict) else {}
        promises[_key(name, bucket, folder)] = Promise(
            rows=_number(_first(facts, "rows", "row_count", "record_count")),
            bytes=_number(_first(facts, "bytes", "size", "content_length")),
            md5=_digest(_first(facts, "md5", "MD5checksum")),
            sha256=_digest(_first(facts, "sha256")),
        )
    return SetManifest(promises)


def ready(files: Iterable[FileRef], waiting: Collection[Waiting]) -> list[FileRef]:
    """The files that need not wait."""
    held = {w.file.key for w in waiting}
    return [f for f in files if f.key not in held]


def _lacking(promises: Mapping[str, Promise], present: Mapping[str, FileRef]) -> list[str]:
    return [
        key
        for key, promise in promises.items()
        if key not in present or promise.bytes not in (None, present[key].size)
    ]  # fmt: skip


def _marks(key: str, name: str, prefix: str) -> list[str]:
    """Where a file's marker may lie: beside it, or in a folder above it and below the table's prefix."""
    if name.startswith("*"):
        return [key + name[1:]]
    folder = _folder(key)
    marks = [folder + name]
    while len(folder := _folder(folder.rstrip("/"))) > len(prefix):
        marks.append(folder + name)
    return marks


def _beside(key: str, name: str) -> str:
    return key + name[1:] if name.startswith("*") else _folder(key) + name


def _folder(key: str) -> str:
    return key[: key.rfind("/") + 1]


def _key(name: str, bucket: str, folder: str) -> str:
    name = name.removeprefix(f"s3://{bucket}/").removeprefix("./")
    return name if name.startswith(folder) else folder + name


def _first(facts: Mapping[str, Any], *names: str) -> Any:
    return next((facts[name] for name in names if facts.get(name) is not None), None)


def _number(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, str)) and str(value).isdecimal() else None


def _digest(value: Any) -> str | None:
    return value.strip().lower() if isinstance(value, str) and value.strip() else None
