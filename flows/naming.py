"""Names of flow runs, from the run's own parameters. Until it starts, a run of a deployment has a name of Prefect's."""

from __future__ import annotations

from collections.abc import Sequence

from prefect.runtime import flow_run

_MOST_NAMES = 3
"""Tables named in a run's name; more are counted."""


def run_name() -> str:
    """`salesforce incremental`, `salesforce full`, with the tables where not all: `zuora full: zuora_invoice`."""
    mode = "full" if flow_run.parameters.get("full") else "incremental"
    return _with(
        f"{flow_run.flow_name} {mode}", flow_run.parameters.get("tables") or flow_run.parameters.get("sources")
    )


def tables_name() -> str:
    """`replay`, or `replay: sfdc_account`; sources where no tables are named."""
    given = flow_run.parameters
    return _with(str(flow_run.flow_name), given.get("tables") or given.get("sources"))


def window_name() -> str:
    """`backfill sfdc_account 2026-01-01 → 2026-03-31`, the second day not included."""
    given = flow_run.parameters
    return f"{flow_run.flow_name} {given.get('table')} {given.get('start')} → {given.get('end') or 'now'}"


def action_name() -> str:
    """`quarantine list`, or `quarantine show sfdc_account`."""
    given = flow_run.parameters
    return " ".join(str(word) for word in (flow_run.flow_name, given.get("action"), given.get("table")) if word)


def _with(name: str, parts: Sequence[str] | None) -> str:
    if not parts:
        return name
    listed = ", ".join(parts) if len(parts) <= _MOST_NAMES else f"{len(parts)} of them"
    return f"{name}: {listed}"
