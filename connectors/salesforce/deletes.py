"""Records that vanished: `/sobjects/X/deleted` of a window, as a `deletes` part.

Facts: "REST API Developer Guide", sObject Get Deleted, and "SOAP API Developer Guide", getDeleted(): seconds are
ignored, start and end lie more than a minute apart, nothing older than 15 days is known.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.batch import Part
from connectors.contract import Table
from connectors.errors import MgdwError
from connectors.http import HttpSession
from connectors.lake import Lake
from connectors.salesforce.soql import literal, parse
from connectors.window import Window

KNOWN_FOR = timedelta(days=14)
"""How far back to ask: a day less than Salesforce knows, counted from the window and not from its present."""
_SHORTEST = timedelta(minutes=2)
_UNSUPPORTED = {"NOT_FOUND", "INVALID_TYPE", "INVALID_TYPE_FOR_OPERATION", "FUNCTIONALITY_NOT_ENABLED"}


@dataclass(frozen=True)
class Deletes:
    """What Salesforce knows of vanished records. `known_since` is later than asked when older deletions are lost."""

    part: Part | None
    known_since: datetime | None


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

    async def copy(self, table: Table, window: Window, lake: Lake, prefix: str) -> Deletes:
        """Write the records deleted in `[lo - overlap, hi)` as JSON lines `{"Id", "deletedDate"}`.

        A record restored since is still listed: `deletedDate` says when it was gone, and the newest version wins.
        No part is written for a snapshot, which shows what is absent by itself, nor when nothing vanished.
        """
        asked = window.read_from(self._overlap)
        if asked is None:
            return Deletes(None, None)
        start = max(min(asked, window.hi - _SHORTEST), window.hi - KNOWN_FOR)
        try:
            answer = await self._session.request(
                "GET",
                f"{self._data_url}/sobjects/{table.object}/deleted/",
                params={"start": literal(start), "end": literal(window.hi)},
            )
        except MgdwError as error:
            if error.facts.get("code") in _UNSUPPORTED:
                return Deletes(None, None)
            raise
        body = answer.json()
        earliest = body.get("earliestDateAvailable")
        known_since = max(start, parse(earliest)) if earliest else start
        records = body.get("deletedRecords", [])
        if not records:
            return Deletes(None, known_since)
        async with lake.new_part(prefix, "deletes-00000.jsonl", kind="deletes", format="jsonl") as part:
            lines = (json.dumps({"Id": r["id"], "deletedDate": literal(parse(r["deletedDate"]))}) for r in records)
            await part.write(("\n".join(lines) + "\n").encode())
            part.finish(header=("Id", "deletedDate"), rows=len(records))
        return Deletes(part.part, known_since)
