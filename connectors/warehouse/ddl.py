"""What STG looks like: columns of every table, from the contract, and the statements that bring a warehouse there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from connectors.contract import DataType, Table
from connectors.errors import TypeChanged
from connectors.warehouse.sql import name, text

SCHEMA = "STG"


@dataclass(frozen=True)
class WarehouseColumn:
    """A column as a warehouse has it, with the warehouse's own type name."""

    name: str
    type: str
    comment: str | None


@dataclass(frozen=True)
class WarehouseTable:
    """A table of STG as it should be, or as it is."""

    name: str
    comment: str | None
    columns: tuple[WarehouseColumn, ...]


def bookkeeping(table: Table) -> dict[str, tuple[DataType, str]]:
    """The columns that the warehouse adds to the contract's: name -> (type, description)."""
    columns = {
        "_batch_id": (DataType.STRING, "Batch that wrote the row; see STG._ledger."),
        "_loaded_at": (DataType.TIMESTAMP, "When that batch was loaded (UTC)."),
        "_deleted": (DataType.BOOL, "True when the source has deleted the row (a tombstone)."),
        "_deleted_at": (DataType.TIMESTAMP, "When the source deleted it, as far as is known (UTC)."),
    }
    if has_files(table):
        columns["_file"] = (DataType.STRING, "Key of the source file the row came in.")
        columns["_raw"] = (DataType.STRING, "Fields of the row that the contract does not name, as JSON; NULL: none.")
    return columns


def has_files(table: Table) -> bool:
    """True for tables that are filled from files, where the latest delivery of a file wins."""
    return table.format is not None


def shadow_name(table: Table) -> str:
    """The table of the rows of a file table that another file's newer row keeps out of it."""
    return f"_shadowed_{table.name}"


def qualified(table: str) -> str:
    """`"STG"."sfdc_account"`."""
    return f"{name(SCHEMA)}.{name(table)}"


def desired(table: Table, types: Mapping[DataType, str]) -> WarehouseTable:
    """The STG table that the contract asks for, in a warehouse with these type names."""
    columns = [WarehouseColumn(c.name, types[c.type], c.description or None) for c in table.columns]
    columns += [WarehouseColumn(n, types[of], about) for n, (of, about) in bookkeeping(table).items()]
    return WarehouseTable(table.name, table.description or None, tuple(columns))


def desired_shadow(table: Table, types: Mapping[DataType, str]) -> WarehouseTable:
    """The table beside a file table for rows that another file's newer row keeps out of it."""
    columns = {c.name: c.type for c in table.columns}
    columns |= {c: bookkeeping(table)[c][0] for c in ("_file", "_raw", "_batch_id")}
    columns |= {"_delivered": DataType.TIMESTAMP}
    about = f"Rows that {table.name} does not show, because a file that came later has their key, too."
    return WarehouseTable(
        shadow_name(table), about, tuple(WarehouseColumn(c, types[of], None) for c, of in columns.items())
    )


def changes(
    wanted: WarehouseTable, existing: WarehouseTable | None, wider: Collection[tuple[str, str]] = ()
) -> list[str]:
    """The statements that turn `existing` into `wanted`; none when nothing differs. Columns are never dropped.

    Args:
        wider: pairs of types of which the second holds every value of the first: such a column is altered in place.

    Raises:
        TypeChanged: a column has another type than the contract asks for.
    """
    target = qualified(wanted.name)
    if existing is None:
        body = ",\n  ".join(f"{name(c.name)} {c.type}" for c in wanted.columns)
        bare = tuple(WarehouseColumn(c.name, c.type, None) for c in wanted.columns)
        return [f"CREATE TABLE {target} (\n  {body}\n)", *_comments(wanted, WarehouseTable(wanted.name, None, bare))]
    has = {c.name: c for c in existing.columns}
    retyped = [c for c in wanted.columns if c.name in has and has[c.name].type != c.type]
    differing = [c for c in retyped if (has[c.name].type, c.type) not in wider]
    if differing:
        listed = ", ".join(f"{c.name} is {has[c.name].type}, the contract says {c.type}" for c in differing)
        raise TypeChanged(
            f"{SCHEMA}.{wanted.name}: {listed}",
            remedy="Declare the field under a new column name (`meta: {field: ...}` names the field) and leave the old "
            f"column out of the contract, then run `mgdw replay` for {wanted.name}: the new column is filled from the "
            "lake, the old one keeps what it has.",
            table=wanted.name,
        )
    added = [f"ALTER TABLE {target} ADD COLUMN {name(c.name)} {c.type}" for c in wanted.columns if c.name not in has]
    widened = [f"ALTER TABLE {target} ALTER COLUMN {name(c.name)} TYPE {c.type}" for c in retyped]
    return [*widened, *added, *_comments(wanted, existing)]


def _comments(wanted: WarehouseTable, existing: WarehouseTable) -> Iterable[str]:
    target = qualified(wanted.name)
    if wanted.comment != existing.comment:
        yield f"COMMENT ON TABLE {target} IS {text(wanted.comment)}"
    has = {c.name: c.comment for c in existing.columns}
    for column in wanted.columns:
        if column.comment != has.get(column.name):
            yield f"COMMENT ON COLUMN {target}.{name(column.name)} IS {text(column.comment)}"
