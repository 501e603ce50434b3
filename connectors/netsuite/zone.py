"""Local time and UTC: SuiteQL shows and reads stamps in the account's zone, everything we store is UTC.

SuiteQL has no documented function that converts a stored stamp (`SYS_EXTRACT_UTC` is known for the clock alone), so the
query does it by arithmetic: a CASE over the instants at which the zone's clocks change.

In autumn an hour of local time happens twice, and a stamp in it may mean either of two instants. It is taken for the
later one that lies before the end of the window, else for the earlier one. So no version of a row looks older than one
that was read before: what was read in a window is taken for an instant before the window's end, while whatever changed
since has its true instant, and therefore the chosen one, after it. Windows are widened over that hour, so that no row
is lost; a row that was taken an hour too early is read again by the next window and put right. The result depends on
the window alone: the same batch always has the same stamps.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from connectors.errors import ConfigurationError

STAMP_FORMAT = "YYYY-MM-DD HH24:MI:SS"
_FIRST_YEAR = 1998
"""NetSuite keeps no stamps of its own from before it was founded."""
_STEP = timedelta(days=7)
_END_OF_TIME = datetime(9999, 12, 31)  # noqa: DTZ001 - local time
_FAR = datetime(9999, 1, 1, tzinfo=UTC)
_NOTHING = timedelta(0)


@dataclass(frozen=True)
class Change:
    """Clocks are set forward or back: the instant (UTC), and local time less UTC before it and from it on."""

    at: datetime
    before: timedelta
    after: timedelta


@dataclass(frozen=True)
class Zone:
    """A time zone's offsets. `offset` is local time less UTC before the first change."""

    offset: timedelta = _NOTHING
    changes: tuple[Change, ...] = ()

    def offset_at(self, instant: datetime) -> timedelta:
        """Local time less UTC at a UTC instant."""
        past = [change.after for change in self.changes if change.at <= instant]
        return past[-1] if past else self.offset

    def lower(self, stamp: datetime) -> str:
        """A SuiteQL timestamp: the earliest local time shown at `stamp` (UTC) or later."""
        return literal(self._lowest(stamp))

    def upper(self, stamp: datetime) -> str:
        """A SuiteQL timestamp: the earliest local time that is later than all shown before `stamp` (UTC)."""
        before = [c.after for c in self.changes if c.at < stamp]
        shown = [
            stamp + (before[-1] if before else self.offset),
            *(c.at + c.before for c in self.changes if c.at < stamp),
        ]
        return literal(max(shown))

    def utc_text(self, field: str, hi: datetime, since: datetime | None = None) -> str:
        """An expression for the text of a timestamp column in UTC.

        Args:
            hi: end of the window that is read (UTC); decides what a stamp of a repeated hour means.
            since: the column holds nothing older (UTC); it only makes the expression short.
        """
        pieces = self._pieces(hi)
        if since is not None:
            earliest = self._lowest(since)
            pieces = [piece for piece in pieces if piece[0] is None or piece[0] > earliest]
        if len(pieces) == 1 and not pieces[0][1]:
            return f"TO_CHAR({field}, '{STAMP_FORMAT}')"
        # The last day there is cannot be moved on: Oracle refuses the year 10000.
        whens = [f"WHEN {field} >= {literal(_END_OF_TIME)} THEN 0"]
        whens += [f"WHEN {field} < {literal(until)} THEN {_days(-offset)}" for until, offset in pieces[:-1] if until]
        return f"TO_CHAR({field} + CASE {' '.join(whens)} ELSE {_days(-pieces[-1][1])} END, '{STAMP_FORMAT}')"

    def _lowest(self, stamp: datetime) -> datetime:
        return min(stamp + self.offset_at(stamp), *(c.at + c.after for c in self.changes if c.at > stamp), _FAR)

    def _pieces(self, hi: datetime) -> list[tuple[datetime | None, timedelta]]:
        """Local times as (until, offset), oldest first; the last has no end."""
        pieces: list[tuple[datetime | None, timedelta]] = []

        def until(local: datetime, offset: timedelta) -> None:
            last = pieces[-1][0] if pieces else None
            if last is None or local > last:
                pieces.append((local, offset))

        for change in self.changes:
            first, last = change.at + change.after, change.at + change.before
            if first >= last:
                until(first, change.before)
                continue
            until(first, change.before)
            until(min(max(hi + change.after, first), last), change.after)
            if hi + change.after < last:
                until(last, change.before)
        return [*pieces, (None, self.changes[-1].after if self.changes else self.offset)]


def literal(local: datetime) -> str:
    """A local time as a SuiteQL timestamp; SuiteQL knows no other literal for one."""
    return f"TO_TIMESTAMP('{local:%Y-%m-%d %H:%M:%S}', '{STAMP_FORMAT}')"


@lru_cache(maxsize=64)
def zone_named(name: str, last_year: int) -> Zone:
    """The zone of that IANA name, with its changes from 1998 to the end of `last_year`.

    Raises:
        ConfigurationError: there is no such zone.
    """
    try:
        zone = ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ConfigurationError(
            f"netsuite: there is no time zone {name!r}",
            remedy="Set MGDW_NETSUITE_TIME_ZONE to the IANA name of the integration user's time zone, for example "
            "America/New_York.",
        ) from None

    def offset(instant: datetime) -> timedelta:
        return instant.astimezone(zone).utcoffset() or _NOTHING

    start, end = datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC), datetime(last_year + 1, 1, 1, tzinfo=UTC)
    changes: list[Change] = []
    at = start
    while at < end:
        if offset(at) != offset(at + _STEP):
            known, changed = at, at + _STEP
            while changed - known > timedelta(seconds=1):
                middle = known + timedelta(seconds=int((changed - known).total_seconds()) // 2)
                known, changed = (middle, changed) if offset(middle) == offset(at) else (known, middle)
            changes.append(Change(changed, offset(at), offset(changed)))
        at += _STEP
    return Zone(offset(start), tuple(changes))


def _days(offset: timedelta) -> str:
    """A duration as Oracle adds it: in days, so minutes are parts of 1,440."""
    minutes = int(offset.total_seconds() // 60)
    return f"{minutes}/1440" if minutes else "0"
