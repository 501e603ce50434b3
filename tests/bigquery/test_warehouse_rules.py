"""The rules that hold in every warehouse hold in BigQuery: the tests written for DuckDB, on the emulator."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from connectors.google import GoogleAccess
from connectors.lake.local import LocalLake
from tests.bigquery.warehouse_suite import AnyWarehouse
from tests.connectors.warehouse import (
    test_absent_columns,
    test_conform,
    test_files,
    test_keys,
    test_limits,
    test_merge,
    test_quarantine,
    test_replay,
)
from tests.connectors.warehouse.batches import CONTRACT

pytestmark = pytest.mark.slow

_RULES = (
    test_merge, test_keys, test_files, test_absent_columns, test_quarantine, test_replay, test_limits, test_conform,
)  # fmt: skip
for _module in _RULES:
    for _name, _test in vars(_module).items():
        if _name.startswith("test_") and {"warehouse", "lake"} <= inspect.signature(_test).parameters.keys():
            globals()[_name] = _test


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path / "lake")


@pytest.fixture
async def warehouse(google: GoogleAccess) -> AsyncIterator[AnyWarehouse]:
    async with AnyWarehouse(google) as opened:
        await opened.ensure(CONTRACT)
        yield opened
