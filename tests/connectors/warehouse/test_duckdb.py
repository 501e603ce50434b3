"""The DuckDB warehouse: tables from the contract, one transaction a batch, the file shared politely."""

from __future__ import annotations

import asyncio
import itertools
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from connectors.contract import Column, Contract, DataType
from connectors.errors import ConfigurationError, StorageFull, TypeChanged, WarehouseBusy
from connectors.lake.local import LocalLake
from connectors.warehouse.duckdb import DuckDBWarehouse
from tests.connectors.warehouse.batches import (
    ACCOUNT,
    CONTRACT,
    PLAIN,
    USAGE,
    Batch,
    counts,
    delivery,
    load,
    load_file,
    load_rows,
    window,
)
from tests.connectors.warehouse.batches import NOON as MIDDAY

FIRST = window(None, "2026-06-15 12:00")
SECOND = window("2026-06-15 12:00", "2026-06-16 12:00")
STAMP = "2026-06-10T00:00:00Z"


def rows(count: int, name: str = "x", stamp: str = STAMP) -> list[dict[str, Any]]:
    return [{"Id": str(i), "Name": name, "SystemModstamp": stamp, "UpdatedDate": stamp} for i in range(count)]


async def everything(warehouse: DuckDBWarehouse) -> list[list[dict[str, Any]]]:
    tables = ("sfdc_account", "zuora_account", "_ledger", "_ledger_files", "_quarantine")
    return [await warehouse.rows(f"SELECT * FROM STG.{table} ORDER BY ALL") for table in tables]


async def test_ensure_makes_every_table_and_then_has_nothing_to_do(tmp_path: Path) -> None:
    async with DuckDBWarehouse(tmp_path / "new" / "warehouse.duckdb") as warehouse:
        assert await warehouse.ensure(CONTRACT)
        assert await warehouse.ensure(CONTRACT) == []
        columns = await warehouse.rows(
            "SELECT column_name AS n, data_type AS t, comment AS c FROM duckdb_columns() "
            "WHERE schema_name = 'STG' AND table_name = 'sfdc_account' ORDER BY column_index"
        )
        assert [(c["n"], c["t"]) for c in columns] == [
            ("id", "VARCHAR"), ("is_deleted", "BOOLEAN"), ("name", "VARCHAR"), ("revenue", "DECIMAL(38,9)"),
            ("employees", "BIGINT"), ("since", "DATE"), ("system_modstamp", "TIMESTAMP"), ("_batch_id", "VARCHAR"),
            ("_loaded_at", "TIMESTAMP"), ("_deleted", "BOOLEAN"), ("_deleted_at", "TIMESTAMP"),
        ]  # fmt: skip
        assert columns[0]["c"] == "The key." and all(c["c"] for c in columns)
        described = await warehouse.rows("SELECT comment FROM duckdb_tables() WHERE table_name = 'sfdc_account'")
        assert described == [{"comment": "One row per account; it's small."}]


async def test_a_new_column_of_the_contract_is_added_to_the_table(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    await load_rows(warehouse, lake, ACCOUNT, FIRST, *rows(1))
    wider = replace(ACCOUNT, columns=(*ACCOUNT.columns, Column("site", DataType.STRING, "Site", "Where.")))
    assert len(await warehouse.ensure(Contract((wider,)))) == 2  # the column and its comment
    batch = await Batch(lake, wider, SECOND).rows({**rows(1, stamp="2026-06-16T00:00:00Z")[0], "Site": "Nashville"})
    assert counts(await load(warehouse, batch)) == {"read": 1, "updated": 1}
    assert await warehouse.rows("SELECT site FROM STG.sfdc_account") == [{"site": "Nashville"}]


async def test_a_changed_type_is_refused_with_both_types(warehouse: DuckDBWarehouse) -> None:
    columns = (ACCOUNT.columns[0], replace(ACCOUNT.columns[2], type=DataType.INT64), *ACCOUNT.columns[3:])
    with pytest.raises(TypeChanged, match=r"STG\.sfdc_account: name is VARCHAR, the contract says BIGINT"):
        await warehouse.ensure(Contract((replace(ACCOUNT, columns=columns),)))


async def test_the_ledger_remembers_what_was_loaded(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    batch = await Batch(lake, ACCOUNT, FIRST, source_rows=3).rows(*rows(3))
    await load(warehouse, batch)
    await load_rows(warehouse, lake, ACCOUNT, SECOND, *rows(1))
    assert (await warehouse.state(ACCOUNT)).windows == (FIRST, SECOND)
    assert (await warehouse.state(PLAIN)).windows == ()
    [entry] = await warehouse.rows(f"SELECT * FROM STG._ledger WHERE batch_id = '{batch.request.batch_id}'")
    assert entry["rows_read"] == entry["inserted"] == entry["source_rows"] == 3
    assert (entry["source"], entry["table_name"], entry["run_id"]) == ("salesforce", "sfdc_account", "test")
    assert entry["prefix"] == batch.request.prefix and entry["bytes"] > 0 and entry["window_lo"] is None
    own = await warehouse.rows("SELECT DISTINCT _batch_id FROM STG.sfdc_account")
    assert own == [{"_batch_id": batch.request.batch_id}]


class Crash(Exception):
    pass


@asynccontextmanager
async def crashing(path: Path, after: int) -> AsyncIterator[DuckDBWarehouse]:
    """A warehouse whose load ends in the middle: with the statement of that number."""
    statements = itertools.count()

    def watch(sql: str) -> None:
        if sql != "ROLLBACK" and next(statements) == after:
            raise Crash(sql)

    async with DuckDBWarehouse(path, on_statement=watch) as warehouse:
        yield warehouse


async def test_a_crash_at_any_statement_leaves_nothing_and_the_next_run_heals(tmp_path: Path) -> None:
    lake, path = LocalLake(tmp_path / "lake"), tmp_path / "warehouse.duckdb"
    first = await Batch(lake, PLAIN, FIRST).rows(*rows(3), {"Id": "bad", "Balance": "x", "UpdatedDate": STAMP})
    second = await Batch(lake, PLAIN, window(None, "2026-06-16 12:00")).rows(
        *rows(2, "new", "2026-06-16T00:00:00Z"), {"Id": "bad", "Balance": "y", "UpdatedDate": STAMP}
    )
    await second.deletes({"Id": "0", "deletedDate": "2026-06-17T00:00:00Z"})
    for batch, expected in (
        (first, {"read": 4, "inserted": 3, "quarantined": 1}),
        (second, {"read": 3, "updated": 2, "deleted": 2, "quarantined": 1}),
    ):
        crashes = 0
        while True:
            async with crashing(path, crashes) as warehouse:
                await warehouse.ensure(CONTRACT)
                before = await everything(warehouse)
                try:
                    result = await load(warehouse, batch)
                    break
                except Crash:
                    crashes += 1
                assert await everything(warehouse) == before
        assert crashes >= 8 and counts(result) == expected
    async with DuckDBWarehouse(path) as warehouse:
        found = await warehouse.rows("SELECT id, name, _deleted FROM STG.zuora_account ORDER BY id")
    assert [tuple(r.values()) for r in found] == [("0", "new", True), ("1", "new", False), ("2", "x", True)]


async def test_tables_and_batches_loaded_at_once_lose_nothing(tmp_path: Path) -> None:
    lake, path = LocalLake(tmp_path / "lake"), tmp_path / "warehouse.duckdb"
    async with DuckDBWarehouse(path) as one, DuckDBWarehouse(path) as other:
        await asyncio.gather(one.ensure(CONTRACT), other.ensure(CONTRACT))
        loads = [
            load_rows(warehouse, lake, table, span, *rows(50, f"{n}", f"2026-06-1{n}T00:00:00Z"))
            for n, (table, (warehouse, span)) in enumerate(
                itertools.product((ACCOUNT, PLAIN), ((one, FIRST), (other, SECOND)))
            )
        ]
        loads += [
            load_file(one, lake, delivery(f"cm/usage/{i}", MIDDAY), {"usage_date": "2026-06-01", "account_number": i})
            for i in range(5)
        ]
        await asyncio.gather(*loads)
        assert await one.rows("SELECT count(*) AS n FROM STG._ledger") == [{"n": 9}]
        for table, n in (("sfdc_account", 50), ("zuora_account", 50), ("s3_cm_usage_data", 5)):
            assert await other.rows(f"SELECT count(*) AS n FROM STG.{table}") == [{"n": n}]


async def test_one_batch_loaded_by_two_at_once_is_loaded_once(tmp_path: Path) -> None:
    lake, path = LocalLake(tmp_path / "lake"), tmp_path / "warehouse.duckdb"
    manifest = await (await Batch(lake, ACCOUNT, FIRST).rows(*rows(10))).commit()
    async with DuckDBWarehouse(path) as one, DuckDBWarehouse(path) as other:
        await one.ensure(CONTRACT)
        results = await asyncio.gather(*(w.load(ACCOUNT, manifest, lake, run_id="x") for w in (one, other, one)))
    assert sorted(r.skipped for r in results) == [False, True, True]


async def test_a_cancelled_load_is_rolled_back_and_the_file_is_free(tmp_path: Path) -> None:
    lake, path = LocalLake(tmp_path / "lake"), tmp_path / "warehouse.duckdb"
    loop, started, cancelled = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def watch(sql: str) -> None:
        if sql.startswith("INSERT"):
            loop.call_soon_threadsafe(started.set)
            cancelled.wait(10)

    async with DuckDBWarehouse(path, on_statement=watch) as warehouse:
        await warehouse.ensure(CONTRACT)
        batch = await Batch(lake, ACCOUNT, FIRST).rows(*rows(10))
        task = asyncio.create_task(load(warehouse, batch))
        await started.wait()
        task.cancel()
        for _ in range(5):  # let the cancellation arrive
            await asyncio.sleep(0)
        cancelled.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await warehouse.rows("SELECT * FROM STG._ledger") == []
        assert await warehouse.rows("SELECT * FROM STG.sfdc_account LIMIT 1") == []
    with duckdb.connect(str(path)) as next_one:
        assert next_one.execute("SELECT count(*) FROM STG.sfdc_account").fetchall() == [(0,)]


HOLDER = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the warehouse file open until its input is closed."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "warehouse.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "open\n"
        yield process
        process.kill()


async def test_a_file_held_by_another_process_is_an_error_that_names_it(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    with pytest.raises(WarehouseBusy, match=f"process {holder.pid} ") as caught:
        async with DuckDBWarehouse(tmp_path / "warehouse.duckdb", lock_wait=0.3):
            pass
    assert caught.value.facts["pid"] == holder.pid


async def test_a_file_that_is_let_go_in_time_is_opened(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    async def use() -> list[dict[str, Any]]:
        async with DuckDBWarehouse(tmp_path / "warehouse.duckdb", lock_wait=20) as warehouse:
            return await warehouse.rows("SELECT 1 AS n")

    opening = asyncio.create_task(use())
    await asyncio.sleep(0)  # let it meet the lock first
    assert holder.stdin is not None
    holder.stdin.close()
    assert await opening == [{"n": 1}]


async def test_the_file_is_free_for_dbt_when_the_context_ends(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    script = "import duckdb, sys; print(duckdb.connect(sys.argv[1]).execute('SELECT 1').fetchall())"
    async with DuckDBWarehouse(warehouse.path.with_name("other.duckdb")) as other:
        await other.ensure(CONTRACT)
    done = subprocess.run([sys.executable, "-c", script, str(other.path)], capture_output=True, text=True, check=True)
    assert done.stdout == "[(1,)]\n"


async def test_what_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    path.write_text("a letter" * 1000)
    with pytest.raises(ConfigurationError, match="is no DuckDB database"):
        async with DuckDBWarehouse(path):
            pass
    with pytest.raises(ConfigurationError, match="is no DuckDB database"):
        async with DuckDBWarehouse(tmp_path):
            pass


FULL_DISK = """
import asyncio, resource, signal, sys
from pathlib import Path
from connectors.errors import StorageFull
from connectors.lake.local import LocalLake
from connectors.warehouse.duckdb import DuckDBWarehouse
from tests.connectors.warehouse.batches import ACCOUNT, CONTRACT, Batch, load

async def main(folder):
    lake = LocalLake(folder / "lake")
    row = {"SystemModstamp": "2026-06-10T00:00:00Z"}
    rows = [{**row, "Id": str(i), "Name": str(hash(("n", i))) * 9} for i in range(60000)]
    batch = await Batch(lake, ACCOUNT).rows(*rows)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
    try:
        async with DuckDBWarehouse(folder / "warehouse.duckdb") as warehouse:
            await warehouse.ensure(CONTRACT)
            await load(warehouse, batch)
    except StorageFull as error:
        print(error.facts["path"])

asyncio.run(main(Path(sys.argv[1])))
"""


async def test_a_full_disk_is_one_clear_error_and_the_next_run_heals(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == f"{path}\n"
    lake = LocalLake(tmp_path / "lake")
    async with DuckDBWarehouse(path) as warehouse:
        await warehouse.ensure(CONTRACT)
        assert await warehouse.rows("SELECT * FROM STG._ledger") == []
        [manifest] = [m async for m in lake.manifests("salesforce", "sfdc_account")]
        result = await warehouse.load(ACCOUNT, manifest, lake, run_id="again")
    assert counts(result) == {"read": 60000, "inserted": 60000}


async def test_export_writes_one_whole_parquet_file(
    warehouse: DuckDBWarehouse, lake: LocalLake, tmp_path: Path
) -> None:
    await load_rows(warehouse, lake, ACCOUNT, FIRST, *rows(5))
    target = tmp_path / "out" / "accounts.parquet"
    assert await warehouse.export_parquet("STG.sfdc_account", target) == 5
    assert pq.read_table(target).column("id").to_pylist() == ["0", "1", "2", "3", "4"]
    assert [p.name for p in target.parent.iterdir()] == ["accounts.parquet"]


@pytest.fixture
def little_room() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, before)


async def test_an_export_without_room_leaves_nothing(
    warehouse: DuckDBWarehouse, tmp_path: Path, little_room: None
) -> None:
    await warehouse.rows("CREATE TABLE big AS SELECT hash(range) AS h FROM range(200000)")
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    with pytest.raises(StorageFull, match=r"big\.parquet"):
        await warehouse.export_parquet("main.big", tmp_path / "out" / "big.parquet")
    assert list((tmp_path / "out").iterdir()) == []


async def test_the_same_window_of_two_tables_is_two_batches(warehouse: DuckDBWarehouse, lake: LocalLake) -> None:
    for table in (ACCOUNT, PLAIN):
        assert counts(await load_rows(warehouse, lake, table, FIRST, *rows(2))) == {"read": 2, "inserted": 2}


async def test_usage_is_empty_before_its_first_file(warehouse: DuckDBWarehouse) -> None:
    state = await warehouse.state(USAGE)
    assert (state.windows, state.files) == ((), frozenset())


@pytest.mark.parametrize("file", ["stg.duckdb", "EDW.duckdb"])
async def test_a_file_named_like_a_schema_is_refused(tmp_path: Path, file: str) -> None:
    with pytest.raises(ConfigurationError, match="another name|cannot be called"):
        async with DuckDBWarehouse(tmp_path / file):
            pass
    assert not (tmp_path / file).exists()
