"""The files of deployments/automations, read strictly: Prefect passes over keys and events that it does not know."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import jinja2
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from connectors.errors import ConfigurationError
from flows.settings import PROJECT

FOLDER = PROJECT / "deployments" / "automations"

Label = Literal[
    "prefect.resource.id",
    "prefect.run-count",
    "related:deployment:prefect.resource.id",
    "related:work-queue:prefect.resource.id",
]
"""What a trigger may tell incidents apart by; of a label that an event lacks Prefect makes one bucket for all."""

_EVENTS = frozenset(
    f"prefect.flow-run.{name}"
    for name in (
        "Scheduled", "Late", "AwaitingConcurrencySlot", "AwaitingRetry", "Pending", "Submitting",
        "InfrastructurePending", "Running", "Retrying", "Paused", "Suspended", "Cancelling", "Cancelled", "Completed",
        "Failed", "TimedOut", "Crashed", "heartbeat",
    )
)  # fmt: skip
"""A flow run's events: its states by name (prefect.states, prefect.server.schemas.states), and its heartbeat."""

_LEAST_PATIENCE = 10


class AutomationFileError(ConfigurationError):
    """One or more files are wrong. `problems` lists all of them as `file: field: text`."""

    default_remedy = "Correct the fields named above and run again; no automation was changed."

    def __init__(self, problems: Sequence[str]) -> None:
        count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
        super().__init__(f"{count} in the automations:\n" + "\n".join(f"  {p}" for p in problems))
        self.problems = tuple(problems)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Trigger(_Strict):
    """Events that make it act: seen (`Reactive`), or not seen in time (`Proactive`). As Prefect's EventTrigger."""

    posture: Literal["Reactive", "Proactive"]
    after: list[str] = Field(default_factory=list)
    expect: list[str] = Field(min_length=1)
    match: dict[str, str]
    match_related: dict[str, str] = Field(default_factory=dict)
    for_each: list[Label] = Field(min_length=1)
    within: float = Field(ge=1)
    """Seconds."""

    @field_validator("after", "expect")
    @classmethod
    def _known(cls, events: list[str]) -> list[str]:
        for event in events:
            if event not in _EVENTS:
                close = difflib.get_close_matches(event, _EVENTS, n=1)
                hint = f"Did you mean {close[0]}?" if close else f"There are: {', '.join(sorted(_EVENTS))}."
                raise PydanticCustomError(
                    "event", "no flow run has the event {event}. {hint}", {"event": event, "hint": hint}
                )
        return events

    @model_validator(mode="after")
    def _patient(self) -> Self:
        if self.posture == "Proactive" and self.within < _LEAST_PATIENCE:
            raise PydanticCustomError(
                "patience",
                "Prefect waits {least} seconds at least for what does not happen, not {within}.",
                {"least": _LEAST_PATIENCE, "within": self.within},
            )
        return self


class Notification(_Strict):
    """A message to Slack. `body` is a Jinja template over the event, in Slack's mrkdwn."""

    type: Literal["send-notification"]
    body: str = Field(min_length=1)

    @field_validator("body")
    @classmethod
    def _a_template(cls, body: str) -> str:
        try:
            jinja2.Environment(autoescape=False).parse(body)  # noqa: S701 - only parsed here
        except jinja2.TemplateSyntaxError as error:
            found = {"line": error.lineno, "why": error.message or "syntax"}
            raise PydanticCustomError("template", "line {line} of the template: {why}", found) from None
        return body


class StateChange(_Strict):
    """The run is set to this state, with this message."""

    type: Literal["change-flow-run-state"]
    state: Literal["CRASHED"]
    message: str = Field(min_length=1)


class Automation(_Strict):
    """One file."""

    name: str = Field(pattern=r"^mg-dw: ")
    description: str = Field(min_length=1)
    trigger: Trigger
    actions: list[Annotated[Notification | StateChange, Field(discriminator="type")]] = Field(min_length=1)


def read_automations(folder: Path = FOLDER) -> list[Automation]:
    """Every `*.yaml` of the folder. Raises AutomationFileError with everything that is wrong with them."""
    problems: list[str] = []
    found: dict[str, Automation] = {}
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise AutomationFileError([f"{folder}: there is no *.yaml; take the folder from the checkout or the image."])
    for path in files:
        automation = _read(path, problems)
        if automation and automation.name in found:
            problems.append(f"{path.name}: name: another file has {automation.name!r}; give each its own.")
        elif automation:
            found[automation.name] = automation
    if problems:
        raise AutomationFileError(problems)
    return list(found.values())


def _read(path: Path, problems: list[str]) -> Automation | None:
    try:
        content: Any = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        problems.append(f"{path.name}: not readable as YAML: {' '.join(str(error).split())}")
        return None
    try:
        return Automation.model_validate(content)
    except ValidationError as error:
        problems += [f"{path.name}: {_told(e)}" for e in error.errors()]
    return None


def _told(error: ErrorDetails) -> str:
    # Of an action pydantic names the type as well; a person looks for the key.
    where = ".".join(str(part) for part in error["loc"] if part not in ("send-notification", "change-flow-run-state"))
    key = str(error["loc"][-1]) if error["loc"] else ""
    match error["type"]:
        case "extra_forbidden":
            close = difflib.get_close_matches(key, _known_keys(), n=1)
            hint = f"Did you mean {close[0]}?" if close else "Take it away."
            return f"{where}: Prefect would pass over this key. {hint}"
        case "missing" | "union_tag_not_found":
            return f"{where}: it is missing; add it."
        case "event" | "template" | "patience":
            return f"{where}: {error['msg']}"
        case _:
            return f"{where or 'the file'}: {error['msg']}, not {error['input']!r}."


def _known_keys() -> list[str]:
    models: tuple[type[BaseModel], ...] = (Automation, Trigger, Notification, StateChange)
    return [name for model in models for name in model.model_fields]
