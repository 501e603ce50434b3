"""Whether a run gets all the way: taken from the pool, started from the image, and what it finds there is in order."""

from __future__ import annotations

from prefect.client.orchestration import get_client
from prefect.exceptions import FlowRunWaitTimeout
from prefect.flow_runs import wait_for_flow_run

from connectors.errors import WorkFailed

DEPLOYMENT = "doctor/doctor"
ONLY = ("settings", "contract", "secrets", "lake", "prefect")
"""What belongs to a release. Sources, Tableau and the warehouse can be away without a release being to blame."""


async def smoke(seconds: int = 900) -> str:
    """Run `doctor` on the work pool and wait for it. Returns the run's name.

    Args:
        seconds: for a node, the image and the checks.

    Raises:
        WorkFailed: the run did not complete, or did not end in time.
    """
    async with get_client() as client:
        deployment = await client.read_deployment_by_name(DEPLOYMENT)
        run = await client.create_flow_run_from_deployment(
            deployment.id, parameters={"only": ONLY}, tags=["smoke"], name="smoke"
        )
        try:
            run = await wait_for_flow_run(run.id, timeout=seconds, client=client)
        except FlowRunWaitTimeout:
            run = await client.read_flow_run(run.id)
            raise WorkFailed(
                f"{DEPLOYMENT} has not ended after {seconds} s, it is {run.state_name}",
                remedy="Late or Pending: look at the worker and at the pod's events (docs/runbooks/deploy.md).",
            ) from None
    if run.state is None or not run.state.is_completed():
        message = run.state.message if run.state else None
        raise WorkFailed(
            f"{DEPLOYMENT} ended {run.state_name}: {message or 'it does not say why'}",
            remedy="The run's log and its artifact `doctor` say what is missing, and what to do about it.",
        )
    return run.name
