"""The account's clock, and whether it shows the zone that the settings name."""
# ruff: noqa: S608 - the text is made of constants

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.errors import ConfigurationError, UnreadableFile
from connectors.netsuite.zone import STAMP_FORMAT, Zone

CLOCK_QUERY = (
    f"SELECT TO_CHAR(SYSDATE, '{STAMP_FORMAT}') AS account_time, "
    f"TO_CHAR(SYS_EXTRACT_UTC(SYSTIMESTAMP), '{STAMP_FORMAT}') AS utc_time FROM DUAL"
)
_QUARTER = timedelta(minutes=15)


@dataclass(frozen=True)
class ClockReading:
    """What the account's clock showed: the instant, and local time less UTC, rounded to a quarter of an hour."""

    now: datetime
    offset: timedelta


def read_clock(row: Mapping[str, Any]) -> ClockReading:
    """The answer to CLOCK_QUERY. Raises UnreadableFile."""
    try:
        local, utc = (datetime.fromisoformat(row[name]).replace(tzinfo=UTC) for name in ("account_time", "utc_time"))
    except (KeyError, TypeError, ValueError):
        raise UnreadableFile(f"netsuite: the account's clock is not readable: {dict(row)}") from None
    return ClockReading(utc, round((local - utc) / _QUARTER) * _QUARTER)


def check_zone(zone: Zone, name: str, reading: ClockReading) -> None:
    """Raise ConfigurationError unless the account's clock shows the zone the settings name."""
    wanted = zone.offset_at(reading.now)
    if reading.offset != wanted:
        raise ConfigurationError(
            f"netsuite: the account's clock is {_spelled(reading.offset)}, the settings say {name} "
            f"({_spelled(wanted)} at {reading.now:%Y-%m-%d %H:%M} UTC)",
            remedy="Set MGDW_NETSUITE_TIME_ZONE to the integration user's time zone (Home > Set Preferences > Time "
            "Zone), or pin that user to GMT and leave the setting at UTC.",
            measured=_spelled(reading.offset),
        )


def _spelled(offset: timedelta) -> str:
    minutes = int(offset.total_seconds() // 60)
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
