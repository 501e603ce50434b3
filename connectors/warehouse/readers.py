"""Raw parts as a relation of text: one VARCHAR column per contract column, NULL where the part does not have it.

Besides `raw_0 … raw_n` (contract order) the relation has `raw_deleted` (the text of a `_deleted` field, NULL without
one) and `raw_path` (where the part lies).
"""

# ruff: noqa: S608 - every name and value in the SQL built here goes through sql.py
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from connectors.batch import Part, PartFormat
from connectors.contract import DataType, Table
from connectors.errors import UnreadableFile
from connectors.warehouse.sql import name, text

TOMBSTONE_FIELD = "_deleted"
LONGEST_LINE = 8_000_000
"""Bytes. Salesforce allows many long text areas of 131,072 characters in a row."""
_BUFFER = 2 * LONGEST_LINE

# Digits that a JSON number keeps through the reader's double; a number with more of them is not taken at its word.
_TOO_PRECISE = r"[1-9](\.?\d){15}|e\+"


@dataclass(frozen=True)
class StoredPart:
    """A part and where the warehouse reads it."""

    part: Part
    uri: str


@dataclass(frozen=True)
class _Shape:
    format: PartFormat
    gzip: bool
    header: tuple[str, ...]


def raw_relation(table: Table, parts: Sequence[StoredPart], null_text: str | None) -> str:
    """A SELECT over the parts. Parts of one shape are read together, so that all threads have work.

    Raises:
        UnreadableFile: a part lacks a key column, or the cursor.
    """
    if not parts:
        empty = ", ".join(f"NULL::VARCHAR AS raw_{i}" for i in range(len(table.columns)))
        return f"SELECT {empty}, NULL::VARCHAR AS raw_deleted, NULL::VARCHAR AS raw_path WHERE FALSE"
    for stored in parts:
        _require_identity(table, stored.part)
    ordered = sorted(parts, key=lambda p: (_shape(p).format, _shape(p).gzip, _shape(p).header, p.uri))
    return "\nUNION ALL\n".join(
        _select(table, shape, [p.uri for p in group], null_text) for shape, group in groupby(ordered, key=_shape)
    )


def deletes_relation(table: Table, parts: Sequence[StoredPart], null_text: str | None) -> str:
    """A SELECT over deletes parts: `raw_0 … raw_n` for the key columns, `raw_at` for the time of deletion.

    The time is the first field that is no key field; NULL without one. Raises UnreadableFile: no key field.
    """
    keys = [table.column(key).field.casefold() for key in table.primary_key]
    selects: list[str] = []
    for stored in parts:
        shape = _shape(stored)
        positions = {field.casefold(): i for i, field in enumerate(shape.header)}
        missing = [key for key in keys if key not in positions]
        if missing:
            raise UnreadableFile(
                f"{table.name}: {stored.part.name} has no key field {', '.join(missing)}",
                table=table.name, part=stored.part.name,
            )  # fmt: skip
        at = next((i for i, field in enumerate(shape.header) if field.casefold() not in keys), None)
        columns = [f"{_text(shape, positions[key])} AS raw_{i}" for i, key in enumerate(keys)]
        columns.append(f"{'NULL::VARCHAR' if at is None else _text(shape, at)} AS raw_at")
        types = dict.fromkeys(shape.header, "VARCHAR")
        selects.append(f"SELECT {', '.join(columns)} FROM {_reader(shape, [stored.uri], null_text, types)}")
    return "\nUNION ALL\n".join(selects)


def has_tombstone_field(parts: Sequence[StoredPart]) -> bool:
    """True when a part says row by row whether the row is deleted (Zuora AQuA)."""
    return any(TOMBSTONE_FIELD in p.part.header for p in parts)


def plain_count(part: StoredPart) -> str:
    """A SELECT that parses one part and counts its rows: to find which part of a batch cannot be read."""
    shape = _shape(part)
    types = dict.fromkeys(shape.header, "VARCHAR")
    return f"SELECT count(COLUMNS(*)) FROM {_reader(shape, [part.uri], None, types)}"


def _shape(stored: StoredPart) -> _Shape:
    return _Shape(stored.part.format, stored.part.name.endswith(".gz"), stored.part.header)


def _require_identity(table: Table, part: Part) -> None:
    present = {field.casefold() for field in part.header}
    wanted = [*table.primary_key, *([table.cursor] if table.cursor else [])]
    missing = [f for f in (table.column(c).field for c in wanted) if f.casefold() not in present]
    if missing:
        raise UnreadableFile(
            f"{table.name}: {part.source_file or part.name} has no column {', '.join(missing)}",
            remedy="Check that the file or query is the one the contract describes; its header is "
            f"{', '.join(part.header) or 'empty'}.",
            table=table.name, part=part.name,
        )  # fmt: skip


def _select(table: Table, shape: _Shape, uris: list[str], null_text: str | None) -> str:
    positions = {field.casefold(): i for i, field in enumerate(shape.header)}
    types: dict[str, str] = {}
    columns: list[str] = []
    for i, column in enumerate(table.columns):
        position = positions.get(column.field.casefold())
        if position is None:
            columns.append(f"NULL::VARCHAR AS raw_{i}")
            continue
        types[shape.header[position]] = "VARCHAR"
        if column.type is DataType.NUMERIC and shape.format == "jsonl":
            types[shape.header[position]] = "JSON"
            columns.append(f"{_number_text(name(shape.header[position]))} AS raw_{i}")
        else:
            columns.append(f"{_text(shape, position)} AS raw_{i}")
    deleted = positions.get(TOMBSTONE_FIELD)
    if deleted is not None:
        types[TOMBSTONE_FIELD] = "VARCHAR"
    columns.append(f"{'NULL::VARCHAR' if deleted is None else _text(shape, deleted)} AS raw_deleted")
    return f"SELECT {', '.join(columns)}, raw_path FROM {_reader(shape, uris, null_text, types)}"


def _text(shape: _Shape, position: int) -> str:
    match shape.format:
        case "csv":
            return f"f{position}"  # the reader itself turns empty fields into NULL
        case "jsonl":
            return f"NULLIF({name(shape.header[position])}, '')"
        case "parquet":
            return f"NULLIF(CAST({name(shape.header[position])} AS VARCHAR), '')"


def _number_text(json: str) -> str:
    quoted = f"starts_with({json}, '\"')"
    doubtful = f"regexp_matches({json}, {text(_TOO_PRECISE)})"
    return (
        f"CASE WHEN {quoted} THEN NULLIF(trim({json}, '\"'), '') "
        f"WHEN {doubtful} THEN {json} || ' (too many digits for a JSON number; send it as a string)' "
        f"ELSE {json}::VARCHAR END"
    )


def _reader(shape: _Shape, uris: list[str], null_text: str | None, types: Mapping[str, str]) -> str:
    files = "[" + ", ".join(text(uri) for uri in uris) + "]"
    compression = "gzip" if shape.gzip else "none"
    match shape.format:
        case "csv":
            names = ", ".join(f"'f{i}': 'VARCHAR'" for i in range(len(shape.header)))
            nulls = "'', " + text(null_text) if null_text else "''"
            return (
                f"read_csv({files}, auto_detect=false, header=false, skip=1, columns={{{names}}}, delim=',', "
                f"quote='\"', escape='\"', nullstr=[{nulls}], max_line_size={LONGEST_LINE}, buffer_size={_BUFFER}, "
                f"compression='{compression}', filename='raw_path')"
            )
        case "jsonl":
            names = ", ".join(f"{text(f)}: '{t}'" for f, t in types.items())
            return (
                f"read_json({files}, format='newline_delimited', columns={{{names}}}, ignore_errors=false, "
                f"maximum_object_size={_BUFFER}, compression='{compression}', filename='raw_path')"
            )
        case "parquet":
            return f"read_parquet({files}, filename='raw_path')"
