"""SuiteQL texts, made from the contract. Pure functions.

Pages are asked for by key: `id > last ORDER BY id`, always at offset 0. An id never changes, so a row that is edited
while we read is neither skipped nor read twice, rows that share a stamp need no tie-break, and the 100,000 rows that
an offset can reach are no limit. A (stamp, id) key would move under our feet.
"""
# ruff: noqa: S608 - names come from the contract, values are typed and escaped here

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from connectors.contract import Column, DataType, Table
from connectors.errors import ConfigurationError
from connectors.netsuite.clock import FixedZone
from connectors.window import Window

DELETE_FIELDS = ("id", "deleteddate")

_DELETED_TYPES: dict[str, tuple[str, ...]] = {
    "item": (
        "inventoryitem", "noninventoryitem", "serviceitem", "otherchargeitem", "kititem", "assemblyitem",
        "discountitem", "subscriptionplan", "item",
    ),
    "type = 'CustInvc'": ("invoice",),
    "type = 'CustPymt'": ("customerpayment",),
}  # fmt: skip
"""Record types in DeletedRecord, by filter or object of the table, where they differ from the object's own name."""


def key_column(table: Table) -> Column:
    """The numeric key the pages follow. Raises ConfigurationError if the table has another sort of key."""
    column = table.column(table.primary_key[0])
    if len(table.primary_key) > 1 or column.type is not DataType.INT64:
        raise ConfigurationError(
            f"{table.name}: pages follow one INT64 key, the contract has {', '.join(table.primary_key)}",
            remedy="Correct `primary_key` in the contract file.",
            table=table.name,
        )
    return column


def rows_query(table: Table, window: Window, overlap: timedelta, zone: FixedZone, after: int | None) -> str:
    """One page of the table's rows in the window, those with a key greater than `after`.

    A snapshot has no upper end: a row changed after it would otherwise look deleted.
    """
    key = key_column(table).field
    conditions = [*_row_conditions(table, window, overlap, zone), *_after(key, after)]
    columns = ", ".join(_selected(column, zone) for column in table.columns)
    return f"SELECT {columns} FROM {table.object}{_where(conditions)} ORDER BY {key}"


def count_query(table: Table, window: Window, overlap: timedelta, zone: FixedZone) -> str:
    """How many rows the window has now, as `rowcount`."""
    return f"SELECT COUNT(*) AS rowcount FROM {table.object}{_where(_row_conditions(table, window, overlap, zone))}"


def deletes_query(table: Table, window: Window, overlap: timedelta, zone: FixedZone, after: int | None) -> str:
    """One page of the keys deleted in the window, as `id` and `deleteddate` (UTC)."""
    types = ", ".join(quoted(name) for name in deleted_types(table))
    conditions = [f"LOWER(type) IN ({types})", *_stamp_conditions("deleteddate", window, overlap, zone)]
    conditions += _after("recordid", after)
    return (
        f"SELECT recordid AS id, {zone.utc_text('deleteddate')} AS deleteddate "
        f"FROM DeletedRecord{_where(conditions)} ORDER BY recordid"
    )


def deleted_types(table: Table) -> tuple[str, ...]:
    """How DeletedRecord names the table's records, in lower case."""
    return _DELETED_TYPES.get(table.filter or "") or _DELETED_TYPES.get(table.object) or (table.object.lower(),)


def probe_query(table: Table, fields: Sequence[str]) -> str:
    """A query that fails if one of the fields is unknown, and costs next to nothing if not."""
    return f"SELECT {', '.join(fields)} FROM {table.object} WHERE ROWNUM <= 1"


def sample_query(table: Table) -> str:
    """One row with every field it has a value in."""
    return f"SELECT * FROM {table.object} WHERE ROWNUM <= 1"


def quoted(text: str) -> str:
    """A SuiteQL text literal."""
    return "'" + text.replace("'", "''") + "'"


def _selected(column: Column, zone: FixedZone) -> str:
    # Without TO_CHAR a date comes in the user's own format, and without its time.
    if column.type is DataType.TIMESTAMP:
        return f"{zone.utc_text(column.field)} AS {column.field}"
    if column.type is DataType.DATE:
        return f"TO_CHAR({column.field}, 'YYYY-MM-DD') AS {column.field}"
    return column.field


def _row_conditions(table: Table, window: Window, overlap: timedelta, zone: FixedZone) -> list[str]:
    own = [f"({table.filter})"] if table.filter else []
    return own + (_stamp_conditions(table.cursor_field, window, overlap, zone) if table.cursor else [])


def _stamp_conditions(field: str, window: Window, overlap: timedelta, zone: FixedZone) -> list[str]:
    start = window.read_from(overlap)
    if start is None:
        return []
    return [f"{field} >= {zone.literal(start)}", f"{field} < {zone.literal(window.hi)}"]


def _after(field: str, key: int | None) -> list[str]:
    return [] if key is None else [f"{field} > {key}"]


def _where(conditions: Sequence[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""
