"""Is the next Salesforce instance ready to take over?"""

from __future__ import annotations

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact

from connectors.salesforce.preflight import PreflightReport, compare
from connectors.salesforce.settings import NextSalesforceSettings, SalesforceSettings
from connectors.secrets import resolved
from flows.alerts import tell_slack
from flows.failures import Failure, StepFailed
from flows.secrets import resolver
from flows.settings import FlowSettings
from flows.time_limit import time_limited


@flow(name="salesforce-preflight", on_failure=[tell_slack], on_crashed=[tell_slack])
@time_limited
async def salesforce_preflight() -> PreflightReport:
    """Compare the present instance (MGDW_SALESFORCE_*) and the next (MGDW_SALESFORCE_NEXT_*) with the contract.

    Reads descriptions and counts only. The report is an artifact of the run; the run fails when something blocks the
    cutover.

    Raises:
        StepFailed: what blocks.
    """
    settings = FlowSettings.from_environment()
    resolve = resolver(settings)
    report = await compare(
        resolved(SalesforceSettings.from_environment(), resolve),
        resolved(NextSalesforceSettings.from_environment(), resolve),
        settings.contract().of("salesforce"),
    )
    await acreate_markdown_artifact(
        key="salesforce-preflight", markdown=report.markdown(), description="The next Salesforce instance"
    )
    if not report.is_ready:
        raise StepFailed(
            "salesforce-preflight",
            [
                Failure("salesforce-preflight", p.table, f"{p.field}: {p.problem}" if p.field else p.problem, p.remedy)
                for p in report.problems
                if p.blocks
            ],
        )
    return report
