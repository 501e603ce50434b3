"""Rows that did not fit the contract: look at them, load them again, or let them go."""

from __future__ import annotations

from typing import Any, Literal

from prefect import flow
from prefect.artifacts import TableArtifact
from prefect.logging import get_run_logger

from connectors.contract import Contract
from connectors.errors import ConfigurationError
from connectors.warehouse import QuarantinedRow, QuarantineGroup, Warehouse
from connectors.warehouse.settings import WarehouseSettings, open_warehouse
from flows.alerts import tell_slack
from flows.artifacts import publish
from flows.gcp import google_access
from flows.leases import leased
from flows.load import source_of
from flows.naming import action_name
from flows.parameters import Count, OneTableOrAll, Text
from flows.replay import replayed
from flows.settings import FlowSettings
from flows.time_limit import time_limited

Action = Literal["list", "show", "replay", "drop"]


@flow(name="quarantine", flow_run_name=action_name, on_failure=[tell_slack], on_crashed=[tell_slack])
@time_limited
async def quarantine(
    action: Action = "list",
    table: OneTableOrAll = None,
    batch: Text = "",
    reason: Text = "",
    limit: Count = 100,
) -> list[dict[str, Any]]:
    """Work on the rows in quarantine. Returns, and shows as an artifact, what is there afterwards.

    Args:
        action: What to do. list counts them by table, batch and reason; show shows single rows of a table; replay
            loads their batches again from the lake, after the contract was corrected; drop lets them go for good (the
            ledger keeps how many, and when).
        table: STG table; show and drop need one.
        batch: For drop, only this batch, as list shows it; empty means every batch.
        reason: For drop, only this reason, as list shows it; empty means every reason.
        limit: For show, rows at most.
    """
    contract = FlowSettings.from_environment().contract()
    if table is not None:
        source_of(contract, table)
    elif action in ("show", "drop"):
        raise ConfigurationError(f"quarantine {action} needs a table", remedy="Name one that `quarantine list` shows.")
    if action == "replay":
        await _replay(contract, table)
    elif action == "drop" and table is not None:
        await _drop(contract, table, batch=batch, reason=reason)
    async with open_warehouse(WarehouseSettings.from_environment(), google_access()) as warehouse:
        await warehouse.ensure(contract)
        if action == "show" and table is not None:
            rows = [_row(one) for one in await warehouse.quarantined_rows(table, limit)]
        else:
            rows = [group_row(group) for group in await warehouse.quarantined(table)]
    await publish(TableArtifact(key="quarantine", table=rows, description=f"quarantine {action}"))
    return rows


def group_row(group: QuarantineGroup) -> dict[str, Any]:
    """One line of the list."""
    return {
        "table": group.table, "rows": group.rows, "column": group.column or "", "reason": group.reason,
        "example": group.example or "", "since": f"{group.first:%Y-%m-%d %H:%M}", "batch": group.batch_id,
    }  # fmt: skip


def _row(row: QuarantinedRow) -> dict[str, Any]:
    return {
        "part": row.part, "column": row.column or "", "reason": row.reason, "text": row.raw_text or "",
        "row": row.row, "since": f"{row.first:%Y-%m-%d %H:%M}", "batch": row.batch_id,
    }  # fmt: skip


async def _replay(contract: Contract, table: str | None) -> None:
    async with open_warehouse(WarehouseSettings.from_environment(), google_access()) as warehouse:
        await warehouse.ensure(contract)
        batches = await _batches(warehouse, table)
    tables = [t for t in contract.tables if t.name in batches]
    await replayed(contract, tables, only={batch for of in batches.values() for batch in of})


async def _drop(contract: Contract, table: str, *, batch: str | None, reason: str | None) -> None:
    settings, google = WarehouseSettings.from_environment(), google_access()
    async with leased(f"source:{source_of(contract, table)}"), open_warehouse(settings, google) as warehouse:
        await warehouse.ensure(contract)
        dropped = await warehouse.drop_quarantined(table, batch_id=batch or None, reason=reason or None)
    get_run_logger().info("%s: %s rows let go", table, dropped)


async def _batches(warehouse: Warehouse, table: str | None) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for group in await warehouse.quarantined(table):
        found.setdefault(group.table, set()).add(group.batch_id)
    return found
