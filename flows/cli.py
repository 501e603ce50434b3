"""`mgdw`: the terminal's way to the same flows that the Prefect UI reaches."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from connectors.errors import MgdwError
from connectors.warehouse import LoadResult
from flows.report import load_rows
from flows.settings import FlowSettings

FlowName = Literal["daily-refresh", "salesforce", "netsuite", "zuora", "s3-usage", "dbt", "tableau"]

app = App(name="mgdw", help="Run mg-dw's flows and look at its contract.")
contract = App(name="contract", help="The contract: what every STG table looks like.")
app.command(contract)
_out = Console()
_err = Console(stderr=True)


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


@contract.command
def check() -> None:
    """Read every contract file and say what is wrong with them, all at once."""
    tables = FlowSettings().contract().tables
    _out.print(f"{len(tables)} tables, {sum(len(t.columns) for t in tables)} columns: no problem found")


@contract.command
def show(table: str) -> None:
    """Print one table's columns."""
    try:
        found = FlowSettings().contract().table(table)
    except KeyError:
        raise SystemExit(
            f"No table {table!r}. There are: {', '.join(t.name for t in FlowSettings().contract().tables)}"
        ) from None
    grid = Table("column", "type", "field", "description", title=f"{found.name}: {found.description}")
    for column in found.columns:
        key = " (key)" if column.name in found.primary_key else ""
        grid.add_row(column.name + key, column.type, column.field, column.description)
    _out.print(grid)


def _flow(
    name: FlowName, tables: list[str] | None, full: bool, layer: Literal["ods", "edw"]
) -> Callable[[], Awaitable[Any]]:
    # Prefect takes seconds to import: only when a flow is run.
    from flows import console
    from flows.daily_refresh import daily_refresh
    from flows.dbt import dbt
    from flows.netsuite import netsuite
    from flows.s3_usage import s3_usage
    from flows.salesforce import salesforce
    from flows.tableau import tableau
    from flows.zuora import zuora

    console.install()
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


def _print_loads(results: list[LoadResult]) -> None:
    if not results:
        _out.print("Nothing new since the last run.")
        return
    grid = Table("table", "read", "inserted", "updated", "deleted", "unchanged", "quarantined", "window")
    for row in load_rows(results, ()):
        grid.add_row(
            *(
                str(row[name])
                for name in ("table", "read", "inserted", "updated", "deleted", "unchanged", "quarantined", "window")
            )
        )
    _out.print(grid)


def main() -> None:
    """Entry point: a known error is told in words and ends with status 1."""
    try:
        app()
    except MgdwError as error:
        _err.print(f"[bold red]Failed:[/] {error.cause}", highlight=False)
        _err.print(f"What to do: {error.remedy}", highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
