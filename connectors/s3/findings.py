"""What people should know of a table's deliveries besides what was loaded. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from itertools import groupby

from connectors.batch import FileRef
from connectors.contract import Expected, Table
from connectors.s3.sets import Waiting
from connectors.source import Finding

LOOK_BACK = timedelta(days=14)
"""How long an old shortcoming is told again with each run."""
_DIGITS = {"%Y": r"(?P<Y>\d{4})", "%m": r"(?P<m>\d{2})", "%d": r"(?P<d>\d{2})"}
_SHOWN = 5


def waiting_files(table: Table, waiting: Iterable[Waiting], now: datetime, patience: timedelta) -> list[Finding]:
    """One finding a reason; an alert when the oldest file has waited longer than `patience`."""
    found: list[Finding] = []
    for reason, group in groupby(sorted(waiting, key=lambda w: (w.reason, w.file.key)), key=lambda w: w.reason):
        files = [w.file for w in group]
        age = now - min(f.last_modified for f in files)
        who = f"{files[0].key} waits" if len(files) == 1 else f"{len(files)} files wait, {files[0].key} among them"
        text = f"{table.name}: {who} since {_long(age)}: {reason}."
        if age > patience:
            text += " Ask the sender to finish the delivery."
        found.append(Finding(table.name, text, is_alert=age > patience))
    return found


def empty_files(table: Table, empty: Iterable[FileRef], loaded: Iterable[str], now: datetime) -> list[Finding]:
    """Objects of zero bytes where a file should be. `loaded`: the keys of which the ledger has a delivery."""
    keys = set(loaded)
    found: list[Finding] = []
    for file in empty:
        if now - file.last_modified > LOOK_BACK and file.key not in keys:
            continue
        was = " It had rows before; they stay until a whole file comes." if file.key in keys else ""
        found.append(Finding(table.name, f"{table.name}: {file.key} is empty (0 bytes) and not loaded.{was}", True))
    return found


def same_content(table: Table, twins: Mapping[str, str]) -> list[Finding]:
    """Files of this run whose bytes were delivered before under another key."""
    return [
        Finding(
            table.name,
            f"{table.name}: {key} has the same content as {twin}. Its rows replace the same rows, nothing is doubled; "
            "ask the sender whether the file of another day was meant.",
            is_alert=True,
        )
        for key, twin in twins.items()
    ]


def late(table: Table, keys: Iterable[str], newest: datetime | None, now: datetime) -> list[Finding]:
    """Files that should be there by the contract.

    Args:
        keys: of all files that were ever seen: listed, or in the ledger.
        newest: time of the newest delivery.
    """
    expected = table.files.expected
    if expected:
        missing = missing_dates(expected, keys, now.date())
        if not missing:
            return []
        shown = ", ".join(str(day) for day in missing[:_SHOWN]) + (" …" if len(missing) > _SHOWN else "")
        days = "day" if len(missing) == 1 else "days"
        text = f"{table.name}: the file is missing for {len(missing)} {days}: {shown}. Ask the sender for it."
        return [Finding(table.name, text, is_alert=True)]
    limit = table.files.stale_after
    if newest is None or limit is None or now - newest <= limit:
        return []
    text = (
        f"{table.name}: the newest file came {_long(now - newest)} ago, more than the {_long(limit)} of its freshness. "
        "Ask the sender whether the delivery stopped."
    )
    return [Finding(table.name, text, is_alert=True)]


def missing_dates(expected: Expected, keys: Iterable[str], today: date) -> list[date]:
    """The days of the last two weeks for which a file is overdue, without the gaps that are nothing unusual.

    Nothing is expected before the first day there ever was.
    """
    present = {day for key in keys if (day := date_in(key, expected.date))}
    if not present:
        return []
    last = today - timedelta(days=2 + expected.grace_days)
    first = max(min(present), last - LOOK_BACK)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    due = [day for day in days if expected.every == "day" or day.weekday() < 5]
    gaps = [list(group) for there, group in groupby(due, key=lambda day: day in present) if not there]
    return [day for gap in gaps if len(gap) > expected.gap_days for day in gap]


def date_in(key: str, pattern: str) -> date | None:
    """The date in a key, written like `pattern`; None without one."""
    parts = re.split("(%[Ymd])", pattern)
    found = re.search(r"(?<!\d)" + "".join(_DIGITS.get(part) or re.escape(part) for part in parts), key)
    if found is None:
        return None
    try:
        return date(int(found["Y"]), int(found["m"]), int(found["d"]))
    except ValueError:
        return None


def _long(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    if hours < 1:
        return f"{span.total_seconds() / 60:.0f} min"
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"
