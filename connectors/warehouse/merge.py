"""Upsert SQL: what happens to each row of a batch, and the statements that make it so.

A staged batch is compared with the table by key. The newer version wins; an equal version with equal content changes
nothing, so that reading an overlap again is free of effect. The statements are DELETE ... USING and INSERT, without a
primary-key index: measured, this stays flat as the table grows, where MERGE and ON CONFLICT do not.
"""

# ruff: noqa: S608 - every name and value in the SQL built here goes through sql.py
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from connectors.contract import Table
from connectors.warehouse.conform import BEGINNING
from connectors.warehouse.ddl import has_files, qualified
from connectors.warehouse.ledger import select_deliveries
from connectors.warehouse.sql import match, name, names, stamp, text

STAGE = "temp.batch_stage"
MET = "temp.batch_met"
SAME = "temp.batch_same"
PLAN = "temp.batch_plan"
DELETES = "temp.batch_deletes"
_BEGINNING = stamp(BEGINNING)


@dataclass(frozen=True)
class Merge:
    """The statements of one upsert.

    Args:
        columns: STG columns that come from the batch, `_deleted` and `_deleted_at` among them.
        as_of: the end of the batch's window: what the source showed, it showed at least until then.
    """

    table: Table
    columns: tuple[str, ...]
    batch_id: str
    loaded_at: datetime
    as_of: datetime

    @property
    def target(self) -> str:
        """The STG table."""
        return qualified(self.table.name)

    def stage(self, conformed: str) -> str:
        """Keep the conformed rows of the batch in a temporary table."""
        return f"CREATE OR REPLACE TEMP TABLE batch_stage AS SELECT *, {self._hash} AS _content FROM ({conformed})"

    def count_stage(self) -> str:
        """rows, misfits."""
        return f"SELECT count(*), count(*) FILTER (_misfit > 0) FROM {STAGE}"

    def keep_newest(self) -> str:
        """Of rows with one key keep the newest; returns how many were dropped. A tombstone wins a tie."""
        keys = names(self.table.primary_key)
        order = f"_version DESC, _deleted DESC{', _file DESC' if self._files else ''}, _content"
        repeated = f"SELECT {keys} FROM {STAGE} WHERE _misfit = 0 GROUP BY {keys} HAVING count(*) > 1"
        return (
            f"DELETE FROM {STAGE} WHERE rowid IN (SELECT row FROM (SELECT s.rowid AS row, row_number() OVER "
            f"(PARTITION BY {names(self.table.primary_key, 's.')} ORDER BY {order}) AS place FROM {STAGE} s "
            f"SEMI JOIN ({repeated}) r USING ({keys}) WHERE s._misfit = 0) WHERE place > 1)"
        )

    def meet(self) -> str:
        """Find what is stored under the key of each staged row: row, stored, version, deleted, deleted_at, and for
        file tables the file it came in and whether a newer delivery of the row's own file is loaded."""
        files, joins = "NULL AS file, FALSE AS outdated", ""
        if self._files:
            files = "t._file AS file, coalesce(own.delivered > s._version, FALSE) AS outdated"
            joins = (
                f"LEFT JOIN ({select_deliveries(self.table)}) d ON d.key = t._file "
                f"LEFT JOIN ({select_deliveries(self.table)}) own ON own.key = s._file"
            )
        return (
            f"CREATE OR REPLACE TEMP TABLE batch_met AS SELECT s.rowid AS row, t._batch_id IS NOT NULL AS stored, "
            f"{self._stored_version} AS version, t._deleted AS deleted, t._deleted_at AS deleted_at, {files} "
            f"FROM {STAGE} s LEFT JOIN {self.target} t ON {match(self.table.primary_key, 's', 't')} {joins} "
            f"WHERE s._misfit = 0"
        )

    def span_of_equals(self) -> str:
        """Least and greatest version of rows whose stored version is the same: what must be compared. With a cursor,
        rows of another version differ already."""
        return (
            f"SELECT min(s._version), max(s._version) FROM {STAGE} s JOIN {MET} m ON m.row = s.rowid "
            f"WHERE m.stored AND s._version = m.version"
        )

    def compare(self, least: datetime | None, greatest: datetime | None) -> str:
        """Find the rows whose stored content is the same, by a 64-bit hash of all columns.

        Only rows of one key are compared, so a chance collision hides a change once in 2^64 of them. With a cursor,
        only the part of the table between the two versions is read.
        """
        span = ""
        if self.table.cursor:
            span = self._span(least, greatest) if least and greatest else "WHERE FALSE"
        keys = names(self.table.primary_key)
        return (
            f"CREATE OR REPLACE TEMP TABLE batch_same AS SELECT s.rowid AS row FROM {STAGE} s "
            f"JOIN (SELECT {keys}, {self._hash} AS content FROM {self.target} {span}) t "
            f"ON {match(self.table.primary_key, 's', 't')} WHERE s._misfit = 0 AND s._content = t.content"
        )

    def judge(self) -> str:
        """Give each staged row its verdict: row, stored, verdict."""
        older = "m.outdated OR s._version < m.version"
        if self._files:
            older += " OR (s._version = m.version AND s._file < m.file AND NOT m.deleted)"
        else:
            known_gone = f"s._version <= m.deleted_at AND {stamp(self.as_of)} <= m.deleted_at"
            older += f" OR (NOT s._deleted AND m.deleted AND {known_gone})"
        return (
            f"CREATE OR REPLACE TEMP TABLE batch_plan AS SELECT m.row, m.stored, CASE "
            f"WHEN {older} THEN 'stale' "
            f"WHEN NOT m.stored AND s._deleted THEN 'deleted' WHEN NOT m.stored THEN 'inserted' "
            f"WHEN m.row IN (SELECT row FROM {SAME}) THEN 'unchanged' "
            f"WHEN s._sparse AND m.deleted AND s._version = m.version THEN 'unchanged' "
            f"WHEN s._deleted AND NOT m.deleted THEN 'deleted' ELSE 'updated' END AS verdict "
            f"FROM {MET} m JOIN {STAGE} s ON s.rowid = m.row"
        )

    def count_plan(self) -> str:
        """verdict, rows."""
        return f"SELECT verdict, count(*) FROM {PLAN} GROUP BY verdict"

    def apply(self) -> list[str]:
        """Bring the table to what the plan says."""
        chosen = f"SELECT s.*, p.stored FROM {STAGE} s JOIN {PLAN} p ON p.row = s.rowid WHERE p.verdict"
        keys = match(self.table.primary_key, "t", "s")
        moved = f", {name(self.table.cursor)} = s.{name(self.table.cursor)}" if self.table.cursor else ""
        bury = (
            f"UPDATE {self.target} AS t SET {self._tombstone('s._deleted_at')}{moved} "
            f"FROM ({chosen} IN ('updated', 'deleted')) s WHERE {keys} AND s.stored AND s._sparse"
        )
        clear = (
            f"DELETE FROM {self.target} AS t USING ({chosen} IN ('updated', 'deleted')) s "
            f"WHERE {keys} AND s.stored AND NOT s._sparse"
        )
        fill = (
            f"INSERT INTO {self.target} ({names(self.columns)}, _batch_id, _loaded_at) "
            f"SELECT {names(self.columns, 's.')}, {self._mark} FROM ({chosen} IN ('inserted', 'updated', 'deleted')) s "
            f"WHERE NOT (s._sparse AND s.stored)"
        )
        return [bury, clear, fill]

    def insert_all(self, marked: str) -> str:
        """The fast way into an empty table: no staging, rows that do not fit have `_deleted` NULL."""
        return (
            f"INSERT INTO {self.target} ({names(self.columns)}, _batch_id, _loaded_at) "
            f"SELECT {names(self.columns)}, {self._mark} FROM ({marked})"
        )

    def check_all(self) -> str:
        """misfits, tombstones, rows that fit, distinct keys among them (a lower bound for composite keys)."""
        keys = self.table.primary_key
        key = name(keys[0]) if len(keys) == 1 else f"hash({names(keys)})"
        return (
            f"SELECT count(*) FILTER (_deleted IS NULL), count(*) FILTER (_deleted), count(_deleted), "
            f"count(DISTINCT {key}) FILTER (_deleted IS NOT NULL) FROM {self.target}"
        )

    def drop_misfits(self) -> str:
        """Take the rows out again that `insert_all` marked."""
        return f"DELETE FROM {self.target} WHERE _deleted IS NULL"

    def bury_missing(self) -> str:
        """Make tombstones of the keys that a snapshot does not have, except rows newer than the snapshot."""
        keys = match(self.table.primary_key, "s", "t")
        return (
            f"UPDATE {self.target} AS t SET {self._tombstone(stamp(self.as_of))} "
            f"WHERE NOT t._deleted AND {self._stored_version} < {stamp(self.as_of)} "
            f"AND NOT EXISTS (SELECT 1 FROM {STAGE} s WHERE {keys})"
        )

    def bury_undelivered(self, deliveries: Mapping[str, datetime]) -> str:
        """Make tombstones of the rows that an earlier delivery of a file had and this one has not.

        `deliveries` is the time of delivery by file; a file of which a newer delivery is loaded is left alone.
        """
        values = ", ".join(f"({text(file)}, {stamp(at)})" for file, at in deliveries.items())
        keys = match(self.table.primary_key, "s", "t")
        return (
            f"UPDATE {self.target} AS t SET {self._tombstone('f.arrived')} FROM (SELECT v.file, v.arrived FROM "
            f"(VALUES {values}) v(file, arrived) LEFT JOIN ({select_deliveries(self.table)}) d ON d.key = v.file "
            f"WHERE d.delivered IS NULL OR d.delivered <= v.arrived) f "
            f"WHERE t._file = f.file AND NOT t._deleted "
            f"AND NOT EXISTS (SELECT 1 FROM {STAGE} s WHERE s._file = t._file AND {keys})"
        )

    def bury_deleted(self) -> str:
        """Make tombstones of the keys that the source reports deleted, unless the stored row is newer than that."""
        keys = match(self.table.primary_key, "d", "t")
        return (
            f"UPDATE {self.target} AS t SET {self._tombstone('d._at')} FROM {DELETES} d "
            f"WHERE {keys} AND NOT t._deleted AND {self._stored_version} <= d._at"
        )

    @property
    def _files(self) -> bool:
        return has_files(self.table)

    @property
    def _hash(self) -> str:
        own = [c.name for c in self.table.columns] + (["_file"] if self._files else [])
        return f"hash({names([*own, '_deleted'])})"

    def _span(self, least: datetime, greatest: datetime) -> str:
        cursor = name(self.table.cursor or "")
        between = f"{cursor} BETWEEN {stamp(least)} AND {stamp(greatest)}"
        return f"WHERE {between} OR {cursor} IS NULL" if least == BEGINNING else f"WHERE {between}"

    @property
    def _stored_version(self) -> str:
        if self._files:
            return f"coalesce(d.delivered, {_BEGINNING})"
        return f"coalesce(t.{name(self.table.cursor)}, {_BEGINNING})" if self.table.cursor else _BEGINNING

    @property
    def _mark(self) -> str:
        return f"{text(self.batch_id)}, {stamp(self.loaded_at)}"

    def _tombstone(self, at: str) -> str:
        batch, loaded_at = text(self.batch_id), stamp(self.loaded_at)
        return f"_deleted = TRUE, _deleted_at = {at}, _batch_id = {batch}, _loaded_at = {loaded_at}"
