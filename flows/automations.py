"""The server's automations brought to what deployments/automations says, and the block with the webhook they use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from prefect.blocks.notifications import SlackWebhook
from prefect.client.orchestration import PrefectClient
from prefect.events.schemas.automations import Automation as Found
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound
from pydantic import SecretStr

from connectors.errors import ConfigurationError, SettingMissing
from connectors.secrets import resolved
from flows.automation_file import Automation, Notification, StateChange, read_automations
from flows.prefect_server import prefect_server
from flows.secrets import resolver
from flows.settings import FlowSettings

BLOCK = "mg-dw-alerts"
TAG = "mg-dw"
"""The tag that says an automation is ours: one that has it and is in no file any more is removed."""

_TRIES_AGAIN = 5
_WAIT = 10.0
"""Seconds between two tries at Slack. The server has two workers for all its actions, and one of them waits."""


@dataclass(frozen=True)
class Applied:
    """What became of one thing on the server, or would: see `apply` and `compared`."""

    kind: Literal["automation", "block"]
    name: str
    what: Literal["made", "changed", "unchanged", "removed"]
    note: str = ""


async def apply(automations: Sequence[Automation] | None = None) -> list[Applied]:
    """Create, update or leave each automation, remove those of ours that are in no file any more, write the block.

    Automations without our tag are never touched. One that somebody paused stays paused.

    Args:
        automations: those of deployments/automations without it.

    Raises:
        AutomationFileError: a file is wrong; nothing was changed.
        SettingMissing: there is no webhook to tell.
        ConfigurationError: no server is set, or it refuses something.
        SourceUnavailable: the server gives no answer.
    """
    wanted = read_automations() if automations is None else automations
    webhook = _webhook()
    async with prefect_server() as client:
        return await _applied(client, wanted, webhook)


async def compared(automations: Sequence[Automation] | None = None) -> list[Applied]:
    """What `apply` would do with the automations, without doing it. Raises what `apply` does, but for the webhook."""
    wanted = read_automations() if automations is None else automations
    async with prefect_server() as client:
        return [step.applied for step in await _steps(client, wanted)]


def webhook_block(webhook: str, *, wait: float = _WAIT) -> SlackWebhook:
    """The block through which Prefect's server posts `{"text": …}` to the webhook, as the flows themselves do.

    Prefect hands the address to Apprise. Given as it is, Apprise would take Slack's for its own Slack service, which
    rewrites `<address|text>`, cannot be sent to a test's server and shows no text on a phone; so it is given as that
    of a JSON service (Apprise, "JSON HTTP POST Notifications": `?:key=name` renames, `?:key=` drops).

    Args:
        webhook: https://hooks.slack.com/services/…, or another address that takes the same.
        wait: seconds between two tries when it is refused or not reached.

    Raises:
        ConfigurationError: it is no address.
    """
    address = urlsplit(webhook)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ConfigurationError(
            "MGDW_SLACK_WEBHOOK_URL is no address", remedy="Copy it anew: https://hooks.slack.com/services/T…/B…/…"
        )
    dropped = dict.fromkeys((":version", ":title", ":type", ":attachments"), "")
    options = urlencode({":message": "text", **dropped, "retry": _TRIES_AGAIN, "wait": wait})
    scheme = "jsons" if address.scheme == "https" else "json"
    return SlackWebhook(url=SecretStr(f"{scheme}://{address.netloc}{address.path}?{options}"))


def _webhook() -> SlackWebhook:
    settings = FlowSettings.from_environment()
    webhook = resolved(settings, resolver(settings)).slack_webhook_url
    if webhook is None:
        raise SettingMissing(
            "MGDW_SLACK_WEBHOOK_URL is not set: the automations would tell nobody",
            remedy="Set it, for example to secret://slack-webhook-url.",
        )
    return webhook_block(webhook.get_secret_value())


async def _applied(client: PrefectClient, wanted: Sequence[Automation], webhook: SlackWebhook) -> list[Applied]:
    changes = [await _written(client, webhook)]
    for step in await _steps(client, wanted):
        if step.automation is None:
            await client.delete_automation(_id(step))
        elif step.there is None:
            await client.create_automation(step.automation)
        elif step.applied.what == "changed":
            await client.update_automation(_id(step), step.automation)
        changes.append(step.applied)
    return changes


@dataclass(frozen=True)
class _Step:
    applied: Applied
    automation: AutomationCore | None
    """As it shall be; None for one that shall go."""
    there: Found | None


def _id(step: _Step) -> UUID:
    assert step.there is not None
    return step.there.id


async def _steps(client: PrefectClient, wanted: Sequence[Automation]) -> list[_Step]:
    block = await _block_id(client)
    ours = [one for one in await client.read_automations() if TAG in one.tags]
    kept: dict[str, Found] = {}
    for one in ours:
        kept.setdefault(one.name, one)
    steps: list[_Step] = []
    for one in wanted:
        there = kept.get(one.name)
        automation = _for_prefect(one, block, enabled=there.enabled if there else True)
        what = "made" if there is None else "unchanged" if _same(automation, there) else "changed"
        paused = "paused by hand" if there and not there.enabled else ""
        steps.append(_Step(Applied("automation", one.name, what, paused), automation, there))
    # Two of one name, from two deploys at once, would tell everything twice.
    names = {one.name for one in wanted}
    gone = [one for one in ours if one.name not in names or kept[one.name] is not one]
    return steps + [_Step(Applied("automation", one.name, "removed"), None, one) for one in gone]


def _same(wanted: AutomationCore, found: Found) -> bool:
    fields = ("description", "trigger", "actions")
    return all(getattr(wanted, name) == getattr(found, name) for name in fields)


def _for_prefect(one: Automation, block: UUID | None, *, enabled: bool) -> AutomationCore:
    def action(declared: Notification | StateChange) -> dict[str, Any]:
        extra = {"block_document_id": block, "subject": ""} if isinstance(declared, Notification) else {}
        return {**declared.model_dump(), **extra}

    # A block that is not written yet is only met when nothing will be sent.
    block = block or UUID(int=0)
    return AutomationCore.model_validate(
        {
            "name": one.name,
            "description": one.description,
            "tags": [TAG],
            "enabled": enabled,
            "trigger": {"type": "event", "threshold": 1, **one.trigger.model_dump()},
            "actions": [action(declared) for declared in one.actions],
        }
    )


async def _block_id(client: PrefectClient) -> UUID | None:
    try:
        return (await client.read_block_document_by_name(BLOCK, SlackWebhook.get_block_type_slug())).id
    except ObjectNotFound:
        return None


async def _written(client: PrefectClient, webhook: SlackWebhook) -> Applied:
    name = f"{SlackWebhook.get_block_type_slug()}/{BLOCK}"
    try:
        there = await client.read_block_document_by_name(BLOCK, SlackWebhook.get_block_type_slug())
        if there.data.get("url") == webhook.url.get_secret_value():
            return Applied("block", name, "unchanged")
        what = "changed"
    except ObjectNotFound:
        what = "made"
    await webhook.save(BLOCK, overwrite=True, client=client)  # pyright: ignore[reportGeneralTypeIssues]
    return Applied("block", name, what)
