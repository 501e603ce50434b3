"""The script that brings one staged batch into its table: one multi-statement transaction, one job.

What decides about rows is shared with DuckDB (`merge.verdict`, `bury`, `quarantine`, `ledger`); what differs is how a
table is changed. Where DuckDB deletes and inserts, here one MERGE does it.

What is read. `batch_met` finds the stored rows of the batch's keys wherever they lie, also in another partition than
the batch's rows have (the close date of an opportunity moves): it reads the columns of the key, the cursor, the
partition and four small ones of the whole table, pruned by clustering as far as keys allow, and notes the partitions
in which rows were found. Comparing contents and the MERGE read whole rows, of those partitions alone. Tombstones by
absence (snapshots, living keys) read the same few columns once more.

Two writers. BigQuery gives a transaction a snapshot of all tables as of its start and aborts one of two transactions
that update or delete in the same table ("Transactions: concurrency"); rows that are only inserted conflict with
nobody. So every load updates the one row of its table's fence (`_fence_<table>`): of two loads of one table at once,
the second aborts, and is begun again on what the first one left. Loads of different tables share the ledger, where
they only insert, and the quarantine, where they delete only what is there to be deleted.
"""

# ruff: noqa: S608 - every name and value in the SQL built here goes through sql.py and googlesql.py
from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from connectors.batch import Manifest
from connectors.contract import DataType, Table
from connectors.warehouse import LoadResult, ledger, quarantine
from connectors.warehouse.bigquery import staged as staging
from connectors.warehouse.bigquery.googlesql import BIGQUERY_TYPES, name, spoken, text
from connectors.warehouse.bigquery.schema import fence_name, partition_expression
from connectors.warehouse.bigquery.staged import MISFIT_COLUMNS, Staged
from connectors.warehouse.bury import DELETES, KEYS, Bury
from connectors.warehouse.ddl import has_files
from connectors.warehouse.limits import Limits
from connectors.warehouse.merge import STAGE, Merge
from connectors.warehouse.quarantine import HELD
from connectors.warehouse.shadow import Shadow
from connectors.warehouse.sql import stamp

VERDICTS = ("inserted", "updated", "deleted", "unchanged", "stale")
GONE_BY = "batch_gone_by"
"""The variable in the place of `Merge.gone_by`. A variable is never named like a column: the column would win."""
LEDGER_CHANGED = "mgdw: the ledger changed"
MASS_DELETION = re.compile(r"mgdw: would delete (?P<buried>\d+) of (?P<living>\d+) living rows")


@dataclass(frozen=True)
class Script:
    """One load as a script.

    Args:
        source: the table with the batch's lines, in GoogleSQL; None when the batch has no line.
        loaded: True for a batch that the ledger has, loaded again.
        result: what is known before the script runs.
    """

    merge: Merge
    staged: Staged
    dataset: str
    source: str | None
    limits: Limits
    loaded: bool
    run_id: str
    result: LoadResult

    def text(self) -> str:
        """The script. Its last statement selects VERDICTS, `buried` and `missing`.

        Raises in BigQuery, which rolls everything back: LEDGER_CHANGED when the batch is in the ledger by now (or is
        not any more), MASS_DELETION when a limit is passed.
        """
        statements = [
            *self._fence(),
            *self._quarantine(),
            self._say(quarantine.hold(self.table, key_value)),
            *self._count_living(),
            *(self._upsert() if self.staged.fitting else []),
            *self._bury(),
            *self._note(),
            *self._settle(),
            "COMMIT TRANSACTION",
            "SELECT " + ", ".join(f"batch_{count} AS {count}" for count in (*VERDICTS, "buried", "missing")),
        ]
        return ";\n".join([*self._variables(), "BEGIN TRANSACTION", *statements]) + ";\n"

    @property
    def table(self) -> Table:
        """The table loaded."""
        return self.merge.table

    @property
    def manifest(self) -> Manifest:
        """The batch loaded."""
        return self.merge.manifest

    def _variables(self) -> list[str]:
        counts = ", ".join(f"batch_{count}" for count in (*VERDICTS, "buried", "missing", "living", "found", "back"))
        declared = [f"DECLARE {counts} INT64 DEFAULT 0", f"DECLARE {GONE_BY} TIMESTAMP"]
        if self.table.partition_by:
            of = self.table.column(self.table.partition_by[0]).type
            declared.append(f"DECLARE batch_partitions ARRAY<{of}>")
        return declared

    def _fence(self) -> list[str]:
        fence = f"{name(self.dataset)}.{name(fence_name(self.table))}"
        batch, at = text(self.manifest.batch_id), self._say(stamp(self.merge.loaded_at))
        return [
            f"UPDATE {fence} SET batch_id = {batch}, loaded_at = {at} WHERE TRUE",
            f"SET batch_found = ({self._say(ledger.select_batch(self.manifest.batch_id))})",
            f"IF batch_found <> {int(self.loaded)} THEN RAISE USING MESSAGE = {text(LEDGER_CHANGED)}; END IF",
            f"SET {GONE_BY} = ({self._say(ledger.select_gone_by(self.table, self.manifest))})",
        ]

    def _quarantine(self) -> list[str]:
        if not (self.staged.misfits or self.loaded):
            return []
        columns = ", ".join(f"_misfit_{c} AS {c}" for c in MISFIT_COLUMNS)
        batch, observed, at = self.manifest.batch_id, stamp(self.merge.observed), stamp(self.merge.loaded_at)
        collect = (
            f"CREATE TEMP TABLE batch_misfits AS SELECT {text(batch)} AS batch_id, {text(self.table.name)} "
            f"AS table_name, {columns}, {self._say(observed)} AS observed_at, {self._say(at)} AS quarantined_at, "
            f"{self._say(at)} AS first_quarantined_at FROM {self._lines('misfit')}"
        )
        older, first, replaced, insert = quarantine.keep(self.table)
        kept = [collect]
        if self.staged.misfits:
            kept += [self._say(older), self._say(first), self._only_if_any(replaced), self._say(insert)]
        return [*kept, self._only_if_any(quarantine.forget(batch))] if self.loaded else kept

    def _upsert(self) -> list[str]:
        stored, noted = "", list[str]()
        partitions: list[str] = []
        if self.table.partition_by:
            by = name(self.table.partition_by[0])
            noted.append(f't."{self.table.partition_by[0]}" AS _partition')
            start = partition_expression(self.table, "_partition")
            partitions = [
                f"SET batch_partitions = ARRAY(SELECT DISTINCT {start} FROM batch_met WHERE _partition IS NOT NULL)"
            ]
            stored = f" WHERE {partition_expression(self.table, by)} IN UNNEST(batch_partitions) OR {by} IS NULL"
        # With a name of its own: else a column that is called as its table would be read as the table's whole row.
        plan = (
            f"CREATE TEMP TABLE batch_plan AS SELECT m.row, m.stored, "
            f"{self._say(self.merge.verdict(self._same()))} AS verdict "
            f"FROM batch_met m JOIN {self._lines('row')} s ON s._row = m.row LEFT JOIN "
            f"(SELECT {self._compared()} FROM {self._target} AS _stored{stored}) t ON {self._match('s', 't')}"
        )
        counted = ", ".join(f"COUNTIF(verdict = {text(v)}) AS {v}" for v in VERDICTS)
        return [
            self._say(self.merge.meet(*noted, repeated=self.staged.repeated)),
            *partitions,
            plan,
            f"SET ({', '.join(f'batch_{v}' for v in VERDICTS)}) = (SELECT AS STRUCT {counted} FROM batch_plan)",
            *self._cast_shadows(),
            self._merge(),
        ]

    def _cast_shadows(self) -> list[str]:
        if not has_files(self.table):
            return []
        shadow = Shadow(self.merge)
        return [self._if(shadow.is_cast(), *map(self._say, shadow.keep()))]

    def _compared(self) -> str:
        return ", ".join(name(c) for c in dict.fromkeys((*self.table.primary_key, *self._content(()))))

    def _content(self, absent: Iterable[str]) -> list[str]:
        """The columns that make the content of a row whose part lacks some."""
        own = [c.name for c in self.table.columns if c.name not in set(absent)]
        return [*own, *(["_file", "_raw"] if has_files(self.table) else []), "_deleted"]

    def _same(self) -> str:
        """Whether staged and stored content are equal: value by value, exactly."""
        equal = [
            " AND ".join(f"s.{name(c)} IS NOT DISTINCT FROM t.{name(c)}" for c in self._content(absent))
            for absent in self.staged.lacks
        ]
        if len(equal) == 1:
            return f"(m.stored AND {equal[0]})"
        cases = " ".join(f"WHEN {i} THEN {each}" for i, each in enumerate(equal))
        return f"(m.stored AND CASE s._lacks {cases} END)"

    def _merge(self) -> str:
        columns = self.merge.columns
        mark = {"_batch_id": text(self.manifest.batch_id), "_loaded_at": self._say(stamp(self.merge.loaded_at))}
        cursor = {self.table.cursor: f"s.{name(self.table.cursor)}"} if self.table.cursor else {}
        bury = {"_deleted": "TRUE", "_deleted_at": "s._deleted_at", **mark, **cursor}
        update = {c: self._value(c) for c in columns} | mark
        insert = {c: f"s.{name(c)}" for c in columns} | mark
        on = self._match("t", "s")
        if self.table.partition_by:
            by = f"t.{name(self.table.partition_by[0])}"
            on += f" AND ({partition_expression(self.table, by)} IN UNNEST(batch_partitions) OR {by} IS NULL)"
        return (
            f"MERGE {self._target} t USING (SELECT s.* FROM {self._lines('row')} s JOIN batch_plan p "
            f"ON p.row = s._row WHERE p.verdict IN ('inserted', 'updated', 'deleted')) s ON {on}\n"
            f"WHEN MATCHED AND s._sparse THEN UPDATE SET {_assigned(bury)}\n"
            f"WHEN MATCHED THEN UPDATE SET {_assigned(update)}\n"
            f"WHEN NOT MATCHED THEN INSERT ({', '.join(name(c) for c in insert)}) "
            f"VALUES ({', '.join(insert.values())})"
        )

    def _value(self, column: str) -> str:
        """What a stored row gets: what it has where the part lacks the column."""
        lacking = [str(i) for i, absent in enumerate(self.staged.lacks) if column in absent]
        if not lacking:
            return f"s.{name(column)}"
        return f"IF(s._lacks IN ({', '.join(lacking)}), t.{name(column)}, s.{name(column)})"

    def _bury(self) -> list[str]:
        if not self._burials:
            return []
        statements: list[str] = []
        for update in self._burials:
            statements += [self._say(update), "SET batch_buried = batch_buried + @@row_count"]
            if has_files(self.table):
                statements.append(self._bring_back())
            if self.staged.has_keys and update == Bury(self.merge).absent():
                statements.append(f"SET batch_missing = ({self._say(Bury(self.merge).count_lost())})")
        before = "IF(batch_living > 0, batch_living, batch_inserted)"
        refused = f"batch_buried > {self.limits.delete_rows} AND batch_buried > {self.limits.delete_share} * {before}"
        message = f"FORMAT('mgdw: would delete %d of %d living rows', batch_buried, {before})"
        return [*statements, f"IF {refused} THEN RAISE USING MESSAGE = {message}; END IF"]

    def _bring_back(self) -> str:
        shadow = Shadow(self.merge)
        return self._if(
            shadow.is_there(),
            self._say(shadow.forget({f.key: f.last_modified for f in self.manifest.files})),
            self._say(shadow.find_returned()),
            self._say(shadow.bring_back()),
            "SET batch_back = @@row_count",
            "SET batch_updated = batch_updated + batch_back",
            "SET batch_buried = batch_buried - batch_back",
            self._say(shadow.clear_returned()),
        )

    def _count_living(self) -> list[str]:
        return [f"SET batch_living = ({self._say(Bury(self.merge).count_living())})"] if self._burials else []

    @property
    def _burials(self) -> list[str]:
        """The statements that make tombstones of what the batch says is gone."""
        bury, manifest = Bury(self.merge), self.manifest
        updates: list[str] = []
        if has_files(self.table):
            if deliveries := {f.key: f.last_modified for f in manifest.files}:
                updates.append(bury.undelivered(deliveries))
        elif manifest.window.is_snapshot and manifest.scope != "keys":
            updates.append(bury.missing())
        if self.staged.has_keys:
            updates.append(bury.absent())
        if self.staged.has_deletes:
            updates.append(bury.deleted(staged=True))
        return updates

    def _note(self) -> list[str]:
        compared = any(part.kind == "keys" for part in self.manifest.parts)
        missing = "batch_missing" if compared else "NULL"
        at = self.merge.loaded_at
        if self.loaded:
            return [self._say(ledger.update_replayed(self.manifest, self.result, at=at, missing=missing))]
        counted = {v: f"batch_{v}" for v in VERDICTS} | {
            "deleted": "batch_deleted + batch_buried", "stale": f"batch_stale + {self.staged.outdone}",
            "missing": missing,
        }  # fmt: skip
        row = ledger.insert_batch(self.manifest, self.result, run_id=self.run_id, loaded_at=at, counted=counted)
        return [self._say(row), *([self._say(ledger.insert_files(self.manifest))] if self.manifest.files else [])]

    def _settle(self) -> list[str]:
        settle = [quarantine.settle(self.table, self.merge.target, self.merge.stored_version)]
        if self.staged.fitting:
            settle.append(quarantine.settle_staged(self.table, STAGE, self.merge.observed))
        body = "".join(f"{self._only_if_any(each)}; " for each in settle)
        return [f"IF EXISTS (SELECT 1 FROM {self._say(HELD)}) THEN {body}END IF"]

    def _only_if_any(self, delete: str) -> str:
        """The DELETE, only if there is something to delete: also an idle one conflicts with other tables' loads."""
        said = self._say(delete)
        return f"IF EXISTS (SELECT 1 {said.removeprefix('DELETE ')}) THEN {said}; END IF"

    def _if(self, true: str, *statements: str) -> str:
        return f"IF ({self._say(true)}) THEN {''.join(f'{each}; ' for each in statements)}END IF"

    def _lines(self, kind: str) -> str:
        if self.source is None:
            return staging.empty(self.table)
        return f"(SELECT * FROM {self.source} WHERE _kind = '{kind}')"

    def _say(self, sql: str) -> str:
        lines = {
            STAGE: self._lines("row"),
            DELETES: self._lines("delete").replace("SELECT *", "SELECT *, _version AS _at", 1),
            KEYS: self._lines("key"),
        }
        return spoken(sql, dataset=self.dataset, relations=lines)

    @property
    def _target(self) -> str:
        return f"{name(self.dataset)}.{name(self.table.name)}"

    def _match(self, left: str, right: str) -> str:
        return " AND ".join(f"{left}.{name(k)} = {right}.{name(k)}" for k in self.table.primary_key)


def key_value(place: int, of: DataType) -> str:
    """One value of a quarantine entry's key."""
    return f"SAFE_CAST(JSON_VALUE(row_key, '$[{place}]') AS {BIGQUERY_TYPES[of]})"


def _assigned(values: dict[str, str]) -> str:
    return ", ".join(f"{name(column)} = {value}" for column, value in values.items())
