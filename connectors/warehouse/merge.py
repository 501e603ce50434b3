"""Upsert SQL: what happens to each row of a batch, and the statements that make it so.

A staged batch is compared with the table by key. The newer version wins; an equal version with equal content changes
nothing, so that reading an overlap again is free of effect. Of one version with two contents (a formula field moves no
stamp) the one that was read later wins, whatever the order of loading: a batch is ordered by when it was read
(`_ledger.observed_at`), a row by the batch that wrote it. So a batch that is loaded again (a replay) finds every row
as it is, or says something older and is stale, or brings what the contract did not have or refused before.

A column that a part does not have says nothing of the value: rows that exist keep what is stored, new rows get NULL,
and content is compared over the other columns. This goes for files too: a later delivery without the column keeps the
column's value of the same key, as an API that lost the field does. Columns that STG has and the contract no longer
names are kept in the same way.

The statements are DELETE ... USING and INSERT, without a primary-key index: measured, this stays flat as the table
grows, where MERGE and ON CONFLICT do not.
"""

# ruff: noqa: S608 - every name and value in the SQL built here goes through sql.py
from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from connectors.batch import Manifest
from connectors.contract import Table
from connectors.warehouse.conform import BEGINNING
from connectors.warehouse.ddl import has_files, qualified
from connectors.warehouse.ledger import observed_at, select_deliveries, select_later
from connectors.warehouse.quarantine import HELD
from connectors.warehouse.sql import match, name, names, stamp, text

STAGE = "temp.batch_stage"
REPEATED = "temp.batch_repeated"
MET = "temp.batch_met"
SAME = "temp.batch_same"
PLAN = "temp.batch_plan"
_BEGINNING = stamp(BEGINNING)


@dataclass(frozen=True)
class Merge:
    """The statements of one upsert.

    Args:
        columns: STG columns that come from the batch, `_deleted` and `_deleted_at` among them.
        lacks: columns that a part does not have, one entry per distinct set; a row's `_lacks` is its place in it.
        kept: columns of STG that the contract does not name any more, with their types.
        gone_by: SQL of the end of the newest complete picture of the source that was read after this batch; None if
            there is none. A row of an older version that is not stored was gone by then.
    """

    table: Table
    manifest: Manifest
    columns: tuple[str, ...]
    lacks: tuple[tuple[str, ...], ...]
    kept: Mapping[str, str]
    gone_by: str | None
    loaded_at: datetime

    @property
    def target(self) -> str:
        """The STG table."""
        return qualified(self.table.name)

    @property
    def stored_version(self) -> str:
        """The version of a stored row `t`. Of files: the newest delivery `d` of the file it came in."""
        if self._files:
            return "d.delivered"
        return f"coalesce(t.{name(self.table.cursor)}, {_BEGINNING})" if self.table.cursor else _BEGINNING

    @property
    def observed(self) -> datetime:
        """When the batch was read."""
        return observed_at(self.manifest)

    def stage(self, conformed: str) -> str:
        """Keep the conformed rows of the batch in a temporary table."""
        hashes = " ".join(f"WHEN {i} THEN {self._hash(absent)}" for i, absent in enumerate(self.lacks))
        kept = "".join(f", NULL::{of} AS {name(column)}" for column, of in self.kept.items())
        return (
            f"CREATE OR REPLACE TEMP TABLE batch_stage AS SELECT *, CASE _lacks {hashes} END AS _content{kept} "
            f"FROM ({conformed})"
        )

    def count_stage(self) -> str:
        """rows, misfits."""
        return f"SELECT count(*), count(*) FILTER (_misfit > 0) FROM {STAGE}"

    def find_repeated(self) -> str:
        """Keep the keys of several staged rows in a temporary table; returns how many there are."""
        keys = names(self.table.primary_key)
        return (
            f"CREATE OR REPLACE TEMP TABLE batch_repeated AS SELECT {keys} FROM {STAGE} WHERE _misfit = 0 "
            f"GROUP BY {keys} HAVING count(*) > 1"
        )

    def keep_newest(self) -> str:
        """Of rows with one key (of files: in one file) keep the newest; returns how many were dropped. Of one version,
        what was read later wins, and in one part a tombstone."""
        one = ("_file",) if self._files else ()
        order = "_version DESC, _part DESC, _deleted DESC, _lacks, _content"
        return (
            f"DELETE FROM {STAGE} WHERE rowid IN (SELECT row FROM (SELECT s.rowid AS row, row_number() OVER "
            f"(PARTITION BY {names((*self.table.primary_key, *one), 's.')} ORDER BY {order}) AS place FROM {STAGE} s "
            f"SEMI JOIN {REPEATED} r USING ({names(self.table.primary_key)}) WHERE s._misfit = 0) WHERE place > 1)"
        )

    def meet(self, *more: str, repeated: bool) -> str:
        """Find what is stored under the key of each staged row: row, stored, version, deleted, deleted_at, whether a
        batch wrote it that was read later, and for file tables the file it came in, whether a newer delivery of the
        row's own file is loaded, whether it lives in another file, and the row's place among those that the batch has
        of its key; then `more`, columns of `s` and the stored row `t`.

        Args:
            repeated: several staged rows may have one key.
        """
        joins = ""
        if self._files:
            outdated, place = "coalesce(own.delivered > s._version, FALSE)", "1"
            if repeated:
                keys = names(self.table.primary_key, "s.")
                place = f"row_number() OVER (PARTITION BY {keys} ORDER BY {outdated}, s._version DESC, s._file DESC)"
            elsewhere = "NOT t._deleted AND t._file <> s._file"
            more = (f"t._file AS file, {outdated} AS outdated, {elsewhere} AS elsewhere, {place} AS place", *more)
            joins = (
                f"LEFT JOIN ({select_deliveries(self.table)}) d ON d.key = t._file "
                f"LEFT JOIN ({select_deliveries(self.table)}) own ON own.key = s._file"
            )
        return (
            f"CREATE OR REPLACE TEMP TABLE batch_met AS SELECT s.rowid AS row, t._batch_id IS NOT NULL AS stored, "
            f"{self.stored_version} AS version, t._deleted AS deleted, t._deleted_at AS deleted_at, "
            f"{self._later('t')} AS later, {', '.join(('t._batch_id AS batch', *more))} "
            f"FROM {STAGE} s LEFT JOIN {self.target} t ON {match(self.table.primary_key, 's', 't')} {joins} "
            f"WHERE s._misfit = 0"
        )

    def span_of_equals(self) -> str:
        """Least and greatest version of rows whose stored version is the same: what must be compared. With a cursor,
        rows of another version differ already."""
        return (
            f"SELECT min(s._version), max(s._version) FROM {STAGE} s JOIN {MET} m ON m.row = s.rowid "
            f"WHERE s._version = m.version"
        )

    def compare(self, least: datetime | None, greatest: datetime | None) -> str:
        """Find the rows whose stored content is the same, by a 64-bit hash of the columns that their part has.

        Only rows of one key are compared, so a chance collision hides a change once in 2^64 of them. With a cursor,
        only the part of the table between the two versions is read.
        """
        span = ""
        if self.table.cursor:
            span = self._span(least, greatest) if least and greatest else "WHERE FALSE"
        contents = ", ".join(f"{self._hash(absent)} AS content_{i}" for i, absent in enumerate(self.lacks))
        cases = " ".join(f"WHEN {i} THEN t.content_{i}" for i in range(len(self.lacks)))
        return (
            f"CREATE OR REPLACE TEMP TABLE batch_same AS SELECT s.rowid AS row FROM {STAGE} s "
            f"JOIN (SELECT {names(self.table.primary_key)}, {contents} FROM {self.target} {span}) t "
            f"ON {match(self.table.primary_key, 's', 't')} WHERE s._content = CASE s._lacks {cases} END"
        )

    def judge(self) -> str:
        """Give each staged row its verdict: row, stored, verdict."""
        return (
            f"CREATE OR REPLACE TEMP TABLE batch_plan AS SELECT m.row, m.stored, "
            f"{self.verdict(f'm.row IN (SELECT row FROM {SAME})')} AS verdict "
            f"FROM {MET} m JOIN {STAGE} s ON s.rowid = m.row"
        )

    def verdict(self, same: str) -> str:
        """The verdict on a staged row `s` of which `meet` says `m`; `same` is true when its content is stored already.

        A tombstone yields to a row of a newer version than the deletion, or one that was seen alive after it. Of
        files, the newest delivery of the row's own file decides; a tombstone says only that one file does not have
        the row any more, so it yields to any other file that still has it.
        """
        later = "m.later"
        if self._files:
            # Between two files the delivery decides, and at one instant the name: not which of them was read first.
            later = "m.later AND s._file = m.file"
            older = (
                "m.outdated OR m.place > 1 OR (NOT m.deleted "
                "AND (s._version < m.version OR (s._version = m.version AND s._file < m.file)))"
            )
        else:
            own = f"m.batch = {text(self.manifest.batch_id)}"
            unseen = f"(m.later OR {own} OR {stamp(self.observed)} <= m.deleted_at)"
            older = f"s._version < m.version OR (NOT s._deleted AND s._version <= m.deleted_at AND {unseen})"
        return (
            f"CASE WHEN {older} OR {self._gone} THEN 'stale' "
            f"WHEN NOT m.stored AND s._deleted THEN 'deleted' WHEN NOT m.stored THEN 'inserted' "
            f"WHEN {same} THEN 'unchanged' "
            f"WHEN s._sparse AND m.deleted AND s._version = m.version THEN 'unchanged' "
            f"WHEN s._version = m.version AND {later} THEN 'stale' "
            f"WHEN s._deleted AND NOT m.deleted THEN 'deleted' ELSE 'updated' END"
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
            f"UPDATE {self.target} AS t SET {self.tombstone('s._deleted_at')}{moved} "
            f"FROM ({chosen} IN ('updated', 'deleted')) s WHERE {keys} AND s.stored AND s._sparse"
        )
        clear = (
            f"DELETE FROM {self.target} AS t USING ({chosen} IN ('updated', 'deleted')) s "
            f"WHERE {keys} AND s.stored AND NOT s._sparse"
        )
        columns = (*self.columns, *self.kept)
        fill = (
            f"INSERT INTO {self.target} ({names(columns)}, _batch_id, _loaded_at) "
            f"SELECT {names(columns, 's.')}, {self._mark} FROM ({chosen} IN ('inserted', 'updated', 'deleted')) s "
            f"WHERE NOT (s._sparse AND s.stored)"
        )
        return [*self._keep_stored(), bury, clear, fill]

    def insert_all(self, marked: str) -> str:
        """The fast way into an empty table: no staging, rows that do not fit have `_deleted` NULL."""
        return (
            f"INSERT INTO {self.target} ({names(self.columns)}, _batch_id, _loaded_at) "
            f"SELECT {names(self.columns)}, {self._mark} FROM ({marked})"
        )

    def check_all(self) -> str:
        """misfits, tombstones, rows that fit, distinct keys among them (a lower bound)."""
        return (
            f"SELECT count(*) FILTER (_deleted IS NULL), count(*) FILTER (_deleted), count(_deleted), "
            f"count(DISTINCT hash({names(self.table.primary_key)})) FILTER (_deleted IS NOT NULL) FROM {self.target}"
        )

    def drop_misfits(self) -> str:
        """Take the rows out again that `insert_all` marked."""
        return f"DELETE FROM {self.target} WHERE _deleted IS NULL"

    def tombstone(self, at: str) -> str:
        """What an UPDATE sets to make a tombstone of a row."""
        batch, loaded_at = text(self.manifest.batch_id), stamp(self.loaded_at)
        return f"_deleted = TRUE, _deleted_at = {at}, _batch_id = {batch}, _loaded_at = {loaded_at}"

    def not_seen_later(self, row: str = "t") -> str:
        """True for a stored row that no batch wrote which was read after this one."""
        return f"NOT ({self._later(row)})"

    @property
    def _files(self) -> bool:
        return has_files(self.table)

    def _later(self, row: str) -> str:
        return f"{row}._batch_id IN (SELECT batch_id FROM ({select_later(self.table, self.manifest)}))"

    @property
    def _gone(self) -> str:
        """A row that is not stored, and that a later complete picture did not have, nor the quarantine."""
        if self.gone_by is None or self._files:
            return "FALSE"
        held = f"EXISTS (SELECT 1 FROM {HELD} h WHERE {match(self.table.primary_key, 'h', 's')})"
        return f"(NOT m.stored AND s._version < {self.gone_by} AND NOT {held})"

    def _keep_stored(self) -> list[str]:
        """Take over what is stored in columns that the batch does not have."""
        keys = match(self.table.primary_key, "s", "t")
        statements: list[str] = []
        for i, absent in enumerate(self.lacks):
            if columns := (*absent, *self.kept):
                taken = ", ".join(f"{name(c)} = t.{name(c)}" for c in columns)
                found = f"FROM {self.target} t WHERE s._lacks = {i} AND {keys}"
                statements.append(f"UPDATE {STAGE} AS s SET {taken} {found}")
        return statements

    def _hash(self, absent: Collection[str]) -> str:
        own = [c.name for c in self.table.columns if c.name not in absent]
        return f"hash({names([*own, *(['_file', '_raw'] if self._files else []), '_deleted'])})"

    def _span(self, least: datetime, greatest: datetime) -> str:
        cursor = name(self.table.cursor or "")
        between = f"{cursor} BETWEEN {stamp(least)} AND {stamp(greatest)}"
        return f"WHERE {between} OR {cursor} IS NULL" if least == BEGINNING else f"WHERE {between}"

    @property
    def _mark(self) -> str:
        return f"{text(self.manifest.batch_id)}, {stamp(self.loaded_at)}"
