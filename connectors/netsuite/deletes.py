"""Which rows were deleted: by the account's log of deletions, and by comparing keys where the log is silent.

`DeletedRecord` keeps base records only (no lines), shows itself only to a role with the permission for it, and nothing
documents how far it reaches back. Where it cannot be trusted, the keys of all living rows are read and the warehouse
makes tombstones of the others: a page of keys costs as much as a page of rows, so beyond a limit of rows deletions wait
for the next full run instead, and the manifest says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from connectors.batch import BatchRequest, Part
from connectors.errors import (
    CountMismatch,
    MgdwError,
    PermissionMissing,
    RetryableError,
    UnknownField,
    UnknownObject,
)
from connectors.netsuite.client import NetSuiteClient
from connectors.netsuite.reader import Reader
from connectors.netsuite.settings import NetSuiteSettings
from connectors.netsuite.suiteql import deleted_types, deletes_selection, keys_selection
from connectors.netsuite.zone import Zone


@dataclass
class Deleted:
    """Parts of kind `deletes` or `keys`, and what the manifest should say about them."""

    parts: list[Part] = field(default_factory=list[Part])
    details: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Deletions:
    """Finds what was deleted in a request's window.

    Args:
        now: the account's clock (UTC).
    """

    client: NetSuiteClient
    settings: NetSuiteSettings
    zone: Zone
    now: datetime

    async def find(self, request: BatchRequest, reader: Reader) -> Deleted:
        """The deletions of a window; a snapshot needs none, because absent keys are deleted keys."""
        if request.window.is_snapshot:
            return Deleted()
        types = deleted_types(request.table)
        if not types:
            return await self._compared(request, reader, "NetSuite keeps no log of deleted lines")
        if request.table.name in self.settings.unlogged_tables:
            return await self._compared(request, reader, "the settings say that its deletions are not logged")
        start = request.window.read_from(self._overlap)
        days = self.settings.delete_log_days
        # What is read for a second time had its deletions found the first time.
        if start is not None and self.now - start > timedelta(days=days) and not request.label:
            return await self._compared(request, reader, f"the window starts more than {days} days ago")
        try:
            return await self._logged(request, reader, types)
        except RetryableError:
            raise
        except MgdwError as refusal:
            return await self._compared(request, reader, f"deleted records are not shown: {refusal.cause}")

    async def _logged(self, request: BatchRequest, reader: Reader, types: tuple[str, ...]) -> Deleted:
        try:
            return Deleted(await self._log(request, reader, types))
        except (RetryableError, CountMismatch, UnknownObject, UnknownField, PermissionMissing):
            raise
        except MgdwError:
            if len(types) == 1:
                raise
        # One name that the log does not know may refuse the whole list.
        parts: list[Part] = []
        refused: dict[str, str] = {}
        for name in types:
            try:
                parts += await self._log(request, reader, (name,))
            except RetryableError:
                raise
            except MgdwError as refusal:
                refused[name] = refusal.cause
                if len(refused) == len(types):
                    raise
        return Deleted(parts, {"deleted_types_refused": refused})

    async def _log(self, request: BatchRequest, reader: Reader, types: tuple[str, ...]) -> list[Part]:
        selection = deletes_selection(request.table, request.window, self._overlap, self.zone, types)
        return (await reader.read(selection, "deletes")).parts

    async def _compared(self, request: BatchRequest, reader: Reader, reason: str) -> Deleted:
        selection = keys_selection(request.table, request.window.hi, self.zone)
        alive = await self.client.count(selection.count())
        if alive > self.settings.most_keys:
            return Deleted(
                details={
                    "warning": f"deletions wait for the next full run: {reason}, and {alive} keys are more than "
                    f"MGDW_NETSUITE_MOST_KEYS ({self.settings.most_keys}) to compare"
                }
            )
        read = await reader.read(selection, "keys")
        return Deleted(read.parts, {"warning": f"{read.rows} keys were compared to find deletions: {reason}"})

    @property
    def _overlap(self) -> timedelta:
        return timedelta(seconds=self.settings.overlap_seconds)
