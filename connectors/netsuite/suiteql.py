"""SuiteQL texts, made from the contract. Pure functions.

Pages are asked for by key: `id > last ORDER BY id`, always at offset 0. An id never changes, so a row that is edited
while we read is neither skipped nor read twice, rows that share a stamp need no tie-break, and the 100,000 rows that
an offset can reach are no limit. A (stamp, id) key would move under our feet.
"""
# ruff: noqa: S608 - names come from the contract and are checked, values are typed and escaped here

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from connectors.batch import BatchRequest
from connectors.contract import Column, DataType, Table
from connectors.errors import ConfigurationError
from connectors.netsuite.zone import Zone
from connectors.window import Window

Key: TypeAlias = tuple[int, ...]
"""A row's key: the values of its key fields."""

DELETE_FIELDS = ("id", "deleteddate")
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_LINES = "transactionline"
_DELETED_TYPES: dict[str, tuple[str, ...]] = {
    "item": (
        "inventoryitem", "noninventoryitem", "serviceitem", "otherchargeitem", "kititem", "assemblyitem",
        "discountitem", "subscriptionplan", "item",
    ),
    "type = 'CustInvc'": ("invoice",),
    "type = 'CustPymt'": ("customerpayment",),
}  # fmt: skip
"""Record types in DeletedRecord, by filter or object of the table, where they differ from the object's own name."""


@dataclass(frozen=True)
class Selection:
    """Rows to be read in the order of their keys, page by page.

    Attributes:
        columns: the SELECT list.
        keys: the key's fields as the query calls them.
        names: the same as the answer calls them.
        header: fields in the answer, in lower case, as every answer has them.
        conditions: ANDed.
    """

    columns: str
    source: str
    keys: tuple[str, ...]
    names: tuple[str, ...]
    header: tuple[str, ...]
    conditions: tuple[str, ...] = ()

    def page(self, after: Key | None = None, upto: Key | None = None) -> str:
        """The rows with a key greater than `after` and not greater than `upto`."""
        return f"SELECT {self.columns} FROM {self.source}{self._where(after, upto)} ORDER BY {', '.join(self.keys)}"

    def count(self, after: Key | None = None, upto: Key | None = None) -> str:
        """How many rows that range has, as `rowcount`."""
        return f"SELECT COUNT(*) AS rowcount FROM {self.source}{self._where(after, upto)}"

    def extent(self) -> str:
        """The lowest and the highest first key field, as `lowest` and `highest`."""
        key = self.keys[0]
        return f"SELECT MIN({key}) AS lowest, MAX({key}) AS highest FROM {self.source}{self._where(None, None)}"

    def buckets(self, lowest: int, width: int) -> str:
        """How many rows there are per `width` values of the first key field, as `bucket` (from 0) and `rowcount`."""
        bucket = f"TRUNC(({self.keys[0]} - {lowest}) / {width})" if lowest >= 0 else (
            f"TRUNC(({self.keys[0]} + {-lowest}) / {width})"
        )  # fmt: skip
        where = self._where(None, None)
        return f"SELECT {bucket} AS bucket, COUNT(*) AS rowcount FROM {self.source}{where} GROUP BY {bucket}"

    def _where(self, after: Key | None, upto: Key | None) -> str:
        conditions = [*self.conditions, *_compared(self.keys, ">", after), *_compared(self.keys, "<=", upto)]
        return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def rows_selection(
    request: BatchRequest, fields: Sequence[str], types: Mapping[str, DataType], overlap: timedelta, zone: Zone
) -> Selection:
    """The rows of the table in the request's window, with these fields.

    A snapshot has no upper end: a row changed after it would otherwise look deleted. Of a line table all lines of
    every transaction that moved are read, because a line can change or vanish without its header, and the other way.

    Args:
        types: of fields that the contract does not name, where known; others are selected as they come.
    """
    table = request.table
    hi = request.window.hi
    declared = {column.field: column.type for column in table.columns}
    columns = [_selected(name, declared.get(name) or types.get(name), zone, hi) for name in fields]
    since = request.window.read_from(overlap)
    if since is not None and table.cursor and table.cursor_field in fields and table.object.lower() != _LINES:
        cursor = identifier(table.cursor_field)
        columns[fields.index(cursor)] = f"{zone.utc_text(cursor, hi, since)} AS {cursor}"
    return _selection(table, columns, fields, _row_conditions(table, request.window, overlap, zone))


def keys_selection(table: Table, hi: datetime, zone: Zone) -> Selection:
    """Key and cursor of every row alive."""
    columns = key_columns(table) + ([table.column(table.cursor)] if table.cursor else [])
    selected = [_selected(column.field, column.type, zone, hi) for column in columns]
    return _selection(table, selected, [column.field for column in columns], _own_conditions(table))


def deletes_selection(
    table: Table, window: Window, overlap: timedelta, zone: Zone, types: Sequence[str] | None = None
) -> Selection:
    """The keys deleted in the window, as `id` and `deleteddate` (UTC).

    Args:
        types: names of the records in the log; all of the table's by default.
    """
    listed = ", ".join(quoted(name) for name in (deleted_types(table) if types is None else types))
    conditions = [f"LOWER(type) IN ({listed})", *_stamp_conditions("deleteddate", window, overlap, zone)]
    text = zone.utc_text("deleteddate", window.hi, window.read_from(overlap))
    columns = f"recordid AS id, {text} AS deleteddate"
    return Selection(columns, "DeletedRecord", ("recordid",), ("id",), DELETE_FIELDS, tuple(conditions))


def key_columns(table: Table) -> list[Column]:
    """The numeric keys the pages follow. Raises ConfigurationError if the table has another sort of key."""
    columns = [table.column(name) for name in table.primary_key]
    if any(column.type is not DataType.INT64 for column in columns):
        raise ConfigurationError(
            f"{table.name}: pages follow INT64 keys, the contract has {', '.join(table.primary_key)}",
            remedy="Correct `primary_key` in the contract file.",
            table=table.name,
        )
    return columns


def deleted_types(table: Table) -> tuple[str, ...]:
    """How DeletedRecord names the table's records, in lower case; none for lines, which it does not keep."""
    if len(table.primary_key) > 1:
        return ()
    return _DELETED_TYPES.get(table.filter or "") or _DELETED_TYPES.get(table.object) or (table.object.lower(),)


def probe_query(table: Table, fields: Sequence[str]) -> str:
    """A query that fails if one of the fields is unknown, and costs next to nothing if not."""
    return f"SELECT {', '.join(identifier(name) for name in fields)} FROM {identifier(table.object)} WHERE ROWNUM <= 1"


def quoted(text: str) -> str:
    """A SuiteQL text literal."""
    return "'" + text.replace("'", "''") + "'"


def is_identifier(name: str) -> bool:
    """Whether a name can stand in a query as it is."""
    return _IDENTIFIER.fullmatch(name) is not None


def identifier(name: str) -> str:
    """The name of a record or field. Raises ConfigurationError when it is none: it would change the query."""
    if not is_identifier(name):
        raise ConfigurationError(
            f"netsuite: {name!r} is no name of a record or field",
            remedy="Correct `object` or `field` in the contract file.",
        )
    return name


def _selection(table: Table, columns: Iterable[str], header: Sequence[str], conditions: Sequence[str]) -> Selection:
    keys = tuple(identifier(column.field) for column in key_columns(table))
    names = tuple(key.lower() for key in keys)
    shown = tuple(name.lower() for name in header)
    return Selection(", ".join(columns), identifier(table.object), keys, names, shown, tuple(conditions))


def _selected(field: str, of: DataType | None, zone: Zone, hi: datetime) -> str:
    name = identifier(field)
    # Without TO_CHAR a date comes in the user's own format, and without its time.
    if of is DataType.TIMESTAMP:
        return f"{zone.utc_text(name, hi)} AS {name}"
    if of is DataType.DATE:
        return f"TO_CHAR({name}, 'YYYY-MM-DD') AS {name}"
    return name


def _own_conditions(table: Table) -> list[str]:
    return [f"({table.filter})"] if table.filter else []


def _row_conditions(table: Table, window: Window, overlap: timedelta, zone: Zone) -> list[str]:
    own = _own_conditions(table)
    if table.cursor is None or window.is_snapshot:
        return own
    moved = _stamp_conditions(identifier(table.cursor_field), window, overlap, zone)
    if table.object.lower() != _LINES:
        return own + moved
    headers = " AND ".join(_stamp_conditions("lastmodifieddate", window, overlap, zone))
    parent = identifier(key_columns(table)[0].field)
    lines = " AND ".join(moved)
    of_lines = f"{parent} IN (SELECT {parent} FROM {_LINES} WHERE {lines})"
    return [*own, f"({of_lines} OR {parent} IN (SELECT id FROM transaction WHERE {headers}))"]


def _stamp_conditions(field: str, window: Window, overlap: timedelta, zone: Zone) -> list[str]:
    start = window.read_from(overlap)
    if start is None:
        return []
    return [f"{field} >= {zone.lower(start)}", f"{field} < {zone.upper(window.hi)}"]


def _compared(keys: Sequence[str], sign: str, key: Key | None) -> list[str]:
    """`(a, b) > (1, 2)`, spelled out: SuiteQL compares no row values. A key may leave out its last fields."""
    if key is None:
        return []
    first, value = keys[0], int(key[0])
    if len(key) == 1:
        return [f"{first} {sign} {value}"]
    (rest,) = _compared(keys[1:], sign, key[1:])
    return [f"({first} {sign[0]} {value} OR ({first} = {value} AND {rest}))"]
