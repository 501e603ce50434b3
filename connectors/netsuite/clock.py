"""The account's clock and zone: SuiteQL speaks local time, everything we store is UTC."""
# ruff: noqa: S608 - the texts are made of constants

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connectors.errors import ConfigurationError, UnreadableFile

STAMP_FORMAT = "YYYY-MM-DD HH24:MI:SS"
CLOCK_QUERY = (
    f"SELECT TO_CHAR(SYSDATE, '{STAMP_FORMAT}') AS account_time, "
    f"TO_CHAR(SYS_EXTRACT_UTC(SYSTIMESTAMP), '{STAMP_FORMAT}') AS utc_time FROM DUAL"
)
_QUARTER = timedelta(minutes=15)
_FIRST_YEAR = 2000
_PIN = (
    "Pin the integration user's time zone to GMT (Home > Set Preferences > Time Zone) and leave "
    "MGDW_NETSUITE_TIME_ZONE at UTC, or name there a zone without summer time."
)


@dataclass(frozen=True)
class FixedZone:
    """A zone that never changes its clocks. `offset` is local time less UTC."""

    offset: timedelta = timedelta(0)

    def literal(self, stamp: datetime) -> str:
        """A UTC instant as a SuiteQL timestamp in the account's time."""
        local = (stamp.astimezone(UTC) + self.offset).strftime("%Y-%m-%d %H:%M:%S")
        return f"TO_TIMESTAMP('{local}', '{STAMP_FORMAT}')"

    def utc_text(self, field: str) -> str:
        """An expression for the text of a timestamp column in UTC (Oracle adds days, so minutes are parts of 1,440)."""
        minutes = int(self.offset.total_seconds() // 60)
        shift = f" {'-' if minutes > 0 else '+'} {abs(minutes)}/1440" if minutes else ""
        return f"TO_CHAR({field}{shift}, '{STAMP_FORMAT}')"


@dataclass(frozen=True)
class ClockReading:
    """What the account's clock showed: the instant, and local time less UTC, rounded to a quarter of an hour."""

    now: datetime
    offset: timedelta


def fixed_zone(name: str, until: datetime) -> FixedZone:
    """The zone of that IANA name.

    Raises:
        ConfigurationError: there is no such zone, or its offset changed between 2000 and `until`: where clocks are
            set back an hour happens twice, and a change in it could not be ordered.
    """
    try:
        zone = ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ConfigurationError(f"netsuite: there is no time zone {name!r}", remedy=_PIN) from None
    offsets = {
        datetime(year, month, 1, tzinfo=zone).utcoffset() or timedelta(0)
        for year in range(_FIRST_YEAR, until.year + 1)
        for month in range(1, 13)
    }
    if len(offsets) > 1:
        raise ConfigurationError(f"netsuite: {name} has summer time, so its stamps have no sure order", remedy=_PIN)
    return FixedZone(offsets.pop())


def read_clock(row: Mapping[str, Any]) -> ClockReading:
    """The answer to CLOCK_QUERY. Raises UnreadableFile."""
    try:
        local, utc = (datetime.fromisoformat(row[name]).replace(tzinfo=UTC) for name in ("account_time", "utc_time"))
    except (KeyError, TypeError, ValueError):
        raise UnreadableFile(f"netsuite: the account's clock is not readable: {dict(row)}") from None
    return ClockReading(utc, round((local - utc) / _QUARTER) * _QUARTER)


def check_zone(zone: FixedZone, name: str, reading: ClockReading) -> None:
    """Raise ConfigurationError unless the account's clock shows the zone the settings name."""
    if reading.offset != zone.offset:
        raise ConfigurationError(
            f"netsuite: the account's clock is {_spelled(reading.offset)}, the settings say {name} "
            f"({_spelled(zone.offset)})",
            remedy=_PIN,
            measured=_spelled(reading.offset),
        )


def _spelled(offset: timedelta) -> str:
    minutes = int(offset.total_seconds() // 60)
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
