"""NetSuite → lake → STG."""

from __future__ import annotations

from prefect import flow

from connectors.warehouse import LoadResult
from flows.alerts import tell_slack
from flows.load import load_source
from flows.naming import run_name


@flow(name="netsuite", flow_run_name=run_name, on_failure=[tell_slack], on_crashed=[tell_slack])
async def netsuite(tables: list[str] | None = None, full: bool = False) -> list[LoadResult]:
    """Load what changed at NetSuite since the last run.

    Args:
        tables: STG tables to load, for example `netsuite_invoices`; empty for all.
        full: read every object whole again; keys that vanished at the source become tombstones.
    """
    return await load_source("netsuite", tables, full=full)
