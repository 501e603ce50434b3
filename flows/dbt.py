"""dbt builds of ODS and EDW, and what their artifacts say."""

from __future__ import annotations

import asyncio
import functools
import json
import os
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt_common.events.base_types import EventLevel
from prefect import flow
from prefect.artifacts import TableArtifact
from prefect.runtime import flow_run
from prefect_dbt import PrefectDbtRunner, PrefectDbtSettings

from connectors.errors import WarehouseBusy
from connectors.progress import ProgressEvent, emit
from connectors.warehouse.settings import WarehouseSettings, open_warehouse
from flows.alerts import tell_slack
from flows.artifacts import publish
from flows.daemon_thread import in_a_daemon
from flows.failures import Failure, StepFailed
from flows.gcp import key_file
from flows.leases import leased
from flows.lineage import node_name
from flows.parameters import Texts
from flows.report import cost_columns
from flows.settings import FlowSettings
from flows.time_limit import time_limited

Layer = Literal["ods", "edw"]
LAYERS: tuple[Layer, ...] = ("ods", "edw")


@dataclass(frozen=True)
class DbtNode:
    """One node of run_results.json: a model, seed or test, how it ended, and what BigQuery billed for it."""

    unique_id: str
    status: str
    message: str
    seconds: float
    bytes_billed: int = 0
    slot_ms: int = 0

    @property
    def name(self) -> str:
        return self.unique_id.split(".")[2]

    @property
    def failed(self) -> bool:
        return self.status in ("error", "fail", "runtime error")


class DbtFailed(StepFailed):
    """Some nodes failed. `models` names the models that are not to be trusted: failed, or tested and found wrong."""

    def __init__(self, step: str, nodes: Sequence[DbtNode], models: Sequence[str]) -> None:
        self.nodes = tuple(nodes)
        self.models = tuple(models)
        failed = [n for n in nodes if n.failed]
        remedy = "Read the node's message in the run's log, correct the model or the data, and run the flow again."
        super().__init__(
            step,
            [Failure(step, n.name, " ".join(n.message.split())[:300] or n.status, remedy) for n in failed],
            [n.name for n in nodes if n.status == "skipped" and n.unique_id.startswith("model.")],
        )


def _run_name() -> str:
    return f"dbt {flow_run.parameters.get('layer')}"


@flow(name="dbt", flow_run_name=_run_name, on_failure=[tell_slack], on_crashed=[tell_slack])
@time_limited
async def dbt(layer: Layer = "ods", exclude: Texts = (), tests: bool = True) -> list[DbtNode]:
    """Build one layer of the warehouse with its tests.

    Args:
        layer: Either ods (staging views, brand rule, ODS) or edw (EDW and the marts).
        exclude: What to leave out, as dbt selectors, for example source:zuora.zuora_invoice+.
        tests: Off builds without testing the data, where it is a piece of the whole.

    Raises:
        DbtFailed: when a model or a test failed; what does not depend on it is built.
        StepFailed: when dbt could not start (a project that does not parse, a warehouse in use); nothing is built.
    """
    async with leased("dbt") as lease:
        try:
            return await _build(layer, exclude, tests=tests)
        except asyncio.CancelledError:
            # dbt cannot be stopped: it builds until this process has ended. In DuckDB the file keeps others out.
            lease.runs_out = WarehouseSettings.from_environment().warehouse == "bigquery"
            raise


async def _build(layer: Layer, exclude: Sequence[str] | None, *, tests: bool) -> list[DbtNode]:
    settings = FlowSettings.from_environment()
    results = settings.dbt_target_path / "run_results.json"
    results.unlink(missing_ok=True)  # those of an earlier build would pass for this one's
    # `--selector` would make dbt ignore `--exclude`: this says the same as the selector of the layer's name.
    arguments = ["build", "--select", f"tag:{layer}", "--indirect-selection", "buildable"]
    arguments += ["--target", settings.target, "--no-use-colors"]
    # Of two options of this name dbt takes the last one alone.
    arguments += ["--exclude-resource-type", "unit_test", *(() if tests else ("test",))]
    if exclude:
        arguments += ["--exclude", *exclude]
    emit(ProgressEvent("dbt", layer, "loading"))
    # A thread without the run's context: prefect-dbt would make each of some 240 nodes and tests a task run of its own,
    # which takes three times as long as dbt itself. The artifact below shows every node.
    try:
        await _wait_for_file(layer)
        await in_a_daemon(functools.partial(_invoke, settings, arguments, flow_run.id or "local"))
    except ValueError as error:
        raise _did_not_run(layer, error) from error
    nodes = read_run_results(results)
    failed = [n for n in nodes if n.failed]
    note = counts_text(nodes)
    emit(ProgressEvent("dbt", layer, "failed" if failed else "loaded", note=note))
    rows = [
        {"node": n.name, "status": n.status, "seconds": round(n.seconds, 2), **cost_columns(nodes, n),
         "message": n.message}
        for n in sorted(nodes, key=lambda n: not n.failed)
    ]  # fmt: skip
    await publish(TableArtifact(key=f"dbt-{layer}", table=rows, description=f"dbt build of {layer}: {note}"))
    if failed:
        manifest = json.loads((settings.dbt_target_path / "manifest.json").read_text())
        raise DbtFailed(f"dbt-{layer}", nodes, untrusted_models(nodes, manifest))
    return nodes


async def _wait_for_file(layer: Layer) -> None:
    """Until no other process (a source's load) holds the DuckDB file: dbt itself waits a moment only."""
    warehouse = WarehouseSettings.from_environment()
    if warehouse.warehouse != "duckdb":
        return
    try:
        async with open_warehouse(warehouse):
            pass
    except WarehouseBusy as error:
        step = f"dbt-{layer}"
        emit(ProgressEvent("dbt", layer, "failed", note=error.cause))
        raise StepFailed(step, [Failure.of(step, "", error)], [f"all that {step} builds"]) from error


def _did_not_run(layer: Layer, error: ValueError) -> StepFailed:
    """What prefect-dbt raises when dbt ended before its first node, in words."""
    cause = " ".join(str(error.__cause__ or error).split("':", 1)[-1].split())[:300]
    remedy = "Correct what dbt names, check with `dbt parse --project-dir dbt`, and run the flow again."
    emit(ProgressEvent("dbt", layer, "failed", note=cause))
    step = f"dbt-{layer}"
    return StepFailed(step, [Failure(step, "", f"dbt did not run: {cause}", remedy)], [f"all that {step} builds"])


def _invoke(settings: FlowSettings, arguments: list[str], run: str) -> None:
    with profile_environment(settings, run) as variables, environment(variables):
        try:
            runner(settings).invoke(arguments)
        finally:
            if settings.target == "local":
                # dbt-duckdb holds the file open for as long as the process lives; the next step needs it.
                DuckDBConnectionManager.close_all_connections()


@contextmanager
def profile_environment(settings: FlowSettings, run: str) -> Generator[dict[str, str]]:
    """What profiles.yml reads beyond what the environment has, while dbt runs.

    The profile knows neither our defaults nor the folder a relative path starts from.

    Args:
        run: label of the BigQuery jobs.
    """
    with key_file() as key:
        yield {
            "MGDW_DUCKDB_PATH": str(WarehouseSettings.from_environment().duckdb_path.absolute()),
            "MGDW_DBT_MAXIMUM_BYTES_BILLED": str(settings.dbt_maximum_bytes_billed),
            "MGDW_RUN_ID": run,
            **key,
        }


@contextmanager
def environment(variables: dict[str, str]) -> Generator[None]:
    """Environment variables that are set while the block runs."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def runner(settings: FlowSettings) -> PrefectDbtRunner:
    """dbt in this process, profiles resolved by Prefect. Failures are read from the artifacts, not raised."""
    return PrefectDbtRunner(
        settings=PrefectDbtSettings(
            project_dir=settings.dbt_project_dir,
            profiles_dir=settings.dbt_project_dir,
            target_path=settings.dbt_target_path,
            log_level=EventLevel.ERROR,
        ),
        raise_on_failure=False,
        disable_assets=True,
    )


def read_run_results(path: Path) -> list[DbtNode]:
    """The nodes of a dbt invocation, in run order."""
    return [
        DbtNode(
            unique_id=node["unique_id"],
            status=node["status"],
            message=node.get("message") or "",
            seconds=node["execution_time"],
            bytes_billed=int((node.get("adapter_response") or {}).get("bytes_billed") or 0),
            slot_ms=int((node.get("adapter_response") or {}).get("slot_ms") or 0),
        )
        for node in json.loads(path.read_text())["results"]
    ]


def status_counts(nodes: Sequence[DbtNode]) -> dict[str, int]:
    """How many nodes ended how: `{'success': 40, 'pass': 120}`."""
    return dict(Counter(n.status for n in nodes))


def counts_text(nodes: Sequence[DbtNode]) -> str:
    """`91 pass, 56 success, 1 warn`."""
    return ", ".join(f"{count} {status}" for status, count in sorted(status_counts(nodes).items()))


def untrusted_models(nodes: Sequence[DbtNode], manifest: dict[str, Any]) -> list[str]:
    """Models that failed, and what a failed test looks at: models by name, source tables as `<source>.<table>`."""
    names: dict[str, None] = {}
    for node in nodes:
        if not node.failed:
            continue
        if node.unique_id.startswith("test."):
            parents = manifest["parent_map"].get(node.unique_id, [])
            # A test of a model may look at source tables too, to compare: then it speaks of the model.
            tested = [p for p in parents if p.startswith("model.")] or [p for p in parents if p.startswith("source.")]
            names.update({node_name(p): None for p in tested})
        else:
            names[node.name] = None
    return list(names)
