"""From raw text to the typed rows of one batch: a SQL relation made from the contract.

The relation has the contract's columns, `_deleted`, `_deleted_at` and, for file tables, `_file` and `_raw`; and for the
merge `_version` (what decides which of two rows is newer), `_part` (its part, in the order in which they were read),
`_lacks` (which columns its part does not have, a place in `Conform.lacks`), `_sparse` (a tombstone of which only key
and cursor count) and `_misfit`: 0 for a row that fits, else the number of the first rule it breaks. DuckDB reads it for
both warehouses: it feeds a DuckDB load directly and is written as Parquet once for a BigQuery load.
"""

# ruff: noqa: S608 - every name and value in the SQL built here goes through sql.py
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from connectors.batch import Manifest
from connectors.contract import Column, DataType, Table
from connectors.warehouse.casting import EXPECTED, exact
from connectors.warehouse.ddl import has_files
from connectors.warehouse.readers import StoredPart, has_tombstone_field, key_relation, raw_relation
from connectors.warehouse.sql import either, name, names, stamp, text

BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
"""The version of a row without one."""


@dataclass(frozen=True)
class Misfit:
    """One way in which a row can break the contract."""

    condition: str
    """SQL over the typed relation, true when broken."""
    column: str | None
    raw: str
    """SQL of the raw text to show."""
    reason: str


@dataclass(frozen=True)
class Conform:
    """The typed relation of the rows parts of one batch, as SQL."""

    table: Table
    typed: str
    """Raw and typed columns side by side."""
    misfits: tuple[Misfit, ...]
    tombstone_misfits: tuple[Misfit, ...]
    deleted: str
    sparse: str
    version: str
    parts: Mapping[str, str]
    """Part name by path, in the order in which they were read."""
    lacks: tuple[tuple[str, ...], ...]
    """Columns that a part does not have, one entry per distinct set."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the STG table that come from the batch."""
        own = [c.name for c in self.table.columns] + ["_deleted", "_deleted_at"]
        return (*own, "_file", "_raw") if has_files(self.table) else tuple(own)

    @property
    def misfit(self) -> str:
        """0, or the number of the first rule that the row breaks."""
        usual = _first(self.misfits, 1)
        if self.sparse == "FALSE":
            return usual
        return f"CASE WHEN {self.sparse} THEN {_first(self.tombstone_misfits, 1 + len(self.misfits))} ELSE {usual} END"

    def select(self, *, marked: bool) -> str:
        """SELECT of `columns`. With `marked` a row that breaks the contract has `_deleted` NULL and nothing else is
        added: one pass straight into a table. Without it `_version`, `_sparse`, `_misfit`, `_part` and `_lacks`
        follow."""
        flags = f"{self.deleted} AS _deleted"
        if marked:
            flags = f"CASE WHEN {self._broken()} THEN NULL ELSE {self.deleted} END AS _deleted"
        cursor = name(self.table.cursor) if self.table.cursor else "NULL::TIMESTAMP"
        at = self.version if has_files(self.table) else cursor
        deleted_at = f"CASE WHEN {self.deleted} THEN {at} END AS _deleted_at"
        chosen = [names(c.name for c in self.table.columns), flags, deleted_at]
        if has_files(self.table):
            chosen += ["_file", "raw_rest AS _raw"]
        if not marked:
            chosen += [f"{self.version} AS _version", f"{self.sparse} AS _sparse", f"{self.misfit} AS _misfit"]
            chosen += [f"{self._part()} AS _part", "raw_lacks AS _lacks"]
        return f"SELECT {', '.join(chosen)} FROM ({self.typed})"

    def quarantine(self) -> str:
        """SELECT of the rows that do not fit: part, reason, column_name, raw_text, row_json, row_key (a JSON list of
        the key's values as text; NULL where the key cannot be read) and row_version."""
        rules = [*self.misfits, *self.tombstone_misfits]
        fields = ", ".join(f"{text(c.field)}: raw_{i}" for i, c in enumerate(self.table.columns))
        raws = " ".join(f"WHEN {i} THEN {rule.raw}" for i, rule in enumerate(rules, 1))
        parts = ", ".join(f"{text(path)}: {text(part)}" for path, part in self.parts.items())
        reasons = ", ".join(text(r.reason) for r in rules)
        columns = ", ".join(text(r.column) for r in rules)
        key = ", ".join(f"{name(k)}::VARCHAR" for k in self.table.primary_key)
        known = " AND ".join(f"{name(k)} IS NOT NULL" for k in self.table.primary_key)
        return (
            f"SELECT MAP {{{parts}}}[raw_path] AS part, [{reasons}][_misfit] AS reason, "
            f"[{columns}][_misfit] AS column_name, "
            f"CASE _misfit {raws} END AS raw_text, CAST(to_json({{{fields}}}) AS VARCHAR) AS row_json, "
            f"CASE WHEN {known} THEN CAST(to_json([{key}]) AS VARCHAR) END AS row_key, {self.version} AS row_version "
            f"FROM (SELECT *, {self.misfit} AS _misfit FROM ({self.typed})) WHERE _misfit > 0"
        )

    def _part(self) -> str:
        # An enumeration sorts by place and is looked up by hash, once for all rows that a scan hands on together.
        if len(self.parts) < 2:
            return "0"
        return f"CAST(raw_path AS ENUM({', '.join(map(text, self.parts))}))"

    def _broken(self) -> str:
        usual = either(m.condition for m in self.misfits)
        if self.sparse == "FALSE":
            return usual
        return f"CASE WHEN {self.sparse} THEN {either(m.condition for m in self.tombstone_misfits)} ELSE {usual} END"


def conform(table: Table, manifest: Manifest, paths: Mapping[str, str]) -> Conform:
    """The typed relation of a batch, whose parts lie at `paths` (by part name).

    Raises UnreadableFile when a part lacks a key column or the cursor.
    """
    parts = [StoredPart(p, paths[p.name]) for p in manifest.parts if p.kind == "rows"]
    tombstones = has_tombstone_field(table, parts)
    raw = raw_relation(table, parts, manifest.null_text)
    zone = manifest.midnight_zone
    casts = [f"{exact(f'raw_{i}', c.type, zone)} AS {name(c.name)}" for i, c in enumerate(table.columns)]
    if tombstones:
        casts.append(f"{exact('raw_deleted', DataType.BOOL)} AS _tombstone")
    if has_files(table):
        casts += _file_columns(manifest, parts)
    sparse = "coalesce(_tombstone, FALSE)" if tombstones else "FALSE"
    flag = f"coalesce({name(table.deleted_flag)}, FALSE)" if table.deleted_flag else "FALSE"
    identity = [i for i, c in enumerate(table.columns) if c.name in (*table.primary_key, table.cursor)]
    return Conform(
        table=table,
        typed=f"SELECT *, {', '.join(casts)} FROM ({raw.sql})",
        misfits=tuple(_misfits(table, range(len(table.columns)), tombstones=tombstones, rules=True)),
        tombstone_misfits=tuple(_misfits(table, identity, tombstones=False, rules=False)) if tombstones else (),
        deleted=f"({sparse} OR {flag})",
        sparse=sparse,
        version=_version(table),
        parts={p.uri: p.part.source_file or p.part.name for p in parts},
        lacks=raw.lacks,
    )


def conform_deletes(table: Table, manifest: Manifest, paths: Mapping[str, str]) -> str | None:
    """SELECT of the key columns and `_at` (UTC) from the deletes parts, with `_fits`; None when there are none."""
    parts = [StoredPart(p, paths[p.name]) for p in manifest.parts if p.kind == "deletes"]
    if not parts:
        return None
    raw = key_relation(table, parts, manifest.null_text)
    return _conform_keys(table, raw, manifest.midnight_zone, f"coalesce(_time, {stamp(manifest.window.hi)}) AS _at")


def conform_keys(table: Table, manifest: Manifest, paths: Mapping[str, str]) -> str:
    """SELECT of the key columns and `_version` of all living rows from the keys parts, with `_fits`."""
    parts = [StoredPart(p, paths[p.name]) for p in manifest.parts if p.kind == "keys"]
    cursor = table.column(table.cursor).field if table.cursor else None
    raw = key_relation(table, parts, manifest.null_text, stamp=cursor)
    if not parts:
        nothing = ", ".join(f"NULL::VARCHAR AS raw_{i}" for i in range(len(table.primary_key)))
        raw = f"SELECT {nothing}, NULL::VARCHAR AS raw_at WHERE FALSE"
    return _conform_keys(table, raw, manifest.midnight_zone, f"coalesce(_time, {stamp(BEGINNING)}) AS _version")


def _conform_keys(table: Table, raw: str, midnight_zone: str | None, at: str) -> str:
    keys = [f"{exact(f'raw_{i}', table.column(k).type)} AS {name(k)}" for i, k in enumerate(table.primary_key)]
    time = exact("raw_at", DataType.TIMESTAMP, midnight_zone)
    fits = " AND ".join(f"{name(k)} IS NOT NULL" for k in table.primary_key)
    return (
        f"SELECT {names(table.primary_key)}, {at}, {fits} AND (raw_at IS NULL OR _time IS NOT NULL) AS _fits "
        f"FROM (SELECT {', '.join(keys)}, raw_at, {time} AS _time FROM ({raw}))"
    )


def _version(table: Table) -> str:
    if has_files(table):
        return "_delivered"
    return f"coalesce({name(table.cursor)}, {stamp(BEGINNING)})" if table.cursor else stamp(BEGINNING)


def _file_columns(manifest: Manifest, parts: Sequence[StoredPart]) -> list[str]:
    delivered = {f.key: f.last_modified for f in manifest.files}
    keys = ", ".join(f"{text(p.uri)}: {text(p.part.source_file or p.part.name)}" for p in parts)
    stamps = ", ".join(
        f"{text(p.uri)}: {stamp(delivered.get(p.part.source_file or '', manifest.extracted_at))}" for p in parts
    )
    if not parts:
        return ["NULL::VARCHAR AS _file", "NULL::TIMESTAMP AS _delivered"]
    return [f"MAP {{{keys}}}[raw_path] AS _file", f"MAP {{{stamps}}}[raw_path] AS _delivered"]


def _misfits(table: Table, positions: Sequence[int] | range, *, tombstones: bool, rules: bool) -> list[Misfit]:
    found: list[Misfit] = []
    for i in positions:
        column = table.columns[i]
        if column.type is not DataType.STRING:
            condition = f"(raw_{i} IS NOT NULL AND {name(column.name)} IS NULL)"
            found.append(Misfit(condition, column.name, f"raw_{i}", f"{column.type}: not {EXPECTED[column.type]}"))
        if _required(table, column):
            found.append(Misfit(f"{name(column.name)} IS NULL", column.name, f"raw_{i}", "required, but empty"))
    if tombstones:
        unclear = "(raw_deleted IS NOT NULL AND _tombstone IS NULL)"
        found.append(Misfit(unclear, None, "raw_deleted", "deletion flag: not true or false"))
    if rules:
        found += [
            Misfit(f"NOT coalesce(({rule.expression}), TRUE)", None, text(rule.expression), f"rule {rule.name}")
            for rule in table.quality
        ]
    return found


def _required(table: Table, column: Column) -> bool:
    return column.required or column.name in table.primary_key


def _first(misfits: Sequence[Misfit], start: int) -> str:
    if not misfits:
        return "0"
    return "CASE " + " ".join(f"WHEN {m.condition} THEN {i}" for i, m in enumerate(misfits, start)) + " ELSE 0 END"
