"""Salesforce → lake → STG."""

from __future__ import annotations

from prefect import flow

from connectors.warehouse import LoadResult
from flows.alerts import tell_slack
from flows.load import load_source
from flows.naming import run_name
from flows.parameters import SalesforceTables
from flows.time_limit import time_limited


@flow(name="salesforce", flow_run_name=run_name, on_failure=[tell_slack], on_crashed=[tell_slack])
@time_limited
async def salesforce(tables: SalesforceTables = (), full: bool = False) -> list[LoadResult]:
    """Load what changed at Salesforce since the last run.

    Args:
        tables: STG tables to load; none picked means all.
        full: Read every object whole again, not only what changed; keys that vanished at the source become tombstones.
    """
    return await load_source("salesforce", tables, full=full)
