"""Leases of flow runs: no two runs do the same work at once, also when Prefect's own limit does not hold them apart."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from uuid import UUID

from prefect import flow_engine
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from connectors.warehouse.lease import Claim, Hold, held
from connectors.warehouse.settings import WarehouseSettings, open_leases
from flows.gcp import google_access

_maintain = flow_engine.amaintain_concurrency_lease


def _whatever_becomes_of_it(lease_id: UUID, lease_duration: float, **_: bool) -> AbstractAsyncContextManager[None]:
    return _maintain(lease_id, lease_duration, raise_on_lease_renewal_failure=False)


# Prefect (3.8) ends a run that cannot renew its slot of the deployment's limit in three tries: a server that is
# restarted, or loses its slots, would end loads that need nothing of it meanwhile. A slot only saves a pod from
# waiting; what keeps two runs apart is the lease here. So a run goes on, and its log says that the slot is lost.
flow_engine.amaintain_concurrency_lease = _whatever_becomes_of_it


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
