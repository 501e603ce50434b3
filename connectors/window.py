"""Half-open time windows `[lo, hi)` and what a set of them covers. Pure functions, all times UTC."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, order=True)
class Window:
    """`[lo, hi)` in UTC. `lo` is None for everything from the beginning (a snapshot of the whole object)."""

    lo: datetime | None
    hi: datetime

    def __post_init__(self) -> None:
        for stamp in (self.lo, self.hi):
            if stamp is not None and stamp.utcoffset() != timedelta(0):
                raise ValueError(f"a window needs UTC stamps, got {stamp!r}")
        if self.lo is not None and self.lo > self.hi:
            raise ValueError(f"a window cannot end before it starts: {self.lo} > {self.hi}")

    @property
    def is_snapshot(self) -> bool:
        """True when the window starts at the beginning of time, so that absent keys are deleted keys."""
        return self.lo is None

    def read_from(self, overlap: timedelta) -> datetime | None:
        """Where the query starts: `lo` less the overlap, so that rows committed late are read again."""
        return None if self.lo is None else self.lo - overlap

    def __str__(self) -> str:
        return f"[{self.lo.isoformat() if self.lo else 'beginning'}, {self.hi.isoformat()})"


def covered_until(windows: Iterable[Window]) -> datetime | None:
    """The end of the gapless coverage from the beginning of time, or None when there is none.

    A window that starts after a gap does not count: the gap is loaded first.
    """
    reach: datetime | None = None
    snapshots = [w.hi for w in windows if w.lo is None]
    if not snapshots:
        return None
    reach = max(snapshots)
    for window in sorted((w for w in windows if w.lo is not None), key=lambda w: (w.lo, w.hi)):
        if window.lo is not None and window.lo <= reach:
            reach = max(reach, window.hi)
    return reach


def next_window(loaded: Iterable[Window], horizon: datetime, *, full: bool) -> Window | None:
    """The window to load next, or None when there is nothing newer than what is loaded.

    Args:
        loaded: the windows the ledger holds for the table.
        horizon: the newest instant that is safe to read, from the source's own clock.
        full: read the whole object again, whatever is loaded.
    """
    loaded = list(loaded)
    reach = covered_until(loaded)
    if full or reach is None:
        window = Window(None, horizon)
        return None if window in loaded else window
    return Window(reach, horizon) if horizon > reach else None


def split(window: Window, step: timedelta) -> list[Window]:
    """The window in pieces of `step`, oldest first, without a gap; the last one may be shorter.

    Raises:
        ValueError: the window has no beginning, or the step is not positive.
    """
    if window.lo is None or step <= timedelta(0):
        raise ValueError(f"{window} cannot be cut in pieces of {step}")
    pieces: list[Window] = []
    start = window.lo
    while start < window.hi:
        end = min(start + step, window.hi)
        pieces.append(Window(start, end))
        start = end
    return pieces
