"""Rows of files that stand in the shadow of another file's: kept, so that they can come back.

STG has each key once, from the file that was delivered last. Where another file's current delivery has the key as well,
that row lies in `_shadowed_<table>`, once per key and file. When the file that won is delivered again without the key,
the newest of those rows takes its place; only a row that no file has any more becomes a tombstone. Files that share no
key leave the table empty, and a load then only looks whether it is.
"""

# ruff: noqa: S608 - every name and value in the SQL built here goes through sql.py
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from connectors.warehouse.bury import select_current
from connectors.warehouse.ddl import qualified, shadow_name
from connectors.warehouse.merge import MET, PLAN, STAGE, Merge
from connectors.warehouse.sql import match, name, names, stamp, text

RETURNED = "temp.batch_returned"


@dataclass(frozen=True)
class Shadow:
    """The statements that keep the shadowed rows of a file table."""

    merge: Merge

    @property
    def target(self) -> str:
        """The table of shadowed rows."""
        return qualified(shadow_name(self.merge.table))

    def is_cast(self) -> str:
        """Whether a staged row and another file's have one key, or had one before."""
        return f"SELECT ({self._any(self.target)} OR {self._any(f'{MET} m WHERE m.elsewhere OR m.place > 1')})"

    def keep(self) -> list[str]:
        """Before the plan is applied: rows that it replaces by another file's, and staged rows that lose to one."""
        columns = names((*self._content, "_batch_id", "_delivered"))
        staged = f"{STAGE} s JOIN {MET} m ON m.row = s.rowid JOIN {PLAN} p ON p.row = m.row"
        return [
            (
                f"INSERT INTO {self.target} ({columns}) SELECT {names(self._content, 't.')}, t._batch_id, m.version "
                f"FROM {staged} JOIN {self.merge.target} t ON {self._match('s', 't')} "
                f"WHERE p.verdict = 'updated' AND m.elsewhere"
            ),
            (
                f"DELETE FROM {self.target} AS o WHERE EXISTS (SELECT 1 FROM {STAGE} s JOIN {MET} m ON m.row = s.rowid "
                f"WHERE NOT m.outdated AND s._file = o._file AND {self._match('s', 'o')})"
            ),
            (
                f"INSERT INTO {self.target} ({columns}) SELECT {names(self._content, 's.')}, "
                f"{text(self.merge.manifest.batch_id)}, s._version FROM {staged} "
                f"WHERE p.verdict = 'stale' AND NOT m.outdated AND (m.elsewhere OR m.place > 1)"
            ),
        ]

    def is_there(self) -> str:
        """Whether there is a shadowed row."""
        return f"SELECT {self._any(self.target)}"

    def forget(self, deliveries: Mapping[str, datetime]) -> str:
        """Remove the rows that a file does not have any more; see `Bury.undelivered`."""
        current = select_current(self.merge.table, deliveries)
        return (
            f"DELETE FROM {self.target} AS o WHERE (o._file IN (SELECT file FROM ({current}) WHERE newest) "
            f"OR (o._file IN (SELECT file FROM ({current})) AND {self.merge.not_seen_later('o')})) "
            f"AND NOT EXISTS (SELECT 1 FROM {STAGE} s WHERE s._file = o._file AND {self._match('s', 'o')})"
        )

    def find_returned(self) -> str:
        """Of each key that is buried choose the row that takes its place."""
        return (
            f"CREATE OR REPLACE TEMP TABLE batch_returned AS SELECT o.* FROM {self.target} o "
            f"JOIN {self.merge.target} t ON {self._match('o', 't')} WHERE t._deleted QUALIFY row_number() OVER "
            f"(PARTITION BY {names(self._keys, 'o.')} ORDER BY o._delivered DESC, o._file DESC) = 1"
        )

    def bring_back(self) -> str:
        """Put the chosen rows into STG, as the batch left them that brought them."""
        taken = ", ".join(f"{name(c)} = r.{name(c)}" for c in (*self._content, "_batch_id") if c not in self._keys)
        return (
            f"UPDATE {self.merge.target} AS t SET {taken}, _deleted = FALSE, _deleted_at = NULL, "
            f"_loaded_at = {stamp(self.merge.loaded_at)} FROM {RETURNED} r WHERE {self._match('r', 't')}"
        )

    def clear_returned(self) -> str:
        """They are in no shadow any more."""
        return (
            f"DELETE FROM {self.target} AS o WHERE EXISTS "
            f"(SELECT 1 FROM {RETURNED} r WHERE r._file = o._file AND {self._match('r', 'o')})"
        )

    @property
    def _keys(self) -> tuple[str, ...]:
        return self.merge.table.primary_key

    @property
    def _content(self) -> tuple[str, ...]:
        return tuple(c for c in self.merge.columns if c not in ("_deleted", "_deleted_at"))

    def _match(self, left: str, right: str) -> str:
        return match(self._keys, left, right)

    @staticmethod
    def _any(relation: str) -> str:
        return f"EXISTS (SELECT 1 FROM {relation})"
