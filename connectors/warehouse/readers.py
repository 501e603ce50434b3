"""Raw parts as a relation of text: one VARCHAR column per contract column, NULL where the part does not have it.

Besides `raw_0 … raw_n` (contract order) the relation has `raw_deleted` (the text of a `_deleted` field, NULL without
one and in file tables, where such a field is the sender's), `raw_path` (where the part lies), `raw_lacks` (which
columns the part does not have, see `RawRelation`) and, for file tables, `raw_rest`: the fields that the contract does
not name, as JSON.
"""

# ruff: noqa: S608 - every name and value in the SQL built here goes through sql.py
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from connectors.batch import Part, PartFormat
from connectors.contract import Table
from connectors.errors import UnreadableFile
from connectors.warehouse.ddl import has_files
from connectors.warehouse.sql import name, text

TOMBSTONE_FIELD = "_deleted"
LONGEST_LINE = 8_000_000
"""Bytes. Salesforce allows many long text areas of 131,072 characters in a row."""
_BUFFER = 2 * LONGEST_LINE

_LONG_NUMBER = r"[:,\[]\s*-?[0-9.]{16}"
"""A number of more digits than the double keeps through which DuckDB reads JSON."""
_TOKENS = r'"(?:[^"\\]|\\.)*"|[^"]+'
"""The strings of a line, and what lies between them."""
_DIGITS = r"(-?[0-9][0-9.]{14,}[0-9.eE+-]*)"


@dataclass(frozen=True)
class StoredPart:
    """A part and where the warehouse reads it."""

    part: Part
    uri: str


@dataclass(frozen=True)
class RawRelation:
    """The rows parts of a batch as text.

    Attributes:
        lacks: columns that a part does not have, one entry per distinct set; `raw_lacks` is a row's place in it.
            Never a key column or the cursor, which every part has.
    """

    sql: str
    lacks: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class _Shape:
    format: PartFormat
    gzip: bool
    header: tuple[str, ...]
    alone: str = ""
    """The part itself where parts cannot be read together: Parquet columns of one name may differ in type."""

    def positions(self) -> dict[str, int]:
        return {field.casefold(): i for i, field in enumerate(self.header)}


def raw_relation(table: Table, parts: Sequence[StoredPart], null_text: str | None) -> RawRelation:
    """The parts, those of one shape read together, so that all threads have work.

    Raises:
        UnreadableFile: a part lacks a key column, or the cursor.
    """
    if not parts:
        columns = [*(f"raw_{i}" for i in range(len(table.columns))), "raw_deleted", "raw_path", "raw_rest"]
        nothing = ", ".join(f"NULL::VARCHAR AS {column}" for column in columns)
        return RawRelation(f"SELECT {nothing}, 0 AS raw_lacks WHERE FALSE", ((),))
    for stored in parts:
        _require_identity(table, stored.part)
    lacks = tuple(dict.fromkeys(_lacking(table, _shape(stored)) for stored in parts))
    ordered = sorted(parts, key=lambda p: (_shape(p).format, _shape(p).gzip, _shape(p).header, p.uri))
    selects = [
        _select(table, shape, [p.uri for p in group], null_text, lacks.index(_lacking(table, shape)))
        for shape, group in groupby(ordered, key=_shape)
    ]
    return RawRelation("\nUNION ALL\n".join(selects), lacks)


def key_relation(table: Table, parts: Sequence[StoredPart], null_text: str | None, *, stamp: str | None = None) -> str:
    """A SELECT over deletes or keys parts: `raw_0 … raw_n` for the key columns, `raw_at` for the time beside them.

    The time is the field named `stamp`, or else the first field that is no key field; NULL without one.
    Raises UnreadableFile: a part has no key field, or no field `stamp`.
    """
    keys = [table.column(key).field.casefold() for key in table.primary_key]
    selects: list[str] = []
    for stored in parts:
        shape = _shape(stored)
        positions = shape.positions()
        missing = [key for key in (*keys, *([stamp.casefold()] if stamp else [])) if key not in positions]
        if missing:
            raise UnreadableFile(
                f"{table.name}: {stored.part.name} has no key field {', '.join(missing)}",
                table=table.name, part=stored.part.name,
            )  # fmt: skip
        first = next((i for i, field in enumerate(shape.header) if field.casefold() not in keys), None)
        at = positions[stamp.casefold()] if stamp else first
        reader = _Reader(table, shape, [stored.uri], null_text)
        columns = [f"{reader.text(positions[key])} AS raw_{i}" for i, key in enumerate(keys)]
        columns.append(f"{'NULL::VARCHAR' if at is None else reader.text(at)} AS raw_at")
        selects.append(f"SELECT {', '.join(columns)} FROM {reader.relation()}")
    return "\nUNION ALL\n".join(selects)


def has_tombstone_field(table: Table, parts: Sequence[StoredPart]) -> bool:
    """True when a part says row by row whether the row is deleted (Zuora AQuA). A file's fields are its sender's."""
    return not has_files(table) and any(TOMBSTONE_FIELD in p.part.header for p in parts)


def plain_count(table: Table, part: StoredPart) -> str:
    """A SELECT that parses one part and counts its rows: to find which part of a batch cannot be read."""
    reader = _Reader(table, _shape(part), [part.uri], None)
    texts = ", ".join(f"count({reader.text(i)})" for i in range(len(part.part.header))) or "count(*)"
    return f"SELECT {texts} FROM {reader.relation()}"


def _shape(stored: StoredPart) -> _Shape:
    part = stored.part
    alone = stored.uri if part.format == "parquet" else ""
    return _Shape(part.format, part.name.endswith(".gz"), part.header, alone)


def _lacking(table: Table, shape: _Shape) -> tuple[str, ...]:
    """Columns the parts of this shape do not have."""
    present = shape.positions()
    return tuple(c.name for c in table.columns if c.field.casefold() not in present and c.name != table.deleted_flag)


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


def _select(table: Table, shape: _Shape, uris: list[str], null_text: str | None, lacks: int) -> str:
    positions, reader = shape.positions(), _Reader(table, shape, uris, null_text)
    columns: list[str] = []
    for i, column in enumerate(table.columns):
        position = positions.get(column.field.casefold())
        columns.append(f"{'NULL::VARCHAR' if position is None else reader.text(position)} AS raw_{i}")
    deleted = None if has_files(table) else positions.get(TOMBSTONE_FIELD)
    columns.append(f"{'NULL::VARCHAR' if deleted is None else reader.text(deleted)} AS raw_deleted")
    named = {field.casefold() for field in table.fields}
    rest = reader.rest([i for i, f in enumerate(shape.header) if f.casefold() not in named], table.fields)
    columns.append(f"{rest if has_files(table) else 'NULL::VARCHAR'} AS raw_rest")
    return f"SELECT {', '.join(columns)}, {reader.path} AS raw_path, {lacks} AS raw_lacks FROM {reader.relation()}"


class _Reader:
    """Parts of one shape. Ask for columns first: `relation` then reads what they need."""

    def __init__(self, table: Table, shape: _Shape, uris: Sequence[str], null_text: str | None) -> None:
        self._rules = table.files
        self._shape = shape
        self._files = "[" + ", ".join(text(uri) for uri in uris) + "]"
        self._null_text = null_text
        self._pointers: dict[int, int] = {}
        taken = set(shape.positions()) if shape.format == "parquet" else ()  # only there fields keep their names
        self.path = next(p for p in (f"raw_path{'_' * n}" for n in range(len(taken) + 1)) if p not in taken)

    def text(self, position: int) -> str:
        """The text of a field, NULL where it is empty."""
        match self._shape.format:
            case "csv":
                return f"f{position}"  # the reader itself turns empty fields into NULL
            case "jsonl":
                return f"NULLIF({self._found(position)}, '')"
            case "parquet":
                return f"NULLIF({_parquet_text(name(self._shape.header[position]))}, '')"

    def rest(self, positions: Sequence[int], named: Sequence[str]) -> str:
        """The fields at these positions as a JSON object, NULL when there are none. Of JSON lines: all but `named`."""
        if self._shape.format == "jsonl":
            patch = "{" + ", ".join(f"{text(field)}: NULL" for field in named) + "}"
            left = f"json_merge_patch(line, CAST(to_json({patch}) AS VARCHAR))"
        elif positions:
            pairs = ", ".join(f"{text(self._shape.header[i])}, {self.text(i)}" for i in positions)
            left = f"json_merge_patch('{{}}', json_object({pairs}))"  # a merge leaves out what is NULL
        else:
            return "NULL::VARCHAR"
        return f"NULLIF(CAST({left} AS VARCHAR), '{{}}')"

    def relation(self) -> str:
        """What to select from."""
        compression = "gzip" if self._shape.gzip else "none"
        match self._shape.format:
            case "csv":
                columns = ", ".join(f"'f{i}': 'VARCHAR'" for i in range(len(self._shape.header)))
                nulls = "'', " + text(self._null_text) if self._null_text else "''"
                return (
                    f"read_csv({self._files}, auto_detect=false, header=false, skip=1, columns={{{columns}}}, "
                    f"delim={text(self._rules.delimiter)}, encoding={text(self._rules.encoding)}, "
                    f"quote='\"', escape='\"', nullstr=[{nulls}], max_line_size={LONGEST_LINE}, "
                    f"buffer_size={_BUFFER}, compression='{compression}', filename='raw_path')"
                )
            case "jsonl":
                pointers = ", ".join(text(_pointer(self._shape.header[i])) for i in self._pointers)
                objects = (
                    f"SELECT {_exact_line('json')} AS line, raw_path FROM read_ndjson_objects({self._files}, "
                    f"maximum_object_size={_BUFFER}, compression='{compression}', filename='raw_path')"
                )
                return f"(SELECT line, raw_path, json_extract_string(line, [{pointers}]) AS found FROM ({objects}))"
            case "parquet":
                return f"read_parquet({self._files}, filename='{self.path}', binary_as_string=true)"

    def _found(self, position: int) -> str:
        """The field's place among those that are cut out of a line in one go."""
        return f"found[{self._pointers.setdefault(position, len(self._pointers)) + 1}]"


def _exact_line(line: str) -> str:
    """The line with long numbers put into quotes, so that they keep all their digits. Fails for what is no object."""
    token = f"CASE WHEN starts_with(x, '\"') THEN x ELSE regexp_replace(x, {text(_DIGITS)}, '\"\\1\"', 'g') END"
    quoted = f"array_to_string(list_transform(regexp_extract_all({line}, {text(_TOKENS)}), lambda x: {token}), '')"
    return (
        f"CASE WHEN NOT starts_with({line}, '{{') THEN error('a line is no JSON object') "
        f"WHEN regexp_matches({line}, {text(_LONG_NUMBER)}) THEN {quoted} ELSE {line}::VARCHAR END"
    )


def _pointer(field: str) -> str:
    return "/" + field.replace("~", "~0").replace("/", "~1")


def _parquet_text(column: str) -> str:
    """A value as text that `casting` reads: an instant with its offset, nested values as JSON."""
    return (
        f"CASE WHEN typeof({column}) = 'TIMESTAMP WITH TIME ZONE' THEN replace({column}::VARCHAR, '+00', 'Z') "
        f"WHEN regexp_matches(typeof({column}), '^(STRUCT|MAP)|\\]$') THEN CAST(to_json({column}) AS VARCHAR) "
        f"ELSE {column}::VARCHAR END"
    )
