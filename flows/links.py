"""Where people look next: addresses of tables, raw data and data sources, and the runbook's own words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

from connectors.google import GoogleSettings
from connectors.tableau.settings import TableauSettings
from connectors.warehouse.settings import WarehouseSettings
from flows.settings import PROJECT, FlowSettings

RUNBOOK = PROJECT / "docs" / "runbooks" / "failures.md"
_CONSOLE = "https://console.cloud.google.com"


def load_links(source: str, tables: Iterable[str]) -> str:
    """Markdown: for each table of a source where its rows and its raw data are."""
    settings = WarehouseSettings.from_environment()
    lines = ["| table | in the warehouse | raw data |", "|---|---|---|"]
    lines += [f"| {name} | {_stg(settings, name)} | {_raw(settings.lake, source, name)} |" for name in tables]
    return "\n".join(lines)


def daily_links(settings: FlowSettings, data_sources: Iterable[str] = ()) -> list[str]:
    """Markdown lines: the data sources that were refreshed, the marts in the console, dbt's docs; those there are."""
    lines: list[str] = []
    tableau = TableauSettings.from_environment()
    if tableau.server_url is not None:
        site = f"/site/{quote(tableau.site)}" if tableau.site else ""
        page = f"{tableau.server_url.rstrip('/')}/#{site}/datasources"
        lines += [f"[{name} in Tableau]({page}?{urlencode({'search': name})})" for name in data_sources]
    if WarehouseSettings.from_environment().warehouse == "bigquery":
        query = {"p": GoogleSettings.from_environment().project, "d": settings.mart_dataset, "page": "dataset"}
        lines.append(f"[The marts in BigQuery]({_CONSOLE}/bigquery?{urlencode(query)})")
    if settings.dbt_docs_url is not None:
        lines.append(f"[What each model means: dbt's docs]({settings.dbt_docs_url})")
    return lines


def failure_page(step: str, failures: Mapping[str, Exception], runbook: Path = RUNBOOK) -> str:
    """Markdown: what broke and what to do, and below it the runbook on each kind of error, where it is at hand.

    Args:
        failures: by table.
    """
    kinds: dict[str, list[str]] = {}
    for table, error in failures.items():
        kinds.setdefault(type(error).__name__, []).append(table)
    lines = [f"# {step}: what failed, and what to do", ""]
    for kind, tables in kinds.items():
        lines += [f"## {kind}: {', '.join(tables)}", ""]
        told = dict.fromkeys(str(failures[table]) for table in tables)
        lines += [f"> {text.replace(chr(10), chr(10) + '> ')}\n" for text in told]
        lines += [section(kind, runbook), ""]
    return "\n".join(lines)


def section(kind: str, runbook: Path = RUNBOOK) -> str:
    """What the runbook says about one kind of error; where to find it when the page is not here."""
    try:
        parts = runbook.read_text().split("\n### ")[1:]
    except OSError:
        return f"See docs/runbooks/failures.md, {kind}."
    found = next((part for part in parts if part.partition("\n")[0] == kind), None)
    if found is None:
        return section("InternalError", runbook)
    return found.partition("\n")[2].partition("\n## ")[0].strip()


def _stg(settings: WarehouseSettings, table: str) -> str:
    if settings.warehouse == "duckdb":
        return f"`STG.{table}` in {settings.duckdb_path}"
    query = {"p": GoogleSettings.from_environment().project, "d": settings.stg_dataset, "t": table, "page": "table"}
    return f"[{settings.stg_dataset}.{table}]({_CONSOLE}/bigquery?{urlencode(query)})"


def _raw(lake: str, source: str, table: str) -> str:
    folder = f"{lake.rstrip('/')}/raw/{source}/{table}"
    if not lake.startswith("gs://"):
        return f"`{folder}`"
    return f"[{folder}]({_CONSOLE}/storage/browser/{folder.removeprefix('gs://')})"
