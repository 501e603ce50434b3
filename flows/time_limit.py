"""The time a flow run may take: past it the run ends TimedOut, in order, before Kubernetes would end its Job."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar

from connectors.errors import MgdwError
from flows.settings import FlowSettings

P = ParamSpec("P")
R = TypeVar("R")


class TimeLimitReached(MgdwError, TimeoutError):
    """The run was stopped. A TimeoutError that leaves a flow is what Prefect calls TimedOut."""

    default_remedy = (
        "See the run's log: what it waited for is what it does not call loaded or unchanged. Run it again: what was "
        "loaded stays. If it is only more data, raise MGDW_TIME_LIMIT and active_deadline_seconds of its deployment."
    )

    def __repr__(self) -> str:
        """Prefect makes the state's message of it."""
        return str(self)


def time_limited(run: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """A flow's function that is stopped once MGDW_TIME_LIMIT has passed.

    Prefect's own `timeout_seconds` cancels again and again, also whatever the run does to end in order: its lease would
    not be given back.

    Raises:
        TimeLimitReached: in the place of what the function was about to do.
    """

    @functools.wraps(run)
    async def within(*args: P.args, **kwargs: P.kwargs) -> R:
        seconds = FlowSettings.from_environment().time_limit
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await run(*args, **kwargs)
        except TimeoutError as error:
            if seconds is None or not limit.expired():
                raise
            raise TimeLimitReached(
                f"it had not ended after {timedelta(seconds=seconds)}, its time limit, and was stopped"
            ) from error

    # Prefect resolves the names in a signature where the function was written, which for `within` is here.
    within.__signature__ = inspect.signature(run, eval_str=True)  # pyright: ignore[reportAttributeAccessIssue]
    return within
