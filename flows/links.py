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
    """Markdown: for each table of a source where its rows and its raw data are; links where there is a console.

    A path as long as these would run over the page's side in every row: so it is said once.
    """
    settings = WarehouseSettings.from_environment()
    raw = f"{settings.lake.rstrip('/')}/raw/{source}"
    file = f"schema `STG` of `{settings.duckdb_path}`"
    rows = file if settings.warehouse == "duckdb" else f"BigQuery's dataset `{settings.stg_dataset}`"
    lines = [f"- Rows: {rows}", f"- Raw data: `{raw}`, a folder a table", ""]
    linked = {name: [*_in_bigquery(settings, name), *_in_storage(raw, name)] for name in tables}
    return "\n".join([*lines, *(f"- {name}: {', '.join(links)}" for name, links in linked.items() if links)])


def daily_links(settings: FlowSettings, data_sources: Iterable[str] = ()) -> list[str]:
    """Markdown links: the data sources that were refreshed, the marts in the console, dbt's docs; those there are."""
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


def failure_page(failures: Mapping[str, Exception], runbook: Path = RUNBOOK) -> str:
    """Markdown: what broke and what to do, and below it the runbook on each kind of error, where it is at hand.

    Args:
        failures: by table.
    """
    kinds: dict[str, list[str]] = {}
    for table, error in failures.items():
        kinds.setdefault(type(error).__name__, []).append(table)
    lines: list[str] = []
    for kind, tables in kinds.items():
        lines += [f"### {kind}: {', '.join(tables)}", ""]
        told = dict.fromkeys(str(failures[table]) for table in tables)
        lines += ["> " + "\n>\n> ".join(line.strip() for line in text.splitlines()) + "\n" for text in told]
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


def _in_bigquery(settings: WarehouseSettings, table: str) -> list[str]:
    if settings.warehouse == "duckdb":
        return []
    query = {"p": GoogleSettings.from_environment().project, "d": settings.stg_dataset, "t": table, "page": "table"}
    return [f"[rows]({_CONSOLE}/bigquery?{urlencode(query)})"]


def _in_storage(raw: str, table: str) -> list[str]:
    if not raw.startswith("gs://"):
        return []
    return [f"[raw data]({_CONSOLE}/storage/browser/{raw.removeprefix('gs://')}/{table})"]
