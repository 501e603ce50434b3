"""What prefect.yaml says against what is there: the flows' code, the zones and cron, the pool's job variables."""

from __future__ import annotations

import difflib
import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from prefect import Flow
from prefect.client.schemas.schedules import CronSchedule
from prefect.utilities.schema_tools.validation import validate
from pydantic import ValidationError

from connectors.errors import ConfigurationError
from flows.deploy_file import PREFECT_YAML, Deployment, DeploymentFile, DeploymentFileError, read_file
from flows.settings import PROJECT

TEMPLATE = PROJECT / "k8s" / "work-pool" / "base-job-template.json"
"""What a Job of the work pool looks like in Kubernetes; its `variables` are what a deployment may set."""

AnyFlow = Flow[..., Any]


def checked(path: Path = PREFECT_YAML, template: Path = TEMPLATE) -> tuple[DeploymentFile, dict[str, AnyFlow]]:
    """The file and its flows by deployment. Raises DeploymentFileError with everything that is wrong with it."""
    file = read_file(path)
    variables = read_template(template)["variables"]
    problems: list[str] = []
    flows: dict[str, AnyFlow] = {}
    for deployment in file.deployments:
        found = [*_schedules(deployment), *_job_variables(deployment, variables, template.name)]
        flow = _flow(deployment.entrypoint)
        if isinstance(flow, str):
            found.insert(0, f"entrypoint: {flow}")
        else:
            flows[deployment.name] = flow
            found += _parameters(deployment, flow)
        problems += [f"{path.name}: {deployment.name}.{problem}" for problem in found]
    if problems:
        raise DeploymentFileError(problems)
    return file, flows


def read_template(path: Path = TEMPLATE) -> dict[str, Any]:
    """The base job template. Raises ConfigurationError."""
    try:
        content: Any = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{path} is not readable as a base job template ({type(error).__name__})",
            remedy="It belongs to the checkout and to the image (k8s/work-pool/): take it from there.",
        ) from None
    return content


def _flow(entrypoint: str) -> AnyFlow | str:
    """The flow, or what is wrong with its entrypoint."""
    module, _, name = entrypoint.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        return f"{entrypoint} cannot be imported ({error}); write it as module.function."
    if not isinstance(found, Flow):
        return f"{entrypoint} is no flow; name the function that has @flow."
    return cast("AnyFlow", found)


def _schedules(deployment: Deployment) -> Iterator[str]:
    for schedule in deployment.schedules:
        try:
            CronSchedule(cron=schedule.cron, timezone=schedule.timezone)
        except ValidationError as error:
            for each in error.errors():
                field = each["loc"][0] if each["loc"] else "cron"
                remedy = "five fields, minute first" if field == "cron" else "a name like America/New_York"
                yield f"schedules[{schedule.slug}].{field}: {each['input']!r} is not understood; write {remedy}."


def _parameters(deployment: Deployment, flow: AnyFlow) -> Iterator[str]:
    """What the flow would refuse. A parameter without a value is left to the person who starts a run."""
    schema = flow.parameters.model_dump_for_openapi()
    known = list(schema.get("properties", {}))
    given = {"parameters": deployment.parameters}
    given |= {f"schedules[{s.slug}].parameters": deployment.parameters | s.parameters for s in deployment.schedules}
    for where, parameters in given.items():
        unknown = [name for name in parameters if name not in known]
        for name in unknown:
            close = difflib.get_close_matches(name, known, n=1)
            yield f"{where}.{name}: the flow has no such parameter. " + _instead(close, known)
        if not unknown:
            scheduled = where != "parameters"
            for error in validate(parameters, schema, raise_on_error=False, ignore_required=not scheduled):
                yield f"{where}{_at(error.path)}: {error.message}; the flow's signature says what it takes."


def _job_variables(deployment: Deployment, variables: dict[str, Any], template: str) -> Iterator[str]:
    known = list(variables["properties"])
    for name, value in deployment.work_pool.job_variables.items():
        where = f"work_pool.job_variables.{name}"
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            yield f"{where}: {template} has no such variable, so it would do nothing. " + _instead(close, known)
            continue
        for error in validate({name: value}, variables, raise_on_error=False, preprocess=True, ignore_required=True):
            yield f"{where}: {error.message}; {template} says what it takes."
    yield from _time_limit(deployment.work_pool.job_variables)
    if not re.fullmatch(r"\{\{ \$MGDW_IMAGE \}\}", str(deployment.work_pool.job_variables.get("image"))):
        yield 'work_pool.job_variables.image: the image is the release\'s; write "{{ $MGDW_IMAGE }}".'


def _time_limit(job_variables: dict[str, Any]) -> Iterator[str]:
    deadline, env = job_variables.get("active_deadline_seconds"), job_variables.get("env")
    limit = str(env.get("MGDW_TIME_LIMIT")) if isinstance(env, dict) else ""
    if not isinstance(deadline, int) or not limit.isdecimal() or not int(limit) < deadline:
        yield (
            f"work_pool.job_variables.env.MGDW_TIME_LIMIT: {limit or 'nothing'}; write seconds, fewer than those of "
            f"active_deadline_seconds ({deadline}): a run that hangs ends in order only before Kubernetes ends it."
        )


def _instead(close: list[str], known: list[str]) -> str:
    return f"Did you mean {close[0]}?" if close else f"There are: {', '.join(sorted(known))}."


def _at(path: Any) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
