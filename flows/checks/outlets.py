"""Where results and news go: Tableau and Slack."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from connectors.secrets import resolved
from connectors.settings import is_loopback
from connectors.tableau.server import signed_in
from connectors.tableau.settings import TableauSettings
from flows.alerts import post
from flows.checks import Check, Diagnosis, Status, in_thread
from flows.lineage import tableau_exposures
from flows.manifest import manifest_path, read_manifest
from flows.secrets import resolver
from flows.settings import FlowSettings

_WEBHOOK = re.compile(r"/services/T\w+/B\w+/[\w-]+")
"""The path of an incoming webhook (Slack API, "Sending messages using incoming webhooks")."""


def tableau_check() -> Check:
    """Sign in, and find the data sources that are to be refreshed."""

    async def look() -> Sequence[Diagnosis]:
        settings = TableauSettings.from_environment()
        if settings.server_url is None:
            return [Diagnosis("tableau", "MGDW_TABLEAU_SERVER_URL", Status.NOT_USED, "no server is set")]
        flow = FlowSettings.from_environment()
        where = f"{settings.server_url} {settings.site}".strip()

        def sign_in() -> set[str]:
            with signed_in(resolved(settings, resolver(flow))) as site:
                return set(site.data_sources())

        published = await in_thread(sign_in)
        if missing := sorted(_wanted(flow) - published):
            found = f"signed in; not published on this site: {', '.join(missing)}"
            remedy = "Publish them once from Tableau, or correct the names in dbt's exposures."
            return [Diagnosis("tableau", where, Status.WARNING, found, remedy)]
        return [check.ok(f"signed in; {len(published)} data sources are published", where)]

    check = Check("tableau", "MGDW_TABLEAU_SERVER_URL", look)
    return check


def _wanted(settings: FlowSettings) -> set[str]:
    """The data sources that dbt's last build names; none before the first."""
    if not manifest_path(settings).is_file():
        return set()
    return {exposure.data_source for exposure in tableau_exposures(read_manifest(settings))}


def slack_check(*, send: bool) -> Check:
    """The webhook is well formed; with `send` a message goes through it."""

    async def look() -> Sequence[Diagnosis]:
        flow = FlowSettings.from_environment()
        webhook = (await in_thread(lambda: resolved(flow, resolver(flow)))).slack_webhook_url
        if webhook is None:
            remedy = "Make an incoming webhook in Slack and set MGDW_SLACK_WEBHOOK_URL."
            return [Diagnosis("slack", check.where, Status.WARNING, "not set: nobody is told of failures", remedy)]
        address = urlsplit(webhook.get_secret_value())
        right_host = address.scheme == "https" or is_loopback(webhook.get_secret_value())
        if not (right_host and _WEBHOOK.fullmatch(address.path)):
            remedy = "Copy the URL anew: https://hooks.slack.com/services/T…/B…/…"
            return [Diagnosis("slack", check.where, Status.FAILED, "it is no incoming webhook's address", remedy)]
        where = address.hostname or check.where
        if not send:
            return [check.ok("well formed; `--send` sends a message through it", where)]
        if not await post(":stethoscope: *doctor* says hello: messages arrive here."):
            remedy = "Make a new webhook: this one was revoked, its channel archived, or the network lets nothing out."
            return [Diagnosis("slack", where, Status.FAILED, "the message was not accepted; the log says how", remedy)]
        return [check.ok("a message was sent", where)]

    check = Check("slack", "MGDW_SLACK_WEBHOOK_URL", look)
    return check
