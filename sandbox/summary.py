"""What one or more business days changed, as the servers now show it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Kind = Literal["insert", "update", "soft_delete", "hard_delete"]


@dataclass
class DaySummary:
    """The changes between `start` and `end` (UTC).

    Attributes:
        changes: rows by (`schema.table`, kind). A row inserted and deleted within the span counts as both.
        ids: keys of deleted rows by (`schema.table`, kind), as the source shows them.
        late: (`schema.table`, key) of rows whose stamp lies before the `now` at which they were still invisible.
        merged: (loser id, winner id) of merged Salesforce accounts.
        delivered: keys of new usage files.
        redelivered: keys of usage files that were delivered again with other content.
    """

    start: datetime
    end: datetime
    changes: Counter[tuple[str, Kind]] = field(default_factory=Counter)
    ids: dict[tuple[str, Kind], list[str | int]] = field(default_factory=dict)
    late: list[tuple[str, str]] = field(default_factory=list)
    merged: list[tuple[str, str]] = field(default_factory=list)
    delivered: list[str] = field(default_factory=list)
    redelivered: list[str] = field(default_factory=list)

    def add(self, later: DaySummary) -> None:
        """Include the day that follows."""
        self.end = later.end
        self.changes += later.changes
        for key, ids in later.ids.items():
            self.ids.setdefault(key, []).extend(ids)
        self.late += later.late
        self.merged += later.merged
        self.delivered += later.delivered
        self.redelivered += later.redelivered
