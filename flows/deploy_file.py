"""prefect.yaml, read strictly: `prefect deploy` passes over every key it does not know, and so over every slip."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from connectors.errors import ConfigurationError
from flows.settings import PROJECT

PREFECT_YAML = PROJECT / "prefect.yaml"

POOL = "mg-dw"
TAG = "mg-dw"
"""The tag that says a deployment is ours: one that has it and is no longer in the file is taken out of use."""

PLACEHOLDERS = ("MGDW_HOME", "MGDW_IMAGE")
"""What `{{ $NAME }}` may name: the folder a run works in, and the image it runs."""
_PLACEHOLDER = re.compile(r"\{\{\s*\$(\w+)\s*\}\}")
_NOT_HERE = {
    "sla": "a self-hosted server refuses it; watch lateness with an automation (deployments/automations).",
    "triggers": "automations are files of their own; write one in deployments/automations.",
    "build": "Cloud Build makes the image; see deployments/cloudbuild-pipeline.yaml.",
    "push": "Cloud Build pushes the image; see deployments/cloudbuild-pipeline.yaml.",
    "version": "it is the release's commit; say it to `mgdw deploy --release`.",
    "schedule": "write `schedules`, a list; each has a slug.",
    "paused": "pause schedules in the UI; deploying leaves them paused.",
}
"""Keys that Prefect knows and this file must not have, and what to do instead."""


class DeploymentFileError(ConfigurationError):
    """prefect.yaml is wrong. `problems` lists all of them as `file: deployment.field: text`."""

    default_remedy = "Correct the fields named above and run again; nothing was deployed."

    def __init__(self, problems: Sequence[str]) -> None:
        count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
        super().__init__(f"{count} in the deployments:\n" + "\n".join(f"  {p}" for p in problems))
        self.problems = tuple(problems)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Schedule(_Strict):
    """When a deployment starts by itself. The slug is what tells one schedule from another on the server."""

    slug: str = Field(pattern=r"^[a-z0-9-]+$")
    cron: str
    timezone: str
    parameters: dict[str, Any] = Field(default_factory=dict)


class Limit(_Strict):
    """How many runs at once, and what happens to one more."""

    limit: int = Field(ge=1)
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW"]
    grace_period_seconds: int = Field(ge=60, le=86400)


class Pool(_Strict):
    """Where it runs, and with what."""

    name: Literal["mg-dw"]
    job_variables: dict[str, Any] = Field(default_factory=dict)


class Deployment(_Strict):
    """One flow as the UI, `prefect deployment run` and the parent start it."""

    name: str = Field(pattern=r"^[a-z0-9-]+$")
    description: str = Field(min_length=1)
    entrypoint: str = Field(pattern=r"^flows(\.\w+)+$")
    tags: list[str]
    parameters: dict[str, Any] = Field(default_factory=dict)
    concurrency_limit: Limit | None = None
    work_pool: Pool
    schedules: list[Schedule] = Field(default_factory=list[Schedule])


class DeploymentFile(_Strict):
    """The whole file. `definitions` holds what YAML anchors name; nothing reads it."""

    name: Literal["mg-dw"]
    prefect_version: str = Field(alias="prefect-version")
    pull: list[dict[str, dict[str, Any]]] = Field(min_length=1)
    definitions: dict[str, Any] = Field(default_factory=dict)
    deployments: list[Deployment] = Field(min_length=1)


def read_file(path: Path = PREFECT_YAML) -> DeploymentFile:
    """The file's content. Raises DeploymentFileError with everything that is wrong in its form."""
    try:
        content: Any = yaml.safe_load(path.read_text())
    except OSError as error:
        raise DeploymentFileError([f"{path.name}: not readable ({error.strerror})"]) from None
    except yaml.YAMLError as error:
        raise DeploymentFileError([f"{path.name}: not YAML: {' '.join(str(error).split())}"]) from None
    if not isinstance(content, dict):
        raise DeploymentFileError([f"{path.name}: no mapping of keys to values"])
    try:
        file = DeploymentFile.model_validate(content)
    except ValidationError as error:
        names = _names(content)
        raise DeploymentFileError([f"{path.name}: {_told(e, names)}" for e in error.errors()]) from None
    problems = [f"{path.name}: {problem}" for problem in _contradictions(file)]
    if problems:
        raise DeploymentFileError(problems)
    return file


def filled_in(value: Any, known: dict[str, str]) -> Any:
    """`value` with each `{{ $NAME }}` replaced, at any depth. `known` has a value for each of PLACEHOLDERS."""
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda found: known[found[1]], value)
    if isinstance(value, dict):
        return {key: filled_in(inner, known) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled_in(inner, known) for inner in value]
    return value


def _contradictions(file: DeploymentFile) -> Iterator[str]:
    yield from _placeholders("pull", file.pull)
    for name, count in Counter(d.name for d in file.deployments).items():
        if count > 1:
            yield f"{name}: there are {count} of this name; give each its own."
    for deployment in file.deployments:
        yield from _placeholders(deployment.name, deployment.model_dump())
        if TAG not in deployment.tags:
            yield f"{deployment.name}.tags: {TAG!r} is missing; by it `mgdw deploy` knows its own."
        for slug, count in Counter(s.slug for s in deployment.schedules).items():
            if count > 1:
                yield f"{deployment.name}.schedules: {count} have the slug {slug}; give each its own."


def _placeholders(where: str, value: Any) -> Iterator[str]:
    """Braces that nothing would fill in."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _placeholders(f"{where}.{key}", inner)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _placeholders(f"{where}[{number}]", inner)
    elif isinstance(value, str) and "{{" in value:
        known = all(name in PLACEHOLDERS for name in _PLACEHOLDER.findall(value))
        if not known or "{{" in _PLACEHOLDER.sub("", value):
            yield f"{where}: {value} is not known; there are {{{{ $MGDW_HOME }}}} and {{{{ $MGDW_IMAGE }}}}."
        elif not where.startswith("pull") and ".work_pool.job_variables." not in where:
            yield f"{where}: {value} is filled in only in job variables and the pull step; write it out."


def _names(content: dict[str, Any]) -> list[str]:
    """How to call each deployment, also one whose name is missing."""
    entries: Any = content.get("deployments")
    given: Iterable[Any] = entries if isinstance(entries, list) else []
    return [str(e["name"]) if isinstance(e, dict) and "name" in e else f"deployments[{n}]" for n, e in enumerate(given)]


def _told(error: ErrorDetails, names: list[str]) -> str:
    path = list(error["loc"])
    if path[:1] == ["deployments"] and len(path) > 1 and isinstance(path[1], int):
        path[:2] = [names[path[1]]]
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    key = str(path[-1])
    match error["type"]:
        case "extra_forbidden" if key in _NOT_HERE:
            return f"{where}: does not belong here: {_NOT_HERE[key]}"
        case "extra_forbidden":
            close = difflib.get_close_matches(key, _known_keys(), n=1)
            return f"{where}: Prefect would pass over this key. " + (
                f"Did you mean {close[0]}?" if close else "Take it away."
            )
        case "missing":
            return f"{where}: it is missing; add it."
        case _:
            return f"{where}: {error['msg']}, not {error['input']!r}."


def _known_keys() -> list[str]:
    models: tuple[type[BaseModel], ...] = (DeploymentFile, Deployment, Pool, Limit, Schedule)
    return [field.alias or name for model in models for name, field in model.model_fields.items()]
