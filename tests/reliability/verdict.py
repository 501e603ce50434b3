"""Whether a warehouse and a lake are what they have to be: nothing lost, nothing twice, nothing half."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from connectors.batch import Manifest
from connectors.contract import Table
from sandbox.world import World
from tests.dbt.stg_from_world import fill_stg
from tests.reliability.cloud import brought_down
from tests.reliability.run import Job

Rows = tuple[int, int]
"""Count, and an order-free digest of every contract column."""


@dataclass(frozen=True)
class Content:
    """What a warehouse holds, apart from who wrote it and when."""

    living: dict[str, Rows]
    tombstones: dict[str, tuple[Any, ...]]
    batches: tuple[tuple[Any, ...], ...]
    files: tuple[tuple[Any, ...], ...]
    quarantined: int
    fields: tuple[tuple[Any, ...], ...]


class Oracle:
    """STG as it has to be after a clean run, straight from the world. The world must not move on meanwhile.

    Args:
        path: of a file to keep it in.
    """

    def __init__(self, path: Path, world: World) -> None:
        fill_stg(path, world)
        self._path = path

    def living(self, job: Job) -> dict[str, Rows]:
        """Every living row of the job's tables, every column."""
        with duckdb.connect(str(self._path), read_only=True) as connection:
            return {t.name: _living(connection, t) for t in job.contract.tables}

    def keys(self, table: Table) -> set[tuple[Any, ...]]:
        """Keys of the living rows."""
        with duckdb.connect(str(self._path), read_only=True) as connection:
            return set(_keys(connection, table, "NOT _deleted"))


def content(job: Job) -> Content:
    """What the job's warehouse holds; what lies in Google Cloud is brought down first."""
    if job.project:
        brought_down(job.project, job.place, job.contract, database=job.database, lake=job.lake)
    with duckdb.connect(str(job.database), read_only=True) as connection:
        tables = job.contract.tables
        return Content(
            living={t.name: _living(connection, t) for t in tables},
            tombstones={t.name: tuple(sorted(_keys(connection, t, "_deleted"))) for t in tables},
            batches=_rows(connection, "SELECT table_name, batch_id, window_lo, window_hi FROM STG._ledger"),
            files=_rows(connection, "SELECT bucket, key, version FROM STG._ledger_files"),
            quarantined=_rows(connection, "SELECT count(*) FROM STG._quarantine")[0][0],
            fields=_rows(connection, "SELECT table_name, field, source_type, gone FROM STG._ledger_fields"),
        )


def digest(job: Job) -> dict[str, Rows]:
    """Every row of every STG table of the job, tombstones and metadata included: equal only if nothing was written."""
    with duckdb.connect(str(job.database), read_only=True) as connection:
        every = {
            t.name: f"SELECT count(*), coalesce(bit_xor(hash(t)), 0) FROM STG.{t.name} t" for t in job.contract.tables
        }
        return {name: connection.execute(query).fetchall()[0] for name, query in every.items()}


def problems(job: Job, wanted: Content) -> list[str]:
    """What is wrong with the job's warehouse and lake, compared with a clean run's; empty when nothing is."""
    have = content(job)
    found = [
        f"{what}: {_difference(getattr(have, what), getattr(wanted, what))}"
        for what in ("living", "tombstones", "quarantined", "fields")
        if getattr(have, what) != getattr(wanted, what)
    ]
    found += _ledger(have, wanted)
    with duckdb.connect(str(job.database), read_only=True) as connection:
        for table in job.contract.tables:
            found += [f"{table.name} holds the key {key} twice" for key in _twice(connection, table)]
    return found + _lake(job, have)


def _ledger(have: Content, wanted: Content) -> list[str]:
    ids = [batch[1] for batch in have.batches]
    files = [(bucket, key, version) for bucket, key, version in have.files]
    found = ["the ledger has a batch twice"] if len(ids) != len(set(ids)) else []
    found += ["the ledger has a file twice"] if len(files) != len(set(files)) else []
    if have.files != wanted.files:
        found.append(f"files: {_difference(have.files, wanted.files)}")
    if not have.files:
        windows = [(table, lo, hi) for table, _, lo, hi in have.batches]
        found += ["the ledger has a window twice"] if len(windows) != len(set(windows)) else []
        if have.batches != wanted.batches:
            found.append(f"batches: {_difference(have.batches, wanted.batches)}")
    return found


def _lake(job: Job, have: Content) -> list[str]:
    """Manifests without their parts, and manifests that no ledger row speaks of, or the other way round."""
    found: list[str] = []
    ids: list[str] = []
    for path in job.lake.rglob("manifest.json"):
        manifest = Manifest.from_json(path.read_text())
        ids.append(manifest.batch_id)
        for part in manifest.parts:
            file = path.parent / part.name
            if not file.is_file() or file.stat().st_size != part.bytes:
                found.append(f"the manifest of {path.parent.name} names a part that is not there whole: {part.name}")
    if sorted(ids) != sorted(batch[1] for batch in have.batches):
        found.append("lake and ledger do not hold the same batches")
    return found


def _living(connection: duckdb.DuckDBPyConnection, table: Table) -> Rows:
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    query = f"SELECT count(*), coalesce(bit_xor(hash({columns})), 0) FROM STG.{table.name} WHERE NOT _deleted"
    return connection.execute(query).fetchall()[0]


def _keys(connection: duckdb.DuckDBPyConnection, table: Table, where: str) -> list[tuple[Any, ...]]:
    key = ", ".join(table.primary_key)
    return connection.execute(f"SELECT {key} FROM STG.{table.name} WHERE {where}").fetchall()


def _twice(connection: duckdb.DuckDBPyConnection, table: Table) -> list[tuple[Any, ...]]:
    key = ", ".join(table.primary_key)
    return connection.execute(f"SELECT {key} FROM STG.{table.name} GROUP BY ALL HAVING count(*) > 1").fetchall()


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[tuple[Any, ...], ...]:
    return tuple(connection.execute(f"{query} ORDER BY ALL").fetchall())


def _difference(have: Any, wanted: Any) -> str:
    if isinstance(have, dict):
        return json.dumps({k: (have.get(k), v) for k, v in wanted.items() if have.get(k) != v}, default=str)[:400]
    if isinstance(have, tuple):
        return f"too many {sorted(set(have) - set(wanted))[:3]}, too few {sorted(set(wanted) - set(have))[:3]}"
    return f"{have} instead of {wanted}"
