"""`mgdw`: the terminal's way to the same flows that the Prefect UI reaches."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from connectors.errors import MgdwError
from connectors.warehouse import LoadResult
from flows.failures import StepFailed, told_once
from flows.report import load_rows
from flows.settings import FlowSettings

if TYPE_CHECKING:
    from flows.automations import Applied
    from flows.deploy import Change

Tables = Annotated[list[str] | None, Parameter(help="STG tables; repeat for several, all without it.")]
FlowName = Literal["daily-refresh", "salesforce", "netsuite", "zuora", "s3-usage", "dbt", "tableau"]

app = App(name="mgdw", help="Run mg-dw's flows and look at its contract.")
contract = App(name="contract", help="The contract: what every STG table looks like.")
quarantined = App(name="quarantine", help="Rows that did not fit the contract: look, load again, let go.")
automated = App(name="automations", help="The Prefect server's automations, which tell Slack when a run ends badly.")
app.command(contract)
app.command(quarantined)
app.command(automated)
app.command(
    "split.cli:app", name="split", help="A mixed dbt project taken apart: classify, propose, verify, leaks, facts."
)
# Never narrower than the table of loads: a terminal wraps a long line, where rich would cut names short.
_out = Console(highlight=False, width=max(Console().width, 132))
_err = Console(highlight=False, soft_wrap=True, stderr=True)


@app.command
def run(
    flow: FlowName,
    *,
    table: Annotated[list[str] | None, Parameter(help="STG tables to load; repeat for several.")] = None,
    full: Annotated[bool, Parameter(help="Read everything again; vanished keys become tombstones.")] = False,
    layer: Annotated[Literal["ods", "edw"], Parameter(help="For dbt: the layer to build.")] = "ods",
) -> None:
    """Run one flow here and now, with the settings of this environment."""
    asyncio.run(_flow(flow, table, full, layer)())


@app.command
def backfill(
    table: str, *, start: date, end: date | None = None, step_days: int = 31, label: str | None = None
) -> None:
    """Read a window of one table again, in pieces; run again with the same label it goes on where it stopped.

    Args:
        table: an STG table.
        start: first day (UTC), YYYY-MM-DD.
        end: the day after the last (UTC); up to now without it.
        step_days: days in one piece.
        label: today's date without it.
    """
    _prepare()
    from flows.backfill import backfill

    _print_loads(asyncio.run(backfill(table=table, start=start, end=end, step_days=step_days, label=label)))


@app.command
def replay(*, table: Tables = None) -> None:
    """Load again from the lake, without the sources: after a column was added, or a rule corrected."""
    _prepare()
    from flows.replay import replay

    _print_loads(asyncio.run(replay(tables=table)))


@app.command
def reconcile(*, table: Tables = None) -> None:
    """Compare the keys of STG with the sources': vanished ones become tombstones, lost rows are fetched."""
    _prepare()
    from flows.reconcile import reconcile

    _print_loads(asyncio.run(reconcile(tables=table)))


@app.command
def salesforce_preflight() -> None:
    """Compare the present and the next Salesforce instance with the contract, before the cutover."""
    _prepare()
    from flows.salesforce_preflight import salesforce_preflight

    report = asyncio.run(salesforce_preflight())
    _out.print(report.markdown(), markup=False)


@app.command
def doctor(
    *,
    only: Annotated[str | None, Parameter(help="Groups to look at, with commas: warehouse,salesforce.")] = None,
    send: Annotated[bool, Parameter(help="Send a message through the Slack webhook.")] = False,
) -> None:
    """Check that everything a run needs is there and usable from here; status 1 when something is not."""
    _prepare()
    from flows.checks import Status
    from flows.doctor import examined

    groups = [name.strip() for name in only.split(",") if name.strip()] if only else None
    found = asyncio.run(examined(groups, send=send))
    colours = {Status.OK: "green", Status.WARNING: "yellow", Status.FAILED: "bold red", Status.NOT_USED: "dim"}
    grid = Table(box=SIMPLE, pad_edge=False)
    for name in ("check", "where", "status", "found", "what to do"):
        grid.add_column(name, overflow="fold", no_wrap=name in ("check", "status"))
    for one in found:
        status = f"[{colours[one.status]}]{one.status.value}[/]"
        grid.add_row(one.check, escape(one.where), status, escape(one.found), escape(one.remedy))
    _out.print(grid)
    failed = sum(one.status is Status.FAILED for one in found)
    _out.print(f"{failed} of {len(found)} failed" if failed else f"All {len(found)} are in order, or said why not.")
    if failed:
        sys.exit(1)


@app.command
def blocks(
    *,
    key_file: Annotated[
        Path | None, Parameter(help="JSON key of a service account; none for Workload Identity.")
    ] = None,
) -> None:
    """Create or update the Prefect blocks for Google Cloud: credentials, the lake's bucket, the secrets in use."""
    _prepare()
    from flows.blocks import write_blocks

    for name in write_blocks(key_file):
        _out.print(f"wrote {name}", markup=False)


@app.command
def deploy(
    *,
    image: Annotated[str | None, Parameter(help="Image of the runs, by digest: name@sha256:…")] = None,
    release: Annotated[str | None, Parameter(help="The commit it was built from: the deployments' version.")] = None,
    pool_type: Annotated[
        Literal["kubernetes", "process"], Parameter(help="process: runs are processes of a worker on this machine.")
    ] = "kubernetes",
    with_blocks: Annotated[bool, Parameter(help="Write Prefect's blocks first, as `mgdw blocks` does.")] = False,
    smoke: Annotated[bool, Parameter(help="Then run doctor on the work pool and wait for it.")] = False,
) -> None:
    """Bring the Prefect server to what prefect.yaml says: work pool, deployments, automations."""
    _prepare()
    from flows.deploy import deploy
    from flows.deploy_smoke import smoke as tried

    if with_blocks:
        blocks()
    _print_changes(asyncio.run(deploy(pool_type=pool_type, image=image, release=release)))
    if smoke:
        _out.print(f"The run {asyncio.run(tried())} completed on the work pool")


@automated.command(name="apply")
def apply_automations() -> None:
    """Bring the server's automations to what deployments/automations says, and write the Slack webhook's block."""
    _prepare()
    from flows.automations import apply

    _print_changes(asyncio.run(apply()))


@automated.command(name="show")
def show_automations() -> None:
    """Say what `apply` would do with the automations, and change nothing."""
    _prepare()
    from flows.automations import compared

    _print_changes(asyncio.run(compared()))


@app.command
def smoke(
    *,
    project: Annotated[str, Parameter(help="Google Cloud project.")],
    bucket: Annotated[str, Parameter(help="Bucket of the lake; a folder of its own is used.")] = "mg-dw-datalake",
) -> None:
    """On a Google Cloud project: doctor, the last day of each source and the marts in DEV, and what it cost."""
    _prepare()
    from flows.smoke import settings_for, smoke

    os.environ.update(settings_for(project, bucket))
    report = asyncio.run(smoke())
    _print_loads(report.loads)
    _out.print(report.markdown(), markup=False)


@quarantined.command(name="list")
def list_quarantined(table: str | None = None) -> None:
    """Count the rows in quarantine by table, batch and reason."""
    _quarantine("list", table)


@quarantined.command(name="show")
def show_quarantined(table: str, *, limit: int = 20) -> None:
    """Print single rows of a table in quarantine, as received."""
    _quarantine("show", table, limit=limit)


@quarantined.command(name="replay")
def replay_quarantined(table: str | None = None) -> None:
    """Load the batches of these rows again from the lake, after the contract was corrected."""
    _quarantine("replay", table)


@quarantined.command(name="drop")
def drop_quarantined(table: str, *, batch: str | None = None, reason: str | None = None) -> None:
    """Let rows in quarantine go for good; the ledger keeps how many and when."""
    _quarantine("drop", table, batch=batch, reason=reason)


@contract.command
def check() -> None:
    """Read every contract file and say what is wrong with them, all at once."""
    tables = FlowSettings.from_environment().contract().tables
    _out.print(f"{len(tables)} tables, {sum(len(t.columns) for t in tables)} columns: no problem found")


@contract.command
def show(table: str) -> None:
    """Print one table's columns."""
    tables = {t.name: t for t in FlowSettings.from_environment().contract().tables}
    if table not in tables:
        raise SystemExit(f"No table {table!r}. There are: {', '.join(tables)}")
    found = tables[table]
    grid = Table("column", "type", "field", "description", title=f"{found.name}: {found.description}")
    for column in found.columns:
        key = " (key)" if column.name in found.primary_key else ""
        grid.add_row(column.name + key, column.type, column.field, column.description)
    _out.print(grid)


def _flow(
    name: FlowName, tables: list[str] | None, full: bool, layer: Literal["ods", "edw"]
) -> Callable[[], Coroutine[Any, Any, Any]]:
    _prepare()
    # Prefect takes seconds to import: only when a flow is run.
    from flows.daily_refresh import daily_refresh
    from flows.dbt import dbt
    from flows.netsuite import netsuite
    from flows.s3_usage import s3_usage
    from flows.salesforce import salesforce
    from flows.tableau import tableau
    from flows.zuora import zuora

    sources: dict[str, Callable[..., Awaitable[list[LoadResult]]]] = {
        "salesforce": salesforce, "netsuite": netsuite, "zuora": zuora, "s3-usage": s3_usage,
    }  # fmt: skip

    async def load() -> None:
        _print_loads(await sources[name](tables=tables, full=full))

    match name:
        case "daily-refresh":
            return lambda: daily_refresh(full=full)
        case "dbt":
            return lambda: dbt(layer=layer)
        case "tableau":
            return tableau
        case _:
            return load


def _prepare() -> None:
    # Without PREFECT_API_URL a server starts for this run alone: its 20 s are too few on a machine at work.
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
    # That server would report home, and show a traceback where it cannot.
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")


def _quarantine(
    action: Literal["list", "show", "replay", "drop"],
    table: str | None,
    *,
    batch: str | None = None,
    reason: str | None = None,
    limit: int = 20,
) -> None:
    _prepare()
    from flows.quarantine import quarantine

    rows = asyncio.run(quarantine(action=action, table=table, batch=batch, reason=reason, limit=limit))
    if not rows:
        _out.print("Nothing is in quarantine.")
        return
    if action == "show":
        for row in rows:
            lines = (f"{name:<7} {value}" for name, value in row.items() if value != "")
            _out.print("\n".join(lines) + "\n", markup=False, soft_wrap=True)
        return
    grid = Table(box=SIMPLE, pad_edge=False)
    for name in rows[0]:
        grid.add_column(name, overflow="fold", no_wrap=name in ("table", "since", "batch"))
    for row in rows:
        grid.add_row(*(escape(str(value)) for value in row.values()))
    _out.print(grid)


def _print_changes(changes: Sequence[Change | Applied]) -> None:
    colours = {"made": "green", "changed": "green", "unchanged": "dim", "retired": "yellow", "removed": "yellow"}
    grid = Table(box=SIMPLE, pad_edge=False)
    for name in ("what", "name", "", "note"):
        grid.add_column(name, overflow="fold", no_wrap=name == "name")
    for one in changes:
        grid.add_row(one.kind, escape(one.name), f"[{colours[one.what]}]{one.what}[/]", escape(one.note))
    _out.print(grid)
    counts = {what: sum(one.what == what for one in changes) for what in colours}
    _out.print(", ".join(f"{count} {what}" for what, count in counts.items() if count))


def _print_loads(results: list[LoadResult]) -> None:
    if not results:
        _out.print("Nothing new since the last run.")
        return
    numbers = ("read", "inserted", "updated", "deleted", "unchanged", "quarantined")
    grid = Table(box=SIMPLE, pad_edge=False)
    grid.add_column("table", no_wrap=True)
    for name in numbers:
        grid.add_column(name, justify="right", no_wrap=True)
    grid.add_column("window (UTC)", no_wrap=True)
    for row in load_rows(results, ()):
        grid.add_row(row["table"], *(f"{row[name]:,}" for name in numbers), row["window"])
    _out.print(grid)


def main() -> None:
    """Entry point: a known error is told in words and ends with status 1."""
    try:
        app()
    except StepFailed as error:
        for one, whats in told_once(error.failures).items():
            about = f"{one.step}, {', '.join(whats)}" if whats else one.step
            _tell(f"{about}: {one.cause}", one.remedy)
        if error.skipped:
            _err.print(f"Skipped because of it: {', '.join(error.skipped)}", markup=False)
        sys.exit(1)
    except MgdwError as error:
        _tell(error.cause, error.remedy)
        sys.exit(1)


def _tell(cause: str, remedy: str) -> None:
    _err.print(f"[bold red]Failed:[/] {escape(cause)}\n[bold]What to do:[/] {escape(remedy)}")


if __name__ == "__main__":
    main()
