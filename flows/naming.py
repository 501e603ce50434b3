"""Names of flow runs in the UI."""

from __future__ import annotations

from prefect.runtime import flow_run


def run_name() -> str:
    """`salesforce incremental`, `salesforce full`, or `reconcile`, from the run's own parameters."""
    if "full" not in flow_run.parameters:
        return str(flow_run.flow_name)
    mode = "full" if flow_run.parameters["full"] else "incremental"
    return f"{flow_run.flow_name} {mode}"
