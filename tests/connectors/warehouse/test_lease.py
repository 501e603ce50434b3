"""Leases of a DuckDB warehouse: the rules, and real processes that race, sleep and die."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from connectors.errors import WarehouseBusy
from connectors.warehouse.duckdb import DuckDBWarehouse
from connectors.warehouse.duckdb_leases import DuckDBLeases
from connectors.warehouse.lease import Hold, held
from tests.connectors.warehouse.batches import CONTRACT
from tests.connectors.warehouse.lease_rules import *  # noqa: F403 - the rules are this module's tests
from tests.connectors.warehouse.lease_rules import LONG, SHORT, NewStore, claim

_PROGRAM = """
import asyncio, sys, time
from connectors.errors import MgdwError
from connectors.warehouse.duckdb_leases import DuckDBLeases
from connectors.warehouse.lease import Hold

async def main():
    path, holder, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    store = DuckDBLeases(path)
    sys.stdin.readline()
    asked = (time.monotonic(), time.time())
    lease = await store.take("daily-refresh", holder, "", seconds)
    print(lease.holder, lease.token, flush=True)
    hold = Hold(store, lease, seconds, asked)
    while sys.stdin.readline():
        try:
            await hold.check()
            print("may begin", flush=True)
        except MgdwError as error:
            print(type(error).__name__, flush=True)

asyncio.run(main())
"""


@pytest.fixture
def warehouse_path(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


@pytest.fixture
def new_store(warehouse_path: Path) -> NewStore:
    return lambda: DuckDBLeases(warehouse_path)


class Program:
    """Another process that takes the lease at its first line, and says at each further one whether it may go on."""

    def __init__(self, path: Path, holder: str, seconds: float) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(path), holder, str(seconds)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def begin(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def says(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            pipe.close()


@pytest.fixture
def programs() -> Iterator[list[Program]]:
    started: list[Program] = []
    yield started
    for program in started:
        program.end()


async def test_of_processes_that_race_one_has_it(warehouse_path: Path, programs: list[Program]) -> None:
    programs += [Program(warehouse_path, holder, LONG) for holder in "ABC"]
    for program in programs:
        program.begin()
    said = [program.says().split() for program in programs]
    assert len({(holder, token) for holder, token in said}) == 1


async def test_a_process_that_slept_while_another_took_over_begins_nothing_more(
    warehouse_path: Path, programs: list[Program], new_store: NewStore
) -> None:
    sleeper = Program(warehouse_path, "A", SHORT)
    programs.append(sleeper)
    sleeper.begin()
    _, token = sleeper.says().split()
    sleeper.process.send_signal(signal.SIGSTOP)
    async with new_store() as store, held(store, claim("B")) as mine:
        assert mine.lease.token > int(token)
        sleeper.process.send_signal(signal.SIGCONT)
        sleeper.begin()
        assert sleeper.says() == "LeaseLost"
        await mine.check()


async def test_without_an_answer_nothing_may_begin_once_the_lease_may_have_run_out(
    warehouse_path: Path, programs: list[Program]
) -> None:
    store = DuckDBLeases(warehouse_path, lock_wait=0.2)
    lease = await store.take("daily-refresh", "A", "", LONG)
    blocker = subprocess.Popen(
        [sys.executable, "-c", "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1, flush=True); input()",
         str(store.path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert blocker.stdout
        assert blocker.stdout.readline() == "1\n"
        hold = Hold(store, lease, LONG, asked=(0, 0))
        with pytest.raises(WarehouseBusy, match="in use by process"):
            await hold.check()
    finally:
        blocker.communicate("\n")
    await hold.check()


async def test_a_fresh_lease_is_not_asked_for_at_every_step(warehouse_path: Path) -> None:
    store = DuckDBLeases(warehouse_path)
    async with held(store, claim("A")) as hold:
        store.path.unlink()
        await hold.check()
        assert not store.path.exists()


async def test_leases_are_renewed_while_a_load_has_the_warehouse_open(
    warehouse_path: Path, new_store: NewStore
) -> None:
    async with DuckDBWarehouse(warehouse_path) as warehouse:
        await warehouse.ensure(CONTRACT)
        async with new_store() as store:
            lease = await store.take("daily-refresh", "A", "", SHORT)
            assert await store.renew(lease, LONG)


async def test_the_table_says_in_words_what_it_holds(warehouse_path: Path) -> None:
    store = DuckDBLeases(warehouse_path)
    await store.take("dbt", "A", "dbt edw", LONG)
    with duckdb.connect(str(store.path), read_only=True) as connection:
        found = connection.execute("SELECT name, holder, about, token FROM STG._ledger_leases ORDER BY name").fetchall()
        assert found == [("_tokens", None, None, 1), ("dbt", "A", "dbt edw", 1)]
        comments = connection.execute("SELECT comment FROM duckdb_columns() WHERE schema_name = 'STG'").fetchall()
        assert all(comment for (comment,) in comments)


async def test_threads_of_one_process_take_turns(new_store: NewStore) -> None:
    async with new_store() as store:
        taken = await asyncio.gather(*(store.take(f"source:{n}", "A", "", LONG) for n in range(8)))
    assert sorted(lease.token for lease in taken) == list(range(1, 9))
