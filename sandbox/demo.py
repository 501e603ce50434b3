"""`make demo`: two business days of the whole program on this machine, and what came of them."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from connectors.errors import MgdwError
from connectors.progress import subscribed
from sandbox.demo_screen import DemoScreen
from sandbox.prefect_server import PrefectServer
from sandbox.sandbox import Sandbox

if TYPE_CHECKING:
    from flows.daily_refresh import DailySummary
    from sandbox.model.journal import Books

ROOT = Path(__file__).resolve().parent.parent
_WIDTH = 110
"""Columns that the tables need; a narrower terminal wraps them."""
MEASURES = ("arr", "bookings", "invoiced", "collected")
COMMERCIAL = ("Campaign Monitor", "Emma")


def main() -> int:
    """Run the demo. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=ROOT / ".demo", help="folder for everything the demo writes")
    parser.add_argument("--scale", type=float, default=1.0, help="1.0 is about 50,000 rows")
    parser.add_argument("--days", type=int, default=2, help="business days to run")
    options = parser.parse_args()
    console = Console(highlight=False, soft_wrap=True)
    console = Console(highlight=False, soft_wrap=True, width=max(console.width, _WIDTH))
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _demo(options.home.resolve(), options.scale, options.days, console)
    except KeyboardInterrupt:
        console.print("\n[yellow]Stopped.[/] Nothing is left running; `make demo` starts over.")
        return 130
    except MgdwError as error:
        console.print(f"\n[bold red]The demo failed:[/] {error.cause}\nWhat to do: {error.remedy}")
        return 1


def _demo(home: Path, scale: float, days: int, console: Console) -> int:
    started = time.monotonic()
    shutil.rmtree(home, ignore_errors=True)
    with contextlib.ExitStack() as stack:
        prefect = PrefectServer(home / "prefect")
        prefect.start()
        console.print("Starting the outside world (Salesforce, NetSuite, Zuora, S3, Tableau, Slack) and Prefect ...")
        sandbox = stack.enter_context(Sandbox(scale=scale))
        os.environ.update(_environment(home, sandbox, prefect))
        prefect.wait()
        console.print(f"Ready after {time.monotonic() - started:.0f} s. Everything listens on 127.0.0.1 only.\n")
        equal = True
        for number in range(1, days + 1):
            summary = _day(number, sandbox, console)
            console.print(_loads(number, summary))
            equal &= _headline(sandbox, home, console)
            console.print()
        _docs(home)
        _where(home, prefect, console)
    console.print(f"\nDone in {time.monotonic() - started:.0f} s.")
    return 0 if equal else 1


def _environment(home: Path, sandbox: Sandbox, prefect: PrefectServer) -> dict[str, str]:
    return {
        **sandbox.environment(),
        **prefect.environment(),
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "1",
        "MGDW_WAREHOUSE": "duckdb",
        "MGDW_DUCKDB_PATH": str(home / "mgdw.duckdb"),
        "MGDW_LAKE": str(home / "lake"),
        "MGDW_HYPER_DIR": str(home / "hyper"),
        "MGDW_DBT_TARGET": "local",
        "MGDW_DBT_TARGET_PATH": str(home / "dbt"),
        "MGDW_TABLEAU_POLL_SECONDS": "0.2",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }


def _day(number: int, sandbox: Sandbox, console: Console) -> DailySummary:
    """One business day. Prefect reads its settings when it is imported, hence the late import."""
    from flows.daily_refresh import daily_refresh

    if number > 1:
        sandbox.advance(1)
    mode = "full" if number == 1 else "incremental"
    console.print(
        f"[bold]Day {number}[/] · business time {sandbox.world.now:%Y-%m-%d %H:%M} UTC · daily-refresh, {mode}"
    )
    with DemoScreen(console) as screen, subscribed(screen.on_event):
        return asyncio.run(daily_refresh(full=number == 1))


def _loads(number: int, summary: DailySummary) -> Table:
    from flows.report import load_rows

    numbers = ("read", "inserted", "updated", "deleted", "quarantined")
    grid = _grid(f"Day {number}: what was loaded", "table")
    for name in numbers:
        grid.add_column(name if name != "read" else "rows read", justify="right")
    grid.add_column("window (UTC)")
    rows = load_rows(summary.loads, ())
    for row in rows:
        grid.add_row(row["table"], *(f"{row[name]:,}" for name in numbers), row["window"])
    grid.add_row("[bold]all[/]", *(f"{sum(row[name] for row in rows):,}" for name in numbers), "")
    return grid


def _grid(title: str, *columns: str) -> Table:
    return Table(*columns, title=f"\n[bold]{title}[/]", title_justify="left", title_style="", box=None, padding=(0, 1))


def _headline(sandbox: Sandbox, home: Path, console: Console) -> bool:
    """Compare every month of the executive mart with the business's own books, and print the newest one."""
    books = sandbox.world.books()
    month = books.as_of.replace(day=1)
    mart = _executive(home / "mgdw.duckdb")
    own = {key: value for key, value in _in_rows(books).items() if any(value)}
    grid = _grid(f"The executive mart's headline, {month:%B %Y}", "brand", "")
    for measure in MEASURES:
        grid.add_column(measure, justify="right")
    for (brand, of, currency), values in sorted(mart.items()):
        if of == month:
            grid.add_row(brand, currency, *(f"{value:,.2f}" for value in values))
    console.print(grid)
    wrong = sorted(key for key in mart.keys() | own.keys() if mart.get(key) != own.get(key))
    months = len({of for _, of, _ in mart})
    if wrong:
        console.print(f" [red]{len(wrong)} lines differ from the business's own books[/], the first: {wrong[0]}")
    else:
        console.print(
            f" [green]All {len(mart):,} lines of {months} months equal the business's own books to the cent.[/]"
        )
    return not wrong


def _in_rows(books: Books) -> dict[tuple[str, date, str], tuple[Decimal, ...]]:
    keys = {key for measure in MEASURES for key in getattr(books, measure) if key[0] in COMMERCIAL}
    return {key: tuple(Decimal(getattr(books, m).get(key, 0)) for m in MEASURES) for key in keys}


def _executive(path: Path) -> dict[tuple[str, date, str], tuple[Decimal, ...]]:
    import duckdb

    query = f"SELECT brand, month_start, currency, {', '.join(MEASURES)} FROM EDW.mart_executive"
    with duckdb.connect(str(path), read_only=True) as connection:
        rows = connection.execute(query).fetchall()
    found = {(brand, of, currency): tuple(Decimal(v or 0) for v in values) for brand, of, currency, *values in rows}
    return {key: values for key, values in found.items() if any(values)}


def _docs(home: Path) -> None:
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    arguments = [
        "docs",
        "generate",
        "--static",
        "--quiet",
        "--project-dir",
        str(ROOT / "dbt"),
        "--profiles-dir",
        str(ROOT / "dbt"),
    ]
    dbtRunner().invoke([*arguments, "--target-path", str(home / "dbt")])
    DuckDBConnectionManager.close_all_connections()


def _where(home: Path, prefect: PrefectServer, console: Console) -> None:
    def shown(path: Path) -> str:
        return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)

    grid = Table.grid(padding=(0, 2))
    for label, value in (
        ("Warehouse", f"{shown(home / 'mgdw.duckdb')}  (DuckDB: STG, ODS, EDW)"),
        ("Lake", f"{shown(home / 'lake')}  (raw pages and manifests, one folder per batch)"),
        ("Tableau", f"{shown(home / 'hyper')}/*.hyper  (one per mart; open them in Tableau)"),
        ("dbt docs", f"{shown(home / 'dbt' / 'static_index.html')}  (open in a browser)"),
        ("Prefect UI", "`make ui`, then http://127.0.0.1:4200/runs  (these very runs)"),
    ):
        grid.add_row(f"  [bold]{label}[/]", value)
    console.print("\nWhere things are")
    console.print(grid)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
