"""Slack: one message per failed run. Texts are pure functions; the hook at the end sends them."""

from __future__ import annotations

import logging
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
from prefect import Flow
from prefect.client.schemas.objects import FlowRun
from prefect.logging import get_logger
from prefect.settings import get_current_settings
from prefect.states import State

from connectors.errors import MgdwError
from connectors.secrets import resolved
from flows.failures import Failure, StepFailed, listed, told_once
from flows.secrets import resolver
from flows.settings import FlowSettings


def failure_text(run: str, failures: tuple[Failure, ...], skipped: tuple[str, ...], link: str | None) -> str:
    """The Slack message (mrkdwn) for one failed run.

    Failures with the same step, cause and remedy are told once, with all tables they concern.
    """
    lines = [f":red_circle: *{run}* failed"]
    for one, whats in told_once(failures).items():
        names = f": {listed(whats, '`')}" if whats else ""
        lines.append(f"*{one.step}*{names}\n>{one.cause.splitlines()[0]}\n>What to do: {one.remedy}")
    if skipped:
        lines.append(f"*Skipped because of it:* {listed(skipped, '`')}")
    if link:
        lines.append(f"<{link}|Open the run>")
    return "\n".join(lines)


def drift_text(source: str, sentences: Sequence[str]) -> str:
    """The Slack message for a change in a source's schema; nothing failed."""
    return "\n".join([f":large_yellow_circle: *{source}* changed its schema", *(f"• {one}" for one in sentences)])


def findings_text(source: str, sentences: Sequence[str]) -> str:
    """The Slack message for what was noticed while loading; nothing failed."""
    return "\n".join([f":large_yellow_circle: *{source}* was loaded, but", *(f"• {one}" for one in sentences)])


def run_link(flow_run: FlowRun) -> str | None:
    """The run's page in the Prefect UI; None when no UI is configured (a temporary server has none to open)."""
    url = get_current_settings().ui_url
    return f"{url.rstrip('/')}/runs/flow-run/{flow_run.id}" if url else None


async def tell_slack(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Flow hook for failed and crashed runs. Subflows are silent: their parent tells the whole story once.

    With MGDW_ALERTS=automations it is silent, too, for a run that a worker started: the server tells of those.
    """
    if flow_run.parent_task_run_id is not None or _server_tells(flow_run):
        return
    error = await state.aresult(raise_on_failure=False)
    if isinstance(error, StepFailed):
        failures, skipped = error.failures, error.skipped
    elif isinstance(error, BaseException):
        failures, skipped = (Failure.of(flow.name, "", error),), ()
    else:
        failures, skipped = (Failure(flow.name, "", state.message or state.name or "unknown", "Open the run."),), ()
    await post(failure_text(f"{flow.name} / {flow_run.name}", failures, skipped, run_link(flow_run)))


def _server_tells(flow_run: FlowRun) -> bool:
    """Whether the automations speak for this run: by its work queue they know one that a worker started."""
    try:
        alerts = FlowSettings.from_environment().alerts
    except MgdwError:
        return False  # `post` says what is wrong with the settings
    return alerts == "automations" and flow_run.work_queue_id is not None


async def post(text: str) -> bool:
    """Send one message to the webhook of the settings. Returns False (and logs why) when it could not be sent."""
    logger = get_logger("mgdw.alerts")
    try:
        settings = FlowSettings.from_environment()
        webhook = resolved(settings, resolver(settings)).slack_webhook_url
    except MgdwError as error:
        logger.error("nobody was told: %s", error)
        return False
    if webhook is None:
        logger.warning("MGDW_SLACK_WEBHOOK_URL is not set: nobody was told of this failure")
        return False
    try:
        with _unlogged(webhook.get_secret_value()):
            async with httpx.AsyncClient(timeout=15) as client:
                answer = await client.post(webhook.get_secret_value(), json={"text": text})
        if answer.is_success:
            return True
        logger.error("Slack refused the message: %s %s", answer.status_code, answer.text[:100])
    except httpx.HTTPError as error:
        # The URL holds the webhook's secret, and httpx puts it into some texts: name the type only.
        logger.error("Slack could not be reached: %s", type(error).__name__)
    return False


@contextmanager
def _unlogged(address: str) -> Generator[None]:
    """Keep httpx from logging an address that is a secret: it writes every URL at INFO."""

    def says_nothing_of_it(record: logging.LogRecord) -> bool:
        return address not in record.getMessage()

    logger = logging.getLogger("httpx")
    logger.addFilter(says_nothing_of_it)
    try:
        yield
    finally:
        logger.removeFilter(says_nothing_of_it)
