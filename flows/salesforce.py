"""Salesforce → lake → STG."""

from __future__ import annotations

from prefect import flow

from connectors.warehouse import LoadResult
from flows.alerts import tell_slack
from flows.load import load_source
from flows.naming import run_name


@flow(name="salesforce", flow_run_name=run_name, on_failure=[tell_slack], on_crashed=[tell_slack])
async def salesforce(tables: list[str] | None = None, full: bool = False) -> list[LoadResult]:
    """Load what changed at Salesforce since the last run.

    Args:
        tables: STG tables to load, for example `sfdc_account`; empty for all.
        full: read every object whole again; keys that vanished at the source become tombstones.
    """
    return await load_source("salesforce", tables, full=full)
