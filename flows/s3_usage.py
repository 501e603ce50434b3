"""Usage files of Campaign Monitor and Emma on S3 → lake → STG."""

from __future__ import annotations

from prefect import flow

from connectors.warehouse import LoadResult
from flows.alerts import tell_slack
from flows.load import load_source
from flows.naming import run_name
from flows.parameters import S3Tables
from flows.time_limit import time_limited


@flow(name="s3-usage", flow_run_name=run_name, on_failure=[tell_slack], on_crashed=[tell_slack])
@time_limited
async def s3_usage(tables: S3Tables = (), full: bool = False) -> list[LoadResult]:
    """Load the usage files that arrived, or were delivered again, since the last run.

    Args:
        tables: STG tables to load; none picked means both.
        full: Read every file again, also those loaded before.
    """
    return await load_source("s3", tables, full=full)
