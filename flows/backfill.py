"""A window of a table read again, piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from prefect import flow

from connectors.batch import BatchRequest
from connectors.contract import Table
from connectors.errors import ConfigurationError
from connectors.source import Source, TableState
from connectors.sync import Plan
from connectors.warehouse import LoadResult
from connectors.window import Window, split
from flows.alerts import tell_slack
from flows.load import load_source, source_of
from flows.naming import window_name
from flows.parameters import Count, DateOrNow, OneTable, Text
from flows.settings import FlowSettings
from flows.time_limit import time_limited


@flow(name="backfill", flow_run_name=window_name, on_failure=[tell_slack], on_crashed=[tell_slack])
@time_limited
async def backfill(
    table: OneTable, start: date, end: DateOrNow = None, step_days: Count = 31, label: Text = ""
) -> list[LoadResult]:
    """Read a window of one table again: rows changed in it (API sources), or files delivered in it (S3).

    Nothing is emptied: what is read is merged by version, so a backfill never sets a row back. Pieces that are loaded
    already under the same label are not fetched again, so a backfill that was stopped goes on where it was.

    Args:
        table: STG table to read again.
        start: First day, UTC.
        end: The day after the last, UTC; or everything up to now.
        step_days: Days that are read in one piece; smaller pieces lose less when the run is stopped.
        label: Runs with the same label go on where the other stopped; empty stands for today's date.
    """
    now = datetime.now(UTC)
    window = _window(start, end, now)
    if step_days < 1:
        raise ConfigurationError(f"step_days is {step_days}", remedy="Give a whole number of days, 1 or more.")
    contract = FlowSettings.from_environment().contract()
    return await load_source(
        source_of(contract, table), [table],
        plan=planned(window, timedelta(days=step_days), label or f"backfill {now:%Y-%m-%d}"),
    )  # fmt: skip


def planned(window: Window, step: timedelta, label: str) -> Callable[[Source], Plan]:
    """A plan that reads `window` again, as far as the source lets us see."""

    def of(source: Source) -> Plan:
        async def plan(table: Table, state: TableState) -> list[BatchRequest]:
            if table.format is not None:
                return _delivered_in(window, await source.plan(table, state, full=True), label)
            horizon = await source.horizon(table)
            if window.lo is None or window.lo >= horizon:
                return []
            seen = Window(window.lo, min(window.hi, horizon))
            return [BatchRequest(table, piece, label=label) for piece in split(seen, step)]

        return plan

    return of


def _delivered_in(window: Window, requests: Sequence[BatchRequest], label: str) -> list[BatchRequest]:
    """The batches with only those files that were delivered in the window."""
    found: list[BatchRequest] = []
    for request in requests:
        files = tuple(
            f for f in request.files if window.lo is None or window.lo <= f.last_modified < window.hi
        )  # fmt: skip
        if files:
            found.append(replace(request, files=files, label=label))
    return found


def _window(start: date, end: date | None, now: datetime) -> Window:
    lo = datetime.combine(start, time(), UTC)
    hi = now if end is None else datetime.combine(end, time(), UTC)
    if lo >= hi:
        raise ConfigurationError(
            f"the backfill would start at {start} and end at {end or 'now'}: there is nothing in between",
            remedy="Give an earlier start or a later end; `end` is the day after the last.",
        )
    return Window(lo, hi)
