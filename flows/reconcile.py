"""Keys of the sources against keys of STG: what was deleted or lost without anyone telling."""

from __future__ import annotations

import functools
from datetime import UTC, datetime

from prefect import flow
from prefect.logging import get_run_logger

from connectors.batch import BatchRequest
from connectors.contract import Table
from connectors.source import Source, TableState
from connectors.sync import Plan
from connectors.warehouse import LoadResult
from connectors.window import Window
from flows.alerts import post, tell_slack
from flows.failures import Failure
from flows.load import LoadFailed, load_source, source_of
from flows.naming import tables_name
from flows.parameters import Sources, Tables
from flows.settings import FlowSettings
from flows.sources import SOURCES, SourceName
from flows.time_limit import time_limited


@flow(name="reconcile", flow_run_name=tables_name, on_failure=[tell_slack], on_crashed=[tell_slack])
@time_limited
async def reconcile(sources: Sources = (), tables: Tables = ()) -> list[LoadResult]:
    """Compare the keys of every table with its source: vanished keys become tombstones, lost rows are fetched.

    Reads keys and stamps only, so it costs little beside a full refresh. A table of which rows are missing is read in
    full at once, and people are told. File tables have no keys at the source and are left out.

    Args:
        sources: Sources to ask; none picked means all that can be asked.
        tables: STG tables to compare; none picked means all of these sources.

    Raises:
        LoadFailed: at the end, with the failure of each table.
    """
    contract = FlowSettings.from_environment().contract()
    for table in tables or ():
        source_of(contract, table)
    label = f"reconcile {datetime.now(UTC).isoformat()}"
    results: list[LoadResult] = []
    failures: list[Failure] = []
    for name in sources or SOURCES:
        asked = [t.name for t in contract.of(name) if t.format is None and (not tables or t.name in tables)]
        if not asked:
            continue
        try:
            results += await load_source(name, asked, plan=functools.partial(keys_only, label=label))
        except LoadFailed as error:
            failures += error.failures
            results += error.results
        lost = {r.table: r.missing for r in results if r.table in asked and r.missing}
        if lost:
            try:
                results += await _fetch_lost(name, lost, label)
            except LoadFailed as error:
                failures += error.failures
                results += error.results
    if failures:
        raise LoadFailed("reconcile", failures, results)
    return results


async def _fetch_lost(source: SourceName, lost: dict[str, int], label: str) -> list[LoadResult]:
    told = ", ".join(f"`{table}` {rows:,}" for table, rows in lost.items())
    get_run_logger().warning("rows that %s has and STG lacks: %s; reading these tables in full", source, told)
    await post(f":large_yellow_circle: *reconcile* {source}: rows were missing in STG: {told}. Reading in full.")
    return await load_source(source, list(lost), plan=functools.partial(everything, label=label))


def keys_only(source: Source, *, label: str) -> Plan:
    """A plan that asks for the living keys up to the horizon."""

    async def plan(table: Table, state: TableState) -> list[BatchRequest]:
        if not state.windows:
            return []  # nothing was loaded yet, so there is nothing to compare
        return [BatchRequest(table, Window(None, await source.horizon(table)), label=label, scope="keys")]

    return plan


def everything(source: Source, *, label: str) -> Plan:
    """A plan that reads the whole object, also where a snapshot up to the same instant was loaded."""

    async def plan(table: Table, _state: TableState) -> list[BatchRequest]:
        return [BatchRequest(table, Window(None, await source.horizon(table)), label=label)]

    return plan
