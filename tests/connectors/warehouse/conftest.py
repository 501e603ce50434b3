from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from connectors.lake.local import LocalLake
from connectors.warehouse.duckdb import DuckDBWarehouse
from tests.connectors.warehouse.batches import CONTRACT


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path / "lake")


@pytest.fixture
async def warehouse(tmp_path: Path) -> AsyncIterator[DuckDBWarehouse]:
    async with DuckDBWarehouse(tmp_path / "warehouse.duckdb", lock_wait=0.5) as opened:
        await opened.ensure(CONTRACT)
        yield opened
