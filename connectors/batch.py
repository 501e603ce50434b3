"""What is asked of a source (BatchRequest) and what it left in the lake (Manifest)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from connectors.contract import Table
from connectors.window import Window

PartKind = Literal["rows", "deletes", "keys"]
Scope = Literal["rows", "keys"]
PartFormat = Literal["csv", "jsonl", "parquet"]


@dataclass(frozen=True)
class FileRef:
    """One object in a source bucket, as listed.

    Attributes:
        etag: opaque change token, not a checksum.
        version_id: tells this delivery of the key from every other; None where the etag alone does.
    """

    bucket: str
    key: str
    etag: str
    size: int
    last_modified: datetime
    version_id: str | None = None

    @property
    def token(self) -> str:
        """What the ledger keeps of the delivery, to know it again."""
        return self.version_id or self.etag


@dataclass(frozen=True)
class BatchRequest:
    """One piece of work for one table: a window, or a set of files. Asking twice gives the same batch id.

    Attributes:
        label: names a deliberate second reading of what is loaded already (a backfill, all files again); with the
            same label it is the same batch.
        scope: `keys` asks for the living keys alone (with the cursor), to find what was deleted or lost unnoticed.
        absent: fields of the contract that the source no longer has.
        extra: fields to fetch for the lake alone, which the contract does not name.
        origin: which instance of the system is asked (`Source.origin`); windows of another one do not count.
    """

    table: Table
    window: Window
    files: tuple[FileRef, ...] = ()
    label: str = ""
    scope: Scope = "rows"
    absent: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    origin: str = ""

    @property
    def fields(self) -> tuple[str, ...]:
        """Source fields to ask for: the contract's, as far as the source has them, then the extra ones."""
        return (*(field for field in self.table.fields if field not in self.absent), *self.extra)

    @property
    def batch_id(self) -> str:
        """Digest of source, table, and window or files; never of an attempt number."""
        identity: list[object] = [self.table.source, self.table.name]
        if self.files:
            identity += [[f.bucket, f.key, f.token] for f in sorted(self.files, key=lambda f: f.key)]
        else:
            identity += [self.window.lo.isoformat() if self.window.lo else None, self.window.hi.isoformat()]
        if self.label or self.scope != "rows":
            identity += [self.label, self.scope]
        if self.origin:
            identity += [self.origin]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:24]

    @property
    def prefix(self) -> str:
        """Where the batch lives in the lake: `raw/<source>/<table>/<date>/<batch id>`."""
        return f"raw/{self.table.source}/{self.table.name}/{self.window.hi:%Y-%m-%d}/{self.batch_id}"


@dataclass(frozen=True)
class Part:
    """One immutable object of a batch.

    Attributes:
        name: object name below the batch's prefix.
        kind: `rows` holds records; `deletes` holds keys (and their deletion time) that vanished at the source;
            `keys` parts together hold the key and cursor of every row alive, so that other keys are deleted.
        format: how to read it; a name ending in `.gz` is gzip.
        header: source field names in column order (CSV; the file's own first line is skipped) or the fields
            that may occur (JSON lines, Parquet).
        rows: records counted while writing, or the source's count for this part.
        bytes: size as stored.
        source_file: key of the source file this part is a copy of (file sources).
    """

    name: str
    kind: PartKind
    format: PartFormat
    header: tuple[str, ...]
    rows: int | None
    bytes: int
    source_file: str | None = None


@dataclass(frozen=True)
class Manifest:
    """The proof that a batch is whole; written last. A batch without one does not exist.

    Attributes:
        source_rows: the source's own count of the rows in the batch (rows parts only); None if it gives none.
        null_text: the text that stands for NULL in CSV parts, besides the empty field.
        midnight_zone: the zone whose midnight a bare date stands for where a time is due; None for UTC.
        scope, origin: of the request.
        details: request ids, job ids, clock readings: what an engineer wants when something is wrong.
    """

    batch_id: str
    source: str
    table: str
    window: Window
    prefix: str
    parts: tuple[Part, ...]
    source_rows: int | None
    extracted_at: datetime
    files: tuple[FileRef, ...] = ()
    null_text: str | None = None
    midnight_zone: str | None = None
    scope: Scope = "rows"
    origin: str = ""
    details: dict[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def of(
        cls,
        request: BatchRequest,
        *,
        parts: Iterable[Part],
        source_rows: int | None,
        files: tuple[FileRef, ...] = (),
        null_text: str | None = None,
        midnight_zone: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> Manifest:
        """The manifest of what was fetched for `request`, extracted now."""
        return cls(
            batch_id=request.batch_id,
            source=request.table.source,
            table=request.table.name,
            window=request.window,
            prefix=request.prefix,
            parts=tuple(parts),
            source_rows=source_rows,
            extracted_at=datetime.now(UTC),
            files=files,
            null_text=null_text,
            midnight_zone=midnight_zone,
            scope=request.scope,
            origin=request.origin,
            details=details or {},
        )

    @property
    def rows(self) -> int:
        """Rows counted in the rows parts while they were written (0 where a part was not counted)."""
        return sum(p.rows or 0 for p in self.parts if p.kind == "rows")

    @property
    def bytes(self) -> int:
        """Stored size of all parts."""
        return sum(p.bytes for p in self.parts)

    def to_json(self) -> str:
        """The manifest as the text of `manifest.json`."""
        return json.dumps({"version": 1, **asdict(self)}, indent=1, default=_encode)

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Read back what `to_json` wrote."""
        raw = json.loads(text)
        raw.pop("version")
        raw["window"] = Window(_stamp(raw["window"]["lo"]), datetime.fromisoformat(raw["window"]["hi"]))
        raw["parts"] = tuple(_part(part) for part in raw["parts"])
        raw["files"] = tuple(_file(file) for file in raw["files"])
        raw["extracted_at"] = datetime.fromisoformat(raw["extracted_at"])
        return cls(**raw)


def _encode(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"cannot write {type(value).__name__} to a manifest")


def _part(raw: dict[str, Any]) -> Part:
    raw["header"] = tuple(raw["header"])
    return Part(**raw)


def _file(raw: dict[str, Any]) -> FileRef:
    raw["last_modified"] = datetime.fromisoformat(raw["last_modified"])
    return FileRef(**raw)


def _stamp(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
