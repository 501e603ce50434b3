"""Random histories of batches, loaded into two warehouses that must agree after each of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.batch import FileRef, Manifest
from connectors.contract import Contract, Table
from connectors.errors import MgdwError
from connectors.lake import Lake
from connectors.lake.local import LocalLake
from connectors.warehouse import LoadResult, Warehouse
from connectors.warehouse.ddl import has_files, shadow_name
from connectors.window import Window
from tests.connectors.warehouse.batches import ACCOUNT, PLAIN, USAGE, Batch, csv_body

ACCOUNTS = replace(ACCOUNT, partition_by=("since", "month"), cluster_by=("id",))
PLAINS = replace(PLAIN, partition_by=("updated_date", "day"))
USAGES = replace(USAGE, partition_by=("usage_date", "month"), cluster_by=("account_number",))
HISTORY_CONTRACT = Contract((ACCOUNTS, PLAINS, USAGES))

START = datetime(2026, 6, 1, tzinfo=UTC)
KEYS = ("a", "b", "it's", "d\\", "ü\n")
FILES = ("cm/1.csv", "cm/2.csv")
MONTHS = (None, "2025-12-31", "2026-01-01", "2026-01-31", "2026-02-01")


@dataclass(frozen=True)
class Step:
    """One load. `again` loads a batch that was loaded before."""

    table: Table
    manifest: Manifest
    again: bool = False


class History:
    """Makes batches of every shape from a seed."""

    def __init__(self, seed: int, lake: LocalLake) -> None:
        self._random = random.Random(seed)
        self._lake = lake
        self._number = 0

    async def steps(self, count: int) -> list[Step]:
        """Batches of all tables, in any order of reading, some of them loaded again."""
        made: list[Step] = []
        for _ in range(count):
            if made and self._random.random() < 0.25:
                made.append(replace(self._random.choice(made), again=self._random.random() < 0.8))
                continue
            table = self._random.choice((ACCOUNTS, ACCOUNTS, PLAINS, USAGES))
            made.append(Step(table, await (self._files() if table is USAGES else self._rows(table))))
        return made

    def _stamp(self) -> str:
        return f"{START + timedelta(hours=self._random.randint(0, 12)):%Y-%m-%dT%H:%M:%S.%fZ}"

    def _window(self) -> Window:
        self._number += 1
        hi = START + timedelta(hours=self._random.randint(1, 14), seconds=self._number)
        return Window(self._random.choice((None, START)), hi)

    async def _rows(self, table: Table) -> Manifest:
        pick = self._random
        keys_only = pick.random() < 0.15
        batch = Batch(self._lake, table, self._window(), scope="keys" if keys_only else "rows")
        if keys_only or pick.random() < 0.2:
            chosen = pick.sample(KEYS, pick.randint(0, 4))
            await batch.keys(*({"Id": key, table.cursor_field: self._stamp()} for key in chosen))
        for _ in range(0 if keys_only else pick.randint(1, 2)):
            absent = pick.sample(["AnnualRevenue", "Balance", "Name"], pick.randint(0, 1))
            header = [field for field in table.fields if field not in absent]
            await batch.rows(*(self._row(table) for _ in range(pick.randint(0, 4))), header=header)
        if not keys_only and pick.random() < 0.3:
            await batch.deletes(*({"Id": key, "deletedDate": self._stamp()} for key in pick.sample(KEYS, 2)))
        return await batch.commit()

    def _row(self, table: Table) -> dict[str, Any]:
        pick = self._random
        money = pick.choice(("1", "0.000000001", "-1", "99999999999999999999999999999.999999999", "much", ""))
        return {
            "Id": pick.choice((*KEYS, *KEYS, "")), "Name": pick.choice(("x", "y\\'", "")),
            table.cursor_field: self._stamp(),
            "IsDeleted": pick.choice(("true", "false", "false", "")), "AnnualRevenue": money, "Balance": money,
            "NumberOfEmployees": pick.choice(("1", "9223372036854775807", "x")),
            "Customer_Since__c": pick.choice(MONTHS),
        }  # fmt: skip

    async def _files(self) -> Manifest:
        pick = self._random
        self._number += 1
        when = START + timedelta(hours=pick.randint(0, 3))
        delivered = [
            FileRef("usage", file, f"v{self._number}", 1, when) for file in pick.sample(FILES, pick.randint(1, 2))
        ]
        batch = Batch(
            self._lake,
            USAGES,
            Window(None, when),
            files=delivered,
            observed=START + timedelta(days=1, hours=self._number),
        )
        for number, file in enumerate(delivered):
            rows = [
                {"usage_date": pick.choice(MONTHS[1:]), "account_number": pick.choice("ABC"),
                 "emails_sent": pick.choice(("1", "2", "many")), "plan": pick.choice(("", "pro"))}
                for _ in range(pick.randint(0, 3))
            ]  # fmt: skip
            header = [*USAGES.fields[: pick.choice((3, 3, 2))], *pick.choice(((), ("plan",)))]
            body = csv_body(header, rows)
            await batch.add(body, header, len(rows), name=f"file-{number}.csv", source_file=file.key)
        return await batch.commit()


async def outcome(warehouse: Warehouse, step: Step, lake: Lake) -> dict[str, Any] | str:
    """The counts of a load, or the name of the error."""
    try:
        result = await warehouse.load(step.table, step.manifest, lake, run_id="history", again=step.again)
    except MgdwError as error:
        return f"{type(error).__name__}: {error.cause}"
    return _counts(result)


def _counts(result: LoadResult) -> dict[str, Any]:
    names = ("read", "inserted", "updated", "deleted", "unchanged", "stale", "quarantined", "missing", "skipped")
    return {name: getattr(result, name) for name in (*names, "files", "bytes")}


async def contents(warehouse: Warehouse, schema: str, tables: Sequence[Table]) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of STG, shadowed ones too, of the ledger and of the quarantine, without the clock of the load."""
    clock = {"_loaded_at", "loaded_at", "seconds", "replayed_at", "quarantined_at", "first_quarantined_at"}
    cost = {"bytes_billed", "slot_ms"}
    found: dict[str, list[tuple[Any, ...]]] = {}
    shadows = [shadow_name(t) for t in tables if has_files(t)]
    for table in (*(t.name for t in tables), *shadows, "_ledger", "_ledger_files", "_quarantine"):
        rows = await warehouse.rows(f"SELECT * FROM {schema}.{table}")
        said = [sorted((k, v) for k, v in row.items() if k not in clock | cost) for row in rows]
        found[table] = sorted((tuple(v for _, v in row) for row in said), key=repr)
    return found
