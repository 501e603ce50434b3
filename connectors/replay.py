"""STG from the lake alone: every batch that is still there is loaded again, the source is not asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

from connectors.batch import Manifest
from connectors.contract import Table
from connectors.lake import Lake
from connectors.warehouse import LoadResult, Warehouse
from connectors.warehouse.ledger import LEDGER
from connectors.warehouse.sql import text

LoadAgain = Callable[[Table, Manifest], Awaitable[LoadResult]]


@dataclass
class Replayed:
    """What a replay did to one table.

    Attributes:
        gone: prefixes of batches the ledger knows and the lake has no more: what they brought stays as it is.
    """

    table: str
    results: list[LoadResult] = field(default_factory=list[LoadResult])
    gone: list[str] = field(default_factory=list[str])


async def replay(
    table: Table, lake: Lake, warehouse: Warehouse, load: LoadAgain, *, only: Collection[str] | None = None
) -> Replayed:
    """Load the table's batches again, oldest window first, one after the other.

    Args:
        load: loads one batch with `again`.
        only: batch ids to replay; None for all.

    Raises:
        MgdwError: a batch cannot be loaded; those before it are, and replaying again is harmless.
    """
    outcome = Replayed(table.name)
    found: set[str] = set()
    async for manifest in lake.manifests(table.source, table.name):
        found.add(manifest.batch_id)
        if only is None or manifest.batch_id in only:
            outcome.results.append(await load(table, manifest))
    known = f"SELECT batch_id, prefix FROM {LEDGER} WHERE table_name = {text(table.name)} ORDER BY loaded_at"  # noqa: S608
    for batch in await warehouse.rows(known):
        if batch["batch_id"] not in found and (only is None or batch["batch_id"] in only):
            outcome.gone.append(batch["prefix"])
    return outcome
