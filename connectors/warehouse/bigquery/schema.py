"""STG in BigQuery: dataset, tables and columns from the contract.

Tables are partitioned and clustered as the contract says. No table requires a partition filter: the staging views of
dbt read whole tables, and a load finds the rows of its keys wherever they lie. All columns are nullable, as a part of
the source may lack any of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from google.api_core import exceptions as google
from google.cloud import bigquery

from connectors.contract import Contract, DataType, Table
from connectors.errors import ConfigurationError, TypeChanged
from connectors.warehouse.bigquery.googlesql import BIGQUERY_TYPES, name, text
from connectors.warehouse.bigquery.jobs import Jobs
from connectors.warehouse.ddl import (
    SCHEMA,
    WarehouseColumn,
    WarehouseTable,
    bookkeeping,
    desired,
    desired_shadow,
    has_files,
)
from connectors.warehouse.ledger import ledger_tables

_WIDER = {("INT64", "NUMERIC")}
_LEGACY = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
_AT_ONCE = 8
_TRIES = 3
LONGEST_DESCRIPTION, LONGEST_COLUMN_DESCRIPTION = 16_384, 1_024
"""Characters. BigQuery quotas, "Tables": maximum length of a description."""


def fence_name(table: Table) -> str:
    """The table with one row that every load of `table` changes, so that two of them cannot both commit."""
    return f"_fence_{table.name}"


def partition_expression(table: Table, column: str) -> str:
    """What the table is partitioned by, of the column or of an expression in its place; also the partition's start."""
    assert table.partition_by is not None
    by, granularity = table.partition_by
    if table.column(by).type is DataType.DATE:
        return column if granularity == "day" else f"DATE_TRUNC({column}, {granularity.upper()})"
    return f"TIMESTAMP_TRUNC({column}, {granularity.upper()})"


@dataclass(frozen=True)
class Wanted:
    """A table as it should be."""

    table: WarehouseTable
    partition_by: tuple[str, str] | None = None
    """Column and granularity."""
    partition: str | None = None
    cluster_by: tuple[str, ...] = ()
    needed: frozenset[str] = frozenset()
    """Columns without which the table is no table of this program any more."""


def wanted(contract: Contract) -> list[Wanted]:
    """The ledger's tables, those of the contract, and what file tables have beside them."""
    ledger = [Wanted(t, needed=frozenset(c.name for c in t.columns[:2])) for t in ledger_tables(BIGQUERY_TYPES)]
    stg = [
        Wanted(
            desired(t, BIGQUERY_TYPES),
            t.partition_by,
            partition_expression(t, name(t.partition_by[0])) if t.partition_by else None,
            t.cluster_by or t.primary_key[:4],
            frozenset({*t.primary_key, *bookkeeping(t), *([t.cursor] if t.cursor else [])}),
        )
        for t in contract.tables
    ]
    shadows = [
        Wanted(
            desired_shadow(t, BIGQUERY_TYPES),
            cluster_by=t.primary_key[:4],
            needed=frozenset({*t.primary_key, "_file", "_batch_id", "_delivered"}),
        )
        for t in contract.tables
        if has_files(t)
    ]
    return [*ledger, *stg, *shadows]


class Schema:
    """Brings one dataset to what the contract says."""

    def __init__(self, jobs: Jobs, dataset: str) -> None:
        self._jobs = jobs
        self._client = jobs.client
        self._dataset = dataset

    def ensure(self, contract: Contract) -> list[str]:
        """Create and alter what differs; returns the statements. Several programs may do so at once.

        Raises TypeChanged, ConfigurationError.
        """
        for _ in range(_TRIES - 1):
            try:
                return self._ensure(contract)
            except (google.PreconditionFailed, google.Conflict):  # another one changed the same table meanwhile
                continue
        return self._ensure(contract)

    def _ensure(self, contract: Contract) -> list[str]:
        done = self._ensure_dataset()
        tables = wanted(contract)
        fences = [fence_name(t) for t in contract.tables]
        names = [*(t.table.name for t in tables), *fences]
        found = self._existing(names) if not done else {}
        statements: list[str] = []
        for table in tables:
            existing = found.get(table.table.name)
            statements += [self._create(table)] if existing is None else self._alter(table, existing)
        statements += [
            f"CREATE TABLE IF NOT EXISTS {self._name(fence)} OPTIONS (description = "
            f"{text('One row, changed by every load of the table, so that two loads at once cannot both commit.')}) "
            f"AS SELECT CAST(NULL AS STRING) AS batch_id, CAST(NULL AS TIMESTAMP) AS loaded_at"
            for fence in fences
            if fence not in found
        ]
        if statements:
            self._jobs.transaction(";\n".join(statements), {"step": "ensure"})
        altered = bool(statements)
        for table in tables:
            if existing := found.get(table.table.name):
                statements += self._describe(table, existing, altered=altered)
        return [*done, *statements]

    def _ensure_dataset(self) -> list[str]:
        where = self._jobs.location
        try:
            existing = self._client.get_dataset(self._dataset, **self._jobs.options)
        except google.NotFound:
            fresh = bigquery.Dataset(f"{self._client.project}.{self._dataset}")
            fresh.location = where
            fresh.labels = {"app": "mgdw"}
            fresh.description = "Tables as the source systems have them, typed, with tombstones; written by mgdw."
            self._client.create_dataset(fresh, exists_ok=True, **self._jobs.options)
            return [f"CREATE SCHEMA IF NOT EXISTS {name(self._dataset)} OPTIONS (location = {text(where)})"]
        if existing.location and str(existing.location).casefold() != where.casefold():
            raise ConfigurationError(
                f"the dataset {self._dataset} lies in {existing.location}, jobs are to run in {where}",
                remedy=f"Set MGDW_GCP_LOCATION={existing.location}, or name another dataset in MGDW_STG_DATASET: a "
                "dataset cannot be moved, and a job reads only datasets of its own location.",
                dataset=self._dataset, location=existing.location,
            )  # fmt: skip
        return []

    def _existing(self, names: list[str]) -> dict[str, bigquery.Table]:
        """The tables that exist, by name. Read one by one: it costs nothing and tells everything."""

        def read(table: str) -> bigquery.Table | None:
            try:
                return self._client.get_table(f"{self._client.project}.{self._dataset}.{table}", **self._jobs.options)
            except google.NotFound:
                return None

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return {table: one for table, one in zip(names, pool.map(read, names), strict=True) if one is not None}

    def _create(self, table: Wanted) -> str:
        columns = ",\n  ".join(f"{name(c.name)} {c.type}{_column_options(c)}" for c in table.table.columns)
        parts = [f"CREATE TABLE IF NOT EXISTS {self._name(table.table.name)} (\n  {columns}\n)"]
        if table.partition:
            parts.append(f"PARTITION BY {table.partition}")
        if table.cluster_by:
            parts.append("CLUSTER BY " + ", ".join(name(c) for c in table.cluster_by))
        options = [f"labels = [('app', 'mgdw'), ('table', {text(self._label_of(table))})]"]
        if table.table.comment:
            options.insert(0, f"description = {text(table.table.comment[:LONGEST_DESCRIPTION])}")
        return "\n".join([*parts, f"OPTIONS ({', '.join(options)})"])

    def _alter(self, table: Wanted, existing: bigquery.Table) -> list[str]:
        has = {field.name: _LEGACY.get(field.field_type, field.field_type) for field in existing.schema}
        self._check(table, existing, has)
        retyped = [c for c in table.table.columns if c.name in has and has[c.name] != c.type]
        differing = [c for c in retyped if (has[c.name], c.type) not in _WIDER]
        if differing:
            listed = ", ".join(f"{c.name} is {has[c.name]}, the contract says {c.type}" for c in differing)
            raise TypeChanged(
                f"{SCHEMA}.{table.table.name}: {listed}",
                remedy="Declare the field under a new column name (`meta: {field: ...}` names the field) and leave the "
                f"old column out of the contract, then run `mgdw replay` for {table.table.name}: the new column is "
                "filled from the lake, the old one keeps what it has.",
                table=table.table.name,
            )
        target = self._name(table.table.name)
        statements = [f"ALTER TABLE {target} ALTER COLUMN {name(c.name)} SET DATA TYPE {c.type}" for c in retyped]
        added = [c for c in table.table.columns if c.name not in has]
        if added:
            columns = ", ".join(f"ADD COLUMN IF NOT EXISTS {name(c.name)} {c.type}{_column_options(c)}" for c in added)
            statements.append(f"ALTER TABLE {target} {columns}")
        return statements

    def _check(self, table: Wanted, existing: bigquery.Table, has: Mapping[str, str]) -> None:
        """Refuse what a person must have changed and no statement can repair."""
        if gone := sorted(table.needed - has.keys()):
            raise ConfigurationError(
                f"{SCHEMA}.{table.table.name} was changed by hand: it has no column {', '.join(gone)}",
                remedy="Bring the table back as it was (time travel: `FOR SYSTEM_TIME AS OF` within seven days), or "
                "drop it, take its rows out of _ledger and _ledger_files, and run `mgdw replay` for it.",
                table=table.table.name, columns=gone,
            )  # fmt: skip
        by = existing.time_partitioning
        now = (by.field, str(by.type_).lower()) if by and by.field else None
        if now != table.partition_by:
            raise ConfigurationError(
                f"{SCHEMA}.{table.table.name} is partitioned by {_told(now)}, the contract says "
                f"{_told(table.partition_by)}",
                remedy="BigQuery cannot change the partitions of a table: copy it into a new one with `CREATE TABLE … "
                "PARTITION BY … AS SELECT`, or correct `partition_by` in the contract.",
                table=table.table.name,
            )

    def _describe(self, table: Wanted, existing: bigquery.Table, *, altered: bool) -> list[str]:
        """Bring descriptions and clustering up to date, in one call: each would count as a change of the table."""
        if altered:
            existing = self._client.get_table(existing.reference, **self._jobs.options)
        comments = {c.name: (c.comment or "")[:LONGEST_COLUMN_DESCRIPTION] for c in table.table.columns}
        target = self._name(table.table.name)
        said = [
            f"ALTER TABLE {target} ALTER COLUMN {name(f.name)} SET OPTIONS (description = {text(comments[f.name])})"
            for f in existing.schema
            if comments.get(f.name) and comments[f.name] != (f.description or "")
        ]
        changed = ["schema"] if said else []
        existing.schema = [
            bigquery.SchemaField.from_api_repr(
                {**f.to_api_repr(), "description": comments.get(f.name) or f.description or ""}
            )
            for f in existing.schema
        ]
        about = (table.table.comment or "")[:LONGEST_DESCRIPTION]
        if about and about != (existing.description or ""):
            existing.description = about
            changed.append("description")
            said.append(f"ALTER TABLE {target} SET OPTIONS (description = {text(about)})")
        if list(table.cluster_by) != list(existing.clustering_fields or []):
            existing.clustering_fields = list(table.cluster_by) or None
            changed.append("clustering_fields")
            said.append(f"-- {target}: clustered by {', '.join(table.cluster_by) or 'nothing'} again")
        if changed:
            self._client.update_table(existing, changed, **self._jobs.options)
        return said

    def _name(self, table: str) -> str:
        return f"{name(self._dataset)}.{name(table)}"

    def _label_of(self, table: Wanted) -> str:
        return table.table.name.strip("_").lower()[:63]


def _column_options(column: WarehouseColumn) -> str:
    if not column.comment:
        return ""
    return f" OPTIONS (description = {text(column.comment[:LONGEST_COLUMN_DESCRIPTION])})"


def _told(by: tuple[str, str] | None) -> str:
    return f"{by[0]} ({by[1]})" if by else "nothing"
