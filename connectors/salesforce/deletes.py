"""Records that vanished: `/sobjects/X/deleted` of a window, as a `deletes` part.

Facts: "REST API Developer Guide", sObject Get Deleted, and "SOAP API Developer Guide", getDeleted(): seconds are
ignored, start and end lie more than a minute apart, nothing older than 15 days is known (less in a busy org: the log
is purged), and more than 600,000 ids in one answer are refused (EXCEEDED_ID_LIMIT).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connectors.batch import Part
from connectors.contract import Table
from connectors.errors import MgdwError
from connectors.http import HttpSession
from connectors.lake import Lake
from connectors.salesforce.soql import literal, parse
from connectors.window import Window

KNOWN_FOR = timedelta(days=14)
"""How far back to ask: a day less than Salesforce knows."""
SHORTEST = timedelta(minutes=2)
TOO_MANY_IDS = "EXCEEDED_ID_LIMIT"
_UNSUPPORTED = {"NOT_FOUND", "INVALID_TYPE", "INVALID_TYPE_FOR_OPERATION", "FUNCTIONALITY_NOT_ENABLED"}


@dataclass(frozen=True)
class Deletes:
    """What Salesforce knows of vanished records.

    Attributes:
        known_since: from when on deletions are known; None when they are not known at all.
        kept: False when Salesforce keeps no log for the object: its deletions are found by its keys alone.
    """

    part: Part | None
    known_since: datetime | None
    kept: bool = True

    def reach(self, window: Window) -> bool:
        """Whether every deletion since the window's start is among them."""
        return self.known_since is not None and (window.lo is None or self.known_since <= window.lo)


class DeleteLog:
    """Reads the org's log of deleted records.

    Args:
        session: logged in.
        data_url: `/services/data/vXX.X`.
        overlap: how far a window reads back.
    """

    def __init__(self, session: HttpSession, data_url: str, overlap: timedelta) -> None:
        self._session = session
        self._data_url = data_url
        self._overlap = overlap

    async def copy(self, table: Table, window: Window, now: datetime, lake: Lake, prefix: str) -> Deletes:
        """Write the records deleted in `[lo - overlap, hi)` as JSON lines `{"Id", "deletedDate"}`.

        A record restored since is still listed: `deletedDate` says when it was gone, and the newest version wins.
        No part is written when nothing vanished, when the log does not serve the object, and when more vanished than
        the log tells even of the shortest span.

        Args:
            now: Salesforce's clock.
        """
        asked = window.read_from(self._overlap)
        assert asked is not None, "a snapshot shows by itself what is absent"
        start = max(min(asked, window.hi - SHORTEST), now - KNOWN_FOR)
        if window.hi - start < SHORTEST:
            return Deletes(None, None)
        try:
            answers = await self._ask(table, start, window.hi)
        except MgdwError as error:
            if error.facts.get("code") in _UNSUPPORTED:
                return Deletes(None, None, kept=False)
            if error.facts.get("code") == TOO_MANY_IDS:
                return Deletes(None, None)
            raise
        earliest = [parse(answer["earliestDateAvailable"]) for answer in answers if answer.get("earliestDateAvailable")]
        known_since = max([start, *earliest])
        records = [record for answer in answers for record in answer.get("deletedRecords", [])]
        if not records:
            return Deletes(None, known_since)
        async with lake.new_part(prefix, "deletes-00000.jsonl", kind="deletes", format="jsonl") as part:
            lines = (json.dumps({"Id": r["id"], "deletedDate": literal(parse(r["deletedDate"]))}) for r in records)
            await part.write(("\n".join(lines) + "\n").encode())
            part.finish(header=("Id", "deletedDate"), rows=len(records))
        return Deletes(part.part, known_since)

    async def _ask(self, table: Table, start: datetime, end: datetime) -> list[dict[str, Any]]:
        """The answers for the span, halved where it holds too many ids. An id may occur in two of them."""
        try:
            answer = await self._session.request(
                "GET",
                f"{self._data_url}/sobjects/{table.object}/deleted/",
                params={"start": literal(start), "end": literal(end)},
            )
        except MgdwError as error:
            middle = (start + (end - start) / 2).replace(second=0, microsecond=0)
            # The later half is the longer one.
            if error.facts.get("code") != TOO_MANY_IDS or middle - start < SHORTEST:
                raise
            return [*await self._ask(table, start, middle), *await self._ask(table, middle, end)]
        return [answer.json()]
