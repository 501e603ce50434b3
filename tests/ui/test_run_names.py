"""What a run is called in the UI: enough to find it in a list of a thousand."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from prefect import Flow, flow
from prefect.client.orchestration import get_client

from flows.backfill import backfill
from flows.daily_refresh import daily_refresh
from flows.quarantine import quarantine
from flows.reconcile import reconcile
from flows.replay import replay
from flows.salesforce import salesforce
from sandbox.prefect_server import PrefectServer

ACCOUNT = "sfdc_account"


async def name_of(real: Flow[..., Any], **given: Any) -> str:
    """The name of a run that does nothing, of a flow with the real one's name and parameters."""
    shape = ", ".join(f"{name}=None" for name in real.parameters.properties)
    places: dict[str, Any] = {}
    exec(f"async def nothing({shape}): pass", places)
    state = await flow(name=real.name, flow_run_name=real.flow_run_name)(places["nothing"])(**given, return_state=True)
    async with get_client() as client:
        return (await client.read_flow_run(state.state_details.flow_run_id)).name


@pytest.mark.parametrize(
    ("real", "given", "name"),
    [
        (salesforce, {}, "salesforce incremental"),
        (salesforce, {"full": True, "tables": [ACCOUNT]}, "salesforce full: sfdc_account"),
        (salesforce, {"tables": ["a", "b", "c", "d"]}, "salesforce incremental: 4 of them"),
        (daily_refresh, {"full": True}, "daily-refresh full"),
        (daily_refresh, {"sources": ["zuora", "s3"]}, "daily-refresh incremental: zuora, s3"),
        (backfill, {"table": ACCOUNT, "start": date(2026, 1, 1), "end": date(2026, 3, 31)},
         "backfill sfdc_account 2026-01-01 → 2026-03-31"),
        (backfill, {"table": ACCOUNT, "start": date(2026, 1, 1)}, "backfill sfdc_account 2026-01-01 → now"),
        (replay, {}, "replay"),
        (reconcile, {"sources": ["zuora"]}, "reconcile: zuora"),
        (quarantine, {"action": "show", "table": ACCOUNT}, "quarantine show sfdc_account"),
    ],
)  # fmt: skip
async def test_a_run_s_name_says_what_it_does(
    prefect_server: PrefectServer, real: Flow[..., Any], given: dict[str, Any], name: str
) -> None:
    assert await name_of(real, **given) == name
