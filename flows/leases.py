"""Leases of flow runs: no two runs do the same work at once, also when Prefect's own limit does not hold them apart."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from connectors.warehouse.lease import Claim, Hold, held
from connectors.warehouse.settings import WarehouseSettings, open_leases
from flows.gcp import google_access


@contextlib.asynccontextmanager
async def leased(work: str, *, wait: bool = True) -> AsyncGenerator[Hold]:
    """Hold the lease of this work while the block runs, for the flow run that this is.

    Args:
        work: `daily-refresh`, `source:<name>` (also of whoever repairs what it brought), `dbt`, `tableau`.
        wait: for another run that does the same and is alive, as long as MGDW_LEASE_WAIT says; or end at once.

    Raises:
        LeaseHeld: another run does it. Whatever the warehouse raises.
    """
    settings = WarehouseSettings.from_environment()
    claim = Claim(
        work, str(flow_run.id or "local"), str(flow_run.name or ""), settings.lease_seconds,
        settings.lease_wait if wait else 0.0,
    )  # fmt: skip
    async with open_leases(settings, google_access()) as store, held(store, claim, get_run_logger().warning) as hold:
        yield hold
