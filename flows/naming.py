"""Names of flow runs in the UI."""

from __future__ import annotations

from prefect.runtime import flow_run


def run_name() -> str:
    """`salesforce incremental`, or `salesforce full`, from the run's own parameters."""
    mode = "full" if flow_run.parameters.get("full") else "incremental"
    return f"{flow_run.flow_name} {mode}"
