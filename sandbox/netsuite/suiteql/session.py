"""What a query's meaning depends on besides its text: the clock, the user's time zone and date format."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sandbox.netsuite.schema import Schema


@dataclass(frozen=True)
class Session:
    """One query's surroundings.

    Attributes:
        now: the business clock, UTC.
        zone: IANA name of the time zone in which stamps are shown and read.
        date_format: how a date is written when TO_CHAR is not asked, in `strftime` terms.
    """

    schema: Schema
    now: datetime
    zone: str = "UTC"
    date_format: str = "%-m/%-d/%Y"

    @property
    def local_now(self) -> str:
        """SYSDATE as a DuckDB literal."""
        return _literal(self.now.astimezone(ZoneInfo(self.zone)))

    @property
    def utc_now(self) -> str:
        """SYS_EXTRACT_UTC(SYSTIMESTAMP) as a DuckDB literal."""
        return _literal(self.now.astimezone(UTC))

    @property
    def utc_offset(self) -> str:
        """The zone's present offset as Oracle's TZH:TZM writes it, e.g. `-04:00`."""
        offset = self.now.astimezone(ZoneInfo(self.zone)).utcoffset() or timedelta(0)
        minutes = int(offset.total_seconds() // 60)
        return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"

    def local(self, column: str) -> str:
        """DuckDB expression of a UTC column as local time."""
        if self.zone == "UTC":
            return column
        return f"timezone('{self.zone}', timezone('UTC', {column}))"


def _literal(moment: datetime) -> str:
    return f"TIMESTAMP '{moment:%Y-%m-%d %H:%M:%S}'"
