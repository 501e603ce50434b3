"""Tombstone SQL: what a batch says of rows that it does not have.

A row is never buried by a batch that was read before the batch that wrote it, so that a snapshot that is loaded again
leaves alone what came later.
"""

# ruff: noqa: S608 - every name and value in the SQL built here goes through sql.py
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from connectors.contract import Table
from connectors.warehouse.conform import BEGINNING
from connectors.warehouse.ledger import select_deliveries
from connectors.warehouse.merge import STAGE, Merge
from connectors.warehouse.quarantine import HELD
from connectors.warehouse.sql import match, names, stamp, text

DELETES = "temp.batch_deletes"
KEYS = "temp.batch_keys"


@dataclass(frozen=True)
class Bury:
    """The statements that make tombstones; each returns how many it made."""

    merge: Merge

    def missing(self) -> str:
        """Of the keys that a snapshot does not have, except rows newer than the snapshot."""
        return (
            f"UPDATE {self.merge.target} AS t SET {self.merge.tombstone(self._as_of)} WHERE {self._older} "
            f"AND NOT EXISTS (SELECT 1 FROM {STAGE} s WHERE {match(self._table.primary_key, 's', 't')})"
        )

    def undelivered(self, deliveries: Mapping[str, datetime]) -> str:
        """Of the rows that an earlier delivery of a file had and this one has not.

        `deliveries` is the time of delivery by file; a file of which a newer delivery is loaded is left alone. Of the
        rows of a file only its own deliveries decide: when a batch was read counts only for one that is loaded again.
        A row that another file has comes back after it (`Shadow`).
        """
        keys = match(self._table.primary_key, "s", "t")
        return (
            f"UPDATE {self.merge.target} AS t SET {self.merge.tombstone('f.arrived')} "
            f"FROM ({select_current(self._table, deliveries)}) f "
            f"WHERE t._file = f.file AND NOT t._deleted AND (f.newest OR {self.merge.not_seen_later()}) "
            f"AND NOT EXISTS (SELECT 1 FROM {STAGE} s WHERE s._file = t._file AND {keys})"
        )

    def stage_deletes(self, conformed: str) -> str:
        """Keep the keys that the source reports deleted in a temporary table, each of them once."""
        columns = names(self._table.primary_key)
        return (
            f"CREATE OR REPLACE TEMP TABLE batch_deletes AS "
            f"SELECT {columns}, max(_at) AS _at, bool_and(_fits) AS _fits FROM ({conformed}) GROUP BY {columns}"
        )

    def deleted(self, *, staged: bool) -> str:
        """Of the keys that the source reports deleted, unless the stored row is newer than that.

        A row of the batch itself that lives and is not older wins also at the same second: it was restored, and the
        source lists it still.
        """
        keys = self._table.primary_key
        restored = f"{self.merge.stored_version} = d._at"  # a table that was empty: every row is the batch's own
        if staged:
            restored = (
                f"EXISTS (SELECT 1 FROM {STAGE} s WHERE {match(keys, 's', 't')} AND s._misfit = 0 "
                f"AND NOT s._deleted AND s._version >= d._at)"
            )
        return (
            f"UPDATE {self.merge.target} AS t SET {self.merge.tombstone('d._at')} FROM {DELETES} d "
            f"WHERE {match(keys, 'd', 't')} AND NOT t._deleted "
            f"AND {self.merge.stored_version} <= d._at AND {self.merge.not_seen_later()} AND NOT {restored}"
        )

    def stage_keys(self, conformed: str) -> str:
        """Keep the living keys in a temporary table."""
        return f"CREATE OR REPLACE TEMP TABLE batch_keys AS SELECT * FROM ({conformed})"

    def count_keys(self) -> str:
        """keys, distinct keys, keys that cannot be read."""
        return (
            f"SELECT count(*), count(DISTINCT ({names(self._table.primary_key)})), count(*) FILTER (NOT _fits) "
            f"FROM {KEYS}"
        )

    def absent(self) -> str:
        """Of the rows whose key is not among the living keys, except newer ones and those of the batch itself."""
        keys = self._table.primary_key
        return (
            f"UPDATE {self.merge.target} AS t SET {self.merge.tombstone(self._as_of)} WHERE {self._older} "
            f"AND NOT EXISTS (SELECT 1 FROM {KEYS} k WHERE {match(keys, 'k', 't')}) "
            f"AND NOT EXISTS (SELECT 1 FROM {STAGE} s WHERE {match(keys, 's', 't')})"
        )

    def count_lost(self) -> str:
        """Living keys of which STG should have the row and does not: none, an older version, or a tombstone; rows
        that are in quarantine are not lost."""
        keys = self._table.primary_key
        return (
            f"SELECT count(*) FROM {KEYS} k LEFT JOIN {self.merge.target} t ON {match(keys, 'k', 't')} "
            f"WHERE k._version < {self._as_of} AND (t._batch_id IS NULL OR {self.merge.stored_version} < k._version "
            f"OR (t._deleted AND {self.merge.not_seen_later()} "
            f"AND t._batch_id <> {text(self.merge.manifest.batch_id)})) AND NOT EXISTS (SELECT 1 FROM {HELD} h "
            f"WHERE {match(keys, 'h', 'k')} AND (h.version >= k._version OR h.version = {stamp(BEGINNING)}))"
        )

    def count_living(self) -> str:
        """Rows that are not deleted."""
        return f"SELECT count(*) FROM {self.merge.target} WHERE NOT _deleted"

    @property
    def _table(self) -> Table:
        return self.merge.table

    @property
    def _as_of(self) -> str:
        return stamp(self.merge.manifest.window.hi)

    @property
    def _older(self) -> str:
        return f"NOT t._deleted AND {self.merge.stored_version} < {self._as_of} AND {self.merge.not_seen_later()}"


def select_current(table: Table, deliveries: Mapping[str, datetime]) -> str:
    """file, arrived, newest of the deliveries (time by file) that are the newest loaded of their file; `newest` is
    FALSE for one that was loaded before."""
    values = " UNION ALL ".join(
        f"SELECT {text(file)} AS file, {stamp(at)} AS arrived" for file, at in deliveries.items()
    )
    return (
        f"SELECT v.file, v.arrived, coalesce(d.delivered < v.arrived, TRUE) AS newest FROM ({values}) v "
        f"LEFT JOIN ({select_deliveries(table)}) d ON d.key = v.file "
        f"WHERE d.delivered IS NULL OR d.delivered <= v.arrived"
    )
