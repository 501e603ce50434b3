"""The steps of a daily refresh, and the one way of running them that needs nothing but this process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from prefect import tags

from connectors.tableau.server import RefreshResult
from connectors.warehouse import LoadResult
from flows.dbt import DbtNode, Layer, dbt
from flows.netsuite import netsuite
from flows.s3_usage import s3_usage
from flows.salesforce import salesforce
from flows.sources import SourceName
from flows.tableau import tableau
from flows.zuora import zuora

MayBegin = Callable[[], Awaitable[None]]
"""Raises when nothing new may begin: another run does the work by now."""

SOURCE_FLOWS: dict[SourceName, Callable[..., Awaitable[list[LoadResult]]]] = {
    "salesforce": salesforce,
    "netsuite": netsuite,
    "zuora": zuora,
    "s3": s3_usage,
}


class Steps(Protocol):
    """How the steps are run. Each returns what its flow returns, and raises what its flow raises."""

    async def load(self, source: SourceName, *, full: bool) -> list[LoadResult]:
        """Bring one source to STG. Raises LoadFailed."""
        ...

    async def build(self, layer: Layer, exclude: Sequence[str]) -> list[DbtNode]:
        """Build one layer without what is excluded. Raises DbtFailed, StepFailed."""
        ...

    async def refresh(self, untrusted: Sequence[str]) -> list[RefreshResult]:
        """Refresh the Tableau data sources that do not stand on what is untrusted. Raises StepFailed."""
        ...


class StepsHere:
    """Each step as a subflow in this process."""

    def __init__(self, may_begin: MayBegin) -> None:
        self._may_begin = may_begin

    async def load(self, source: SourceName, *, full: bool) -> list[LoadResult]:
        """See `Steps.load`."""
        await self._may_begin()
        with tags("source", source):
            return await SOURCE_FLOWS[source](full=full)

    async def build(self, layer: Layer, exclude: Sequence[str]) -> list[DbtNode]:
        """See `Steps.build`."""
        await self._may_begin()
        with tags("dbt", layer):
            return await dbt(layer=layer, exclude=exclude)

    async def refresh(self, untrusted: Sequence[str]) -> list[RefreshResult]:
        """See `Steps.refresh`."""
        await self._may_begin()
        with tags("tableau"):
            return await tableau(untrusted=untrusted)
