"""Prefect: the API answers, a worker waits, what prefect.yaml deploys is registered and scheduled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx
import yaml
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import WorkerStatus, WorkPool
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings

from connectors.errors import ConfigurationError, SourceUnavailable
from flows.checks import Check, Diagnosis, Status, in_thread
from flows.gcp import credentials_block
from flows.settings import PROJECT, FlowSettings
from flows.sources import aws_block

PREFECT_YAML = PROJECT / "prefect.yaml"


def prefect_checks() -> list[Check]:
    """Nothing but a note where no server is set: then each command starts one of its own."""
    api = get_current_settings().api.url
    if api is None:
        return [Check("prefect", "PREFECT_API_URL", _no_server)]

    async def look() -> Sequence[Diagnosis]:
        try:
            async with get_client() as client:
                version = await client.api_version()
                return [check.ok(f"answers, version {version}"), *await _deployed(client), *await _blocks()]
        except httpx.HTTPError as error:
            raise SourceUnavailable(
                f"Prefect's API gave no answer ({type(error).__name__})",
                remedy="Start the server, or correct PREFECT_API_URL and PREFECT_API_KEY.",
            ) from error

    check = Check("prefect", api, look)
    return [check]


async def _no_server() -> Sequence[Diagnosis]:
    found = "no server is set: `mgdw` starts one for each command, and nothing runs by schedule"
    return [Diagnosis("prefect", "PREFECT_API_URL", Status.NOT_USED, found)]


async def _deployed(client: PrefectClient) -> list[Diagnosis]:
    found: list[Diagnosis] = []
    declared = _declared()
    registered = {d.name: d for d in await client.read_deployments(limit=200)}
    pools = {entry["work_pool"]["name"] for entry in declared} | {d.work_pool_name for d in registered.values()}
    for name in sorted(pool for pool in pools if pool):
        found += await _pool(client, name, [d for d in registered.values() if d.work_pool_name == name])
    missing = [entry["name"] for entry in declared if entry["name"] not in registered]
    if missing:
        remedy = "`mgdw deploy`, or release again (docs/runbooks/deploy.md)."
        found.append(_told("deployments", Status.FAILED, f"not registered: {', '.join(missing)}", remedy))
    both = [(entry, registered[entry["name"]]) for entry in declared if entry["name"] in registered]
    paused = [f"{entry['name']}/{slug}" for entry, there in both for slug in _idle(entry, there)]
    if paused:
        remedy = (
            "Resume them in the UI under Deployments, or `prefect deployment schedule resume`; then `mgdw deploy` "
            "brings back those that are gone, and the parameters that a resumed one has lost."
        )
        found.append(_told("schedules", Status.WARNING, f"paused or gone: {', '.join(paused)}", remedy))
    different = [f"{entry['name']}/{slug}" for entry, there in both for slug in _different(entry, there)]
    if different:
        remedy = (
            "`mgdw deploy` sets them right. Prefect's server forgets a schedule's parameters when it is paused or "
            "resumed: pause the deployment instead."
        )
        said = f"other times or parameters than in prefect.yaml: {', '.join(different)}"
        found.append(_told("schedule parameters", Status.WARNING, said, remedy))
    if not missing and not paused and not different:
        count = sum(len(entry.get("schedules", ())) for entry in declared)
        found.append(
            _told("deployments", Status.OK, f"all {len(declared)} are registered, {count} schedules are active")
        )
    return found


def _declared() -> list[dict[str, Any]]:
    """The deployments of prefect.yaml; none where it is not shipped."""
    return yaml.safe_load(PREFECT_YAML.read_text())["deployments"] if PREFECT_YAML.exists() else []


def _idle(entry: dict[str, Any], deployment: DeploymentResponse) -> list[str]:
    """Schedules of prefect.yaml that would not start anything."""
    active = {s.slug for s in deployment.schedules if s.active and not deployment.paused}
    return [s["slug"] for s in entry.get("schedules", ()) if s["slug"] not in active and s.get("active", True)]


def _different(entry: dict[str, Any], deployment: DeploymentResponse) -> list[str]:
    """Schedules that would start something at another time, or something else, than prefect.yaml says."""
    there = {s.slug: s for s in deployment.schedules if isinstance(s.schedule, CronSchedule)}
    return [
        s["slug"]
        for s in entry.get("schedules", ())
        if (found := there.get(s["slug"]))
        and isinstance(found.schedule, CronSchedule)
        and (found.schedule.cron, found.schedule.timezone, found.parameters)
        != (s["cron"], s["timezone"], s.get("parameters", {}))
    ]


async def _pool(client: PrefectClient, name: str, deployments: list[DeploymentResponse]) -> list[Diagnosis]:
    where = f"work pool {name}"
    try:
        pool = await client.read_work_pool(name)
    except ObjectNotFound:
        remedy = "`mgdw deploy` makes it (on a laptop: --pool-type process)."
        return [_told(where, Status.FAILED, "it is not there: no run starts", remedy)]
    if pool.is_paused:
        return [_told(where, Status.FAILED, "it is paused: no run starts", f"`prefect work-pool resume {name}`.")]
    workers = [w for w in await client.read_workers_for_work_pool(name) if w.status == WorkerStatus.ONLINE]
    if not workers:
        remedy = f"`prefect worker start --pool {name}`, or look at the worker's deployment in Kubernetes."
        return [_told(where, Status.FAILED, "no worker is online: runs stay scheduled", remedy)]
    found = [_told(where, Status.OK, f"{pool.type}, {len(workers)} workers online")]
    return found + _images(pool, deployments)


def _images(pool: WorkPool, deployments: list[DeploymentResponse]) -> list[Diagnosis]:
    """Whether a pool that runs containers knows which."""
    properties = pool.base_job_template.get("variables", {}).get("properties", {})
    if "image" not in properties:
        return []
    without = [d.name for d in deployments if not (d.job_variables.get("image") or properties["image"].get("default"))]
    if not without:
        return []
    remedy = "`mgdw deploy --image …@sha256:…`, or release again (docs/runbooks/deploy.md)."
    found = f"no image for {', '.join(sorted(without))}: Prefect's own would start, which has none of this"
    return [_told(f"work pool {pool.name}", Status.FAILED, found, remedy)]


async def _blocks() -> list[Diagnosis]:
    """The blocks that settings name."""
    settings = FlowSettings.from_environment()
    found: list[Diagnosis] = []
    for kind, name, load in (
        ("gcp-credentials", settings.gcp_credentials_block, credentials_block),
        ("aws-credentials", settings.aws_credentials_block, lambda: aws_block(settings)),
    ):
        if name is None:
            continue
        where = f"block {kind}/{name}"
        try:
            block = await in_thread(load)
        except (ConfigurationError, SourceUnavailable) as error:
            found.append(_told(where, Status.FAILED, error.cause, error.remedy))
            continue
        if block is None:
            found.append(_told(where, Status.NOT_USED, "it is not there: application default credentials are used"))
        else:
            found.append(_told(where, Status.OK, "it is there"))
    return found


def _told(where: str, status: Status, found: str, remedy: str = "") -> Diagnosis:
    return Diagnosis("prefect", where, status, found, remedy)
