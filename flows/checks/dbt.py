"""dbt: the project parses, and the target of its profile is there."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import Sequence

from connectors.errors import ConfigurationError
from flows.checks import Check, Diagnosis
from flows.dbt import profile_environment
from flows.settings import FlowSettings

_MAIN = "from dbt.cli.main import cli; cli()"


def dbt_check() -> Check:
    """`dbt parse`, and on BigQuery `dbt debug`: a DuckDB file is looked at as the warehouse, one process at a time."""

    async def look() -> Sequence[Diagnosis]:
        settings = FlowSettings.from_environment()
        target = settings.target
        with (
            tempfile.TemporaryDirectory(prefix="mgdw-doctor-") as scratch,
            profile_environment(settings, "doctor") as own,
        ):
            environment = {**os.environ, **own, "DBT_TARGET_PATH": scratch, "DBT_LOG_PATH": scratch}
            await _dbt("parse", settings, environment)
            found = f"the project parses for target {target}"
            if target != "local":
                await _dbt("debug", settings, environment)
                found += ", whose connection works"
        return [check.ok(found, f"{settings.dbt_project_dir} {target}")]

    check = Check("dbt", "dbt", look, seconds=180)
    return check


async def _dbt(command: str, settings: FlowSettings, environment: dict[str, str]) -> None:
    """Run dbt in a process of its own: inside this one it would keep adapters and files open."""
    folder = str(settings.dbt_project_dir)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _MAIN, "--no-use-colors", command, "--target", settings.target, "--project-dir", folder,
        "--profiles-dir", folder,
        env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        said, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise ConfigurationError(
            f"dbt {command}: {first_error(said.decode(errors='replace'))}",
            remedy=f"Correct what dbt names; `dbt {command} --project-dir dbt --profiles-dir dbt --target "
            f"{settings.target}` shows all of it.",
        )


def first_error(said: str) -> str:
    """What dbt complains about, of all that it printed, in one line."""
    lines = [re.sub(r"^\d\d:\d\d:\d\d\s+", "", line).strip() for line in said.splitlines()]
    start = next((n for n, line in enumerate(lines) if re.search(r"error|ERROR|Error", line)), 0)
    return " ".join(" ".join(lines[start : start + 6]).split())[:300] or "it ended without a word"
