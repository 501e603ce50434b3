"""A Prefect server brought to what prefect.yaml says: work pool, deployments, automations."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import (
    DeploymentScheduleCreate,
    DeploymentUpdate,
    WorkPoolCreate,
    WorkPoolUpdate,
)
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.client.schemas.objects import ConcurrencyOptions
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker

from connectors.errors import ConfigurationError
from flows.automation_file import read_automations
from flows.automations import Applied, apply
from flows.children import QUEUE
from flows.deploy_check import TEMPLATE, AnyFlow, checked, read_template
from flows.deploy_file import POOL, PREFECT_YAML, TAG, Deployment, filled_in
from flows.prefect_server import prefect_server
from flows.settings import FlowSettings

PoolType = Literal["kubernetes", "process"]

IMAGE_HOME = "/app"
"""Where the image has the project (deployments/Dockerfile)."""
RETIRED = "retired"
"""The tag of a deployment that was in the file once."""

_DIGEST = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Change:
    """What became of one thing on the server; `note` says which of its fields, or what a person should know."""

    kind: Literal["work pool", "work queue", "deployment"]
    name: str
    what: Literal["made", "changed", "unchanged", "retired"]
    note: str = ""


async def deploy(
    *,
    pool_type: PoolType = "kubernetes",
    image: str | None = None,
    release: str | None = None,
    path: Path = PREFECT_YAML,
    template: Path = TEMPLATE,
) -> list[Change | Applied]:
    """Create or update work pool, deployments and automations; retire the deployments that the file no longer has.

    Nothing is sent before all files were checked. What somebody paused stays paused, and a deployment that is not in
    the file any more is paused, not deleted: its runs and their history stay. Automations are written where they tell
    of failures (MGDW_ALERTS=automations): beside the flows' own messages each failure would be told twice.

    Args:
        pool_type: `kubernetes`, or `process` for runs that are processes of this machine.
        image: by digest, `…@sha256:…`; runs of a Kubernetes pool start it. Not used by a process pool.
        release: what the deployments call their version: the commit.

    Raises:
        DeploymentFileError, AutomationFileError: a file is wrong; every problem is named.
        ConfigurationError: no server is set, the image is missing, or the server refuses something.
        SourceUnavailable: the server gives no answer.
    """
    if pool_type == "kubernetes" and not (image and _DIGEST.fullmatch(image)):
        raise ConfigurationError(
            f"{image!r} is not an image by digest" if image else "no image is given, and runs in Kubernetes need one",
            remedy="Give it as name@sha256:…: a digest means the same tomorrow, a tag need not. (On a laptop: "
            "--pool-type process.)",
        )
    file, flows = checked(path, template)
    automations = read_automations() if FlowSettings.from_environment().alerts == "automations" else None
    base = read_template(template) if pool_type == "kubernetes" else ProcessWorker.get_default_base_job_template()
    values = {
        "MGDW_HOME": os.environ.get("MGDW_HOME") or (IMAGE_HOME if pool_type == "kubernetes" else str(path.parent)),
        "MGDW_IMAGE": image or "",
    }
    async with prefect_server() as client:
        changes: list[Change | Applied] = [await _pool(client, pool_type, base), await _queue(client)]
        known = set(base["variables"]["properties"])
        for deployment in file.deployments:
            flow = flows[deployment.name]
            wanted = Wanted.of(deployment, flow, pull=file.pull, release=release, known=known, values=values)
            changes.append(await _deployment(client, wanted))
        changes += await _retired(client, {(flows[d.name].name, d.name) for d in file.deployments})
    return changes if automations is None else changes + await apply(automations)


@dataclass(frozen=True)
class Wanted:
    """A deployment as the server shall have it. `fields` are those that are compared and sent."""

    flow: str
    name: str
    fields: dict[str, Any]
    schedules: dict[str, tuple[str, str, dict[str, Any]]]
    """Cron, zone and parameters by slug."""

    @classmethod
    def of(
        cls,
        deployment: Deployment,
        flow: AnyFlow,
        *,
        pull: list[dict[str, dict[str, Any]]],
        release: str | None,
        known: set[str],
        values: dict[str, str],
    ) -> Wanted:
        """From the file. `known` are the job variables of the pool, `values` those of the placeholders."""
        variables = {k: v for k, v in deployment.work_pool.job_variables.items() if k in known}
        limit = deployment.concurrency_limit
        options = limit.model_dump(exclude={"limit"}) if limit else None
        return cls(
            flow=flow.name,
            name=deployment.name,
            fields={
                "version": release,
                "description": deployment.description,
                "tags": deployment.tags,
                "entrypoint": deployment.entrypoint,
                "parameters": deployment.parameters,
                "parameter_openapi_schema": flow.parameters.model_dump_for_openapi(),
                "job_variables": filled_in(variables, values),
                "pull_steps": filled_in(pull, values),
                "work_pool_name": deployment.work_pool.name,
                "concurrency_limit": limit.limit if limit else None,
                "concurrency_options": options,
                "enforce_parameter_schema": True,
            },
            schedules={s.slug: (s.cron, s.timezone, s.parameters) for s in deployment.schedules},
        )

    def differences(self, found: DeploymentResponse) -> list[str]:
        """Names of the fields that differ on the server."""
        there = found.model_dump(mode="json", include=set(self.fields))
        limit = found.global_concurrency_limit
        there["concurrency_limit"] = limit.limit if limit else None
        there["concurrency_options"] = (
            found.concurrency_options.model_dump(mode="json") if found.concurrency_options else None
        )
        differing = [name for name, value in self.fields.items() if there.get(name) != value]
        schedules = {
            s.slug: (s.schedule.cron, s.schedule.timezone, s.parameters)
            for s in found.schedules
            if isinstance(s.schedule, CronSchedule)
        }
        return differing + ["schedules"] * (schedules != self.schedules or len(schedules) != len(found.schedules))


async def _pool(client: PrefectClient, pool_type: PoolType, base: dict[str, Any]) -> Change:
    try:
        found = await client.read_work_pool(POOL)
    except ObjectNotFound:
        await client.create_work_pool(WorkPoolCreate(name=POOL, type=pool_type, base_job_template=base))
        return Change("work pool", POOL, "made", pool_type)
    if found.type != pool_type:
        raise ConfigurationError(
            f"the work pool {POOL} is of type {found.type}, not {pool_type}; a pool's type cannot be changed",
            remedy=f"Say --pool-type {found.type}; if it shall be the other, `prefect work-pool delete {POOL}` first.",
        )
    note = "it is paused: no run starts" if found.is_paused else ""
    if found.base_job_template == base:
        return Change("work pool", POOL, "unchanged", note)
    await client.update_work_pool(POOL, WorkPoolUpdate(base_job_template=base))
    return Change("work pool", POOL, "changed", "; ".join(["base job template", *([note] if note else [])]))


async def _queue(client: PrefectClient) -> Change:
    """The children's queue, made beforehand: of two children that would each make it the server refuses one."""
    try:
        await client.read_work_queue_by_name(QUEUE, work_pool_name=POOL)
    except ObjectNotFound:
        await client.create_work_queue(QUEUE, work_pool_name=POOL)
        return Change("work queue", QUEUE, "made")
    return Change("work queue", QUEUE, "unchanged")


async def _deployment(client: PrefectClient, wanted: Wanted) -> Change:
    full_name = f"{wanted.flow}/{wanted.name}"
    try:
        found = await client.read_deployment_by_name(full_name)
    except ObjectNotFound:
        found = None
    idle = {s.slug for s in found.schedules if not s.active} if found else set[str | None]()
    paused = [slug for slug in wanted.schedules if slug in idle]
    notes = [f"schedule {slug} stays paused" for slug in paused]
    differences = wanted.differences(found) if found else []
    back = found is not None and RETIRED in found.tags
    if found and found.paused and not back:
        notes.append("it stays paused")
    if found and not differences:
        return Change("deployment", full_name, "unchanged", "; ".join(notes))
    fields = dict(wanted.fields)
    if options := fields["concurrency_options"]:
        fields["concurrency_options"] = ConcurrencyOptions.model_validate(options)
    await client.create_deployment(
        flow_id=await client.create_flow_from_name(wanted.flow),
        name=wanted.name,
        schedules=[
            DeploymentScheduleCreate(
                slug=slug,
                schedule=CronSchedule(cron=cron, timezone=timezone),
                parameters=parameters,
                active=slug not in paused,
            )
            for slug, (cron, timezone, parameters) in wanted.schedules.items()
        ],
        paused=False if back else None,
        **fields,
    )
    if found is None:
        return Change("deployment", full_name, "made")
    return Change("deployment", full_name, "changed", "; ".join([", ".join(differences), *notes]))


async def _retired(client: PrefectClient, current: set[tuple[str, str]]) -> list[Change]:
    """Take those of ours out of use that the file does not have."""
    ours = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
    changes: list[Change] = []
    for found in await client.read_deployments(deployment_filter=ours, limit=200):
        flow = (await client.read_flow(found.flow_id)).name
        if (flow, found.name) in current or RETIRED in found.tags:
            continue
        await client.update_deployment(found.id, DeploymentUpdate(paused=True, tags=[*found.tags, RETIRED]))
        note = "not in prefect.yaml: its schedules stopped; `prefect deployment delete` removes it"
        changes.append(Change("deployment", f"{flow}/{found.name}", "retired", note))
    return changes
