"""The rules of the merge hold in BigQuery: the tests written for DuckDB, on the emulator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from connectors.google import GoogleAccess
from connectors.lake.local import LocalLake
from tests.bigquery.warehouse_suite import AnyWarehouse
from tests.connectors.warehouse.batches import CONTRACT
from tests.connectors.warehouse.test_absent_columns import *  # noqa: F403 - the same tests
from tests.connectors.warehouse.test_conform import *  # noqa: F403 - the same tests
from tests.connectors.warehouse.test_files import *  # noqa: F403 - the same tests
from tests.connectors.warehouse.test_keys import *  # noqa: F403 - the same tests
from tests.connectors.warehouse.test_limits import *  # noqa: F403 - the same tests
from tests.connectors.warehouse.test_merge import *  # noqa: F403 - the same tests
from tests.connectors.warehouse.test_quarantine import *  # noqa: F403 - the same tests
from tests.connectors.warehouse.test_replay import *  # noqa: F403 - the same tests


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path / "lake")


@pytest.fixture
async def warehouse(google: GoogleAccess) -> AsyncIterator[AnyWarehouse]:
    async with AnyWarehouse(google) as opened:
        await opened.ensure(CONTRACT)
        yield opened
