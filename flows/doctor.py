"""Is everything there that a run needs, and usable from here? Looks at all of it side by side and changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated

from prefect import flow
from prefect.artifacts import TableArtifact

from connectors.errors import ConfigurationError
from flows.alerts import tell_slack
from flows.artifacts import publish
from flows.checks import Check, Diagnosis, Status, run_checks
from flows.checks.configuration import contract_check, secrets_check, settings_check
from flows.checks.dbt import dbt_check
from flows.checks.lake import lake_check
from flows.checks.outlets import slack_check, tableau_check
from flows.checks.prefect import prefect_checks
from flows.checks.sources import Reading, clock_diagnoses, source_check
from flows.checks.warehouse import warehouse_checks
from flows.failures import Failure, StepFailed
from flows.parameters import choice
from flows.sources import SOURCES
from flows.time_limit import time_limited

GROUPS = ("settings", "contract", "secrets", "lake", "warehouse", *SOURCES, "tableau", "slack", "dbt", "prefect")
Groups = Annotated[Sequence[str] | None, choice(GROUPS)]


@flow(name="doctor", on_failure=[tell_slack], on_crashed=[tell_slack])
@time_limited
async def doctor(only: Groups = (), send: bool = False) -> list[Diagnosis]:
    """Check from where this runs: settings, contract, secrets, lake, warehouse, sources, Tableau, Slack, dbt, Prefect.

    The artifact `doctor` has a line for each thing looked at, with what to do about it.

    Args:
        only: What to look at; none picked means all of it.
        send: Also send a message through the Slack webhook, to see that it arrives.

    Raises:
        StepFailed: at the end, with everything that failed.
    """
    found = await examined(only, send=send)
    table = [
        {"check": d.check, "where": d.where, "status": d.status.value, "found": d.found, "what to do": d.remedy}
        for d in found
    ]
    await publish(TableArtifact(key="doctor", table=table, description="What a run needs, as seen from here"))
    if failures := [Failure(d.check, d.where, d.found, d.remedy) for d in found if d.status is Status.FAILED]:
        raise StepFailed("doctor", failures)
    return found


async def examined(only: Collection[str] | None = None, *, send: bool = False) -> list[Diagnosis]:
    """Run the checks and return every line, the good ones as well.

    Args:
        only: groups, as in `GROUPS`; empty for all.
        send: send a message through the Slack webhook.

    Raises:
        ConfigurationError: there is no such group.
    """
    if unknown := sorted(set(only or ()) - set(GROUPS)):
        raise ConfigurationError(
            f"doctor has no check {', '.join(map(repr, unknown))}", remedy=f"It has: {', '.join(GROUPS)}."
        )
    clocks: dict[str, Reading] = {}
    found = await run_checks(_chosen(only, clocks, send=send))
    return found + clock_diagnoses(clocks)


def _chosen(only: Collection[str] | None, clocks: dict[str, Reading], *, send: bool) -> Sequence[Check]:
    checks = [
        settings_check(), contract_check(), secrets_check(), lake_check(), *warehouse_checks(),
        *(source_check(name, clocks) for name in SOURCES),
        tableau_check(), slack_check(send=send), dbt_check(), *prefect_checks(),
    ]  # fmt: skip
    return [check for check in checks if not only or check.name in only]
