"""dbt's manifest.json: what is built from what, also in a process that did not run dbt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from connectors.errors import ConfigurationError
from flows.settings import FlowSettings


def manifest_path(settings: FlowSettings) -> Path:
    """Where it lies: as MGDW_DBT_MANIFEST says, else where dbt last wrote it."""
    return settings.dbt_manifest or settings.dbt_target_path / "manifest.json"


def read_manifest(settings: FlowSettings) -> dict[str, Any]:
    """The manifest. Raises ConfigurationError when there is none."""
    path = manifest_path(settings)
    if not path.is_file():
        if settings.dbt_manifest:
            raise ConfigurationError(
                f"there is no {path}, which MGDW_DBT_MANIFEST names",
                remedy="`dbt parse --project-dir dbt --profiles-dir dbt` makes it, as the image's build does; or unset "
                "the variable.",
            )
        raise ConfigurationError(
            f"there is no {path}: dbt has built nothing yet",
            remedy="Run the flow `daily-refresh`, or `dbt` with both layers, before this one.",
        )
    return json.loads(path.read_text())
