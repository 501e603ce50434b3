"""The model source: one table as a dict, with a clock of its own, open transactions and a log of deletions."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from connectors.contract import Column, DataType, Table

Change = Literal["write", "delete"]

TEXTS = ("plain", "a,b", 'say "x"', "two\nlines", "ünïcode 漢字 🙂", "NULL", " spaces ", "it's 100% \\ slash", None)
NUMBERS = ("0", "-0.01", "12345678901234567890.123456789", "7.5", "100", None)
DOUBLES = ("0", "-0.01", "123456789012.25", "7.5", "100", None)
"""What a source has that keeps its numbers as doubles."""
WHOLES = (0, -1, 9_007_199_254_740_993, 42, None)
DAYS = (date(2024, 2, 29), date(1970, 1, 1), date(2099, 12, 31), None)


@dataclass
class Row:
    """The committed state of one record. `stamp` is what the cursor shows: whole seconds, when its change began."""

    values: dict[str, Any]
    stamp: datetime
    deleted_at: datetime | None = None
    """Set while a deleted record is kept (a recycle bin)."""


@dataclass(frozen=True)
class Pending:
    """A change whose transaction is open: it has its stamp, and nobody sees it."""

    change: Change
    seed: int
    stamp: datetime
    hard: bool = True


@dataclass
class ModelTable:
    """What the source has.

    Args:
        table: the contract's table.
        key: the key of the n-th record.
        now: the source's clock (UTC).
        lateness: the longest a transaction stays open: what the connector promises to cope with.
        keeps_deleted: a deleted record stays readable, marked, until it is purged.
        purges: a record may be deleted without a stay in the bin.

    Attributes:
        rows: by number of the record.
        log: (number, when) of each deletion.
        extra: fields that the contract does not name.
        dropped: fields of the contract that the source has no more.
        gone: records that were purged; a source never gives their ids to others.
        changes: goes up with each visible change.
    """

    table: Table
    key: Callable[[int], Any]
    now: datetime
    lateness: timedelta
    keeps_deleted: bool = False
    purges: bool = True
    rows: dict[int, Row] = field(default_factory=dict[int, Row])
    log: list[tuple[int, datetime]] = field(default_factory=list[tuple[int, datetime]])
    open: dict[int, Pending] = field(default_factory=dict[int, Pending])
    extra: list[str] = field(default_factory=list[str])
    dropped: list[str] = field(default_factory=list[str])
    gone: set[int] = field(default_factory=set[int])
    changes: int = 0

    @property
    def second(self) -> datetime:
        """The clock as a stamp shows it."""
        return self.now.replace(microsecond=0)

    def columns(self) -> dict[str, DataType]:
        """Fields that the source has now, with their types."""
        own = {c.field: c.type for c in self.table.columns if c.field not in self.dropped}
        return own | dict.fromkeys(self.extra, DataType.STRING)

    def live(self) -> dict[int, Row]:
        """Records that are not deleted."""
        return {n: row for n, row in self.rows.items() if row.deleted_at is None}

    def advance(self, seconds: float) -> None:
        """Let time pass; a transaction that would be open for too long is committed before."""
        target = self.now + timedelta(seconds=seconds)
        for number, pending in sorted(self.open.items(), key=lambda item: item[1].stamp):
            ends = pending.stamp + self.lateness
            if ends <= target:
                self.now = max(self.now, ends)
                self.commit(number)
        self.now = max(self.now, target)

    def write(self, number: int, seed: int) -> None:
        """Insert the record, or update it; a record in the bin or under a lock stays as it is."""
        if number not in self.open:
            self._apply(number, Pending("write", seed, self.second))

    def delete(self, number: int, *, hard: bool) -> None:
        """Delete a record; without `hard` it goes to the bin, where there is one."""
        if number not in self.open:
            self._apply(number, Pending("delete", 0, self.second, hard))

    def restore(self, number: int) -> None:
        """Bring a record back from the bin."""
        row = self.rows.get(number)
        if row is not None and row.deleted_at is not None and number not in self.open:
            row.deleted_at, row.stamp = None, self.second
            self.changes += 1

    def purge(self, number: int) -> None:
        """Empty the bin of a record."""
        row = self.rows.get(number)
        if row is not None and row.deleted_at is not None:
            del self.rows[number]
            self.gone.add(number)
            self.changes += 1

    def begin(self, number: int, change: Change, seed: int, *, hard: bool) -> None:
        """Open a transaction on a record: stamped now, seen when it commits."""
        self.open.setdefault(number, Pending(change, seed, self.second, hard))

    def commit(self, number: int) -> None:
        """End a transaction."""
        self._apply(number, self.open.pop(number))

    def commit_all(self) -> None:
        """End all transactions."""
        for number in list(self.open):
            self.commit(number)

    def _apply(self, number: int, pending: Pending) -> None:
        row = self.rows.get(number)
        if pending.change == "write":
            if number in self.gone or (row is not None and row.deleted_at is not None):
                return
            before = row.values if row else {}
            values = drawn(self.table, self.extra, pending.seed)
            # What nobody sees does not change.
            values |= {f: before.get(f) for f in self.dropped}
            self.rows[number] = Row(values, pending.stamp)
        elif row is not None and row.deleted_at is None:
            self.log.append((number, pending.stamp))
            if (pending.hard and self.purges) or not self.keeps_deleted:
                del self.rows[number]
                self.gone.add(number)
            else:
                row.deleted_at = row.stamp = pending.stamp
        self.changes += 1

    def value(self, number: int, field_name: str) -> Any:
        """A field of a record as it is stored."""
        row = self.rows[number]
        if field_name == self.table.column(self.table.primary_key[0]).field:
            return self.key(number)
        if self.table.cursor and field_name == self.table.cursor_field:
            return row.stamp
        if self.table.deleted_flag and field_name == self.table.column(self.table.deleted_flag).field:
            return row.deleted_at is not None
        return row.values.get(field_name)

    def expected(self, number: int) -> dict[str, Any]:
        """The record as STG should hold it, by column name."""
        return {c.name: self.value(number, c.field) for c in self.table.columns}


def drawn(table: Table, extra: list[str], seed: int) -> dict[str, Any]:
    """Values for all fields but key, cursor and flag; the same for the same seed."""
    chance = random.Random(seed)
    special = {*table.primary_key, table.cursor, table.deleted_flag}
    values = {
        c.field: _value(c, chance, doubles=table.source == "salesforce") for c in table.columns if c.name not in special
    }
    return values | {name: f"{name} {seed}" for name in extra}


def _value(column: Column, chance: random.Random, *, doubles: bool) -> Any:
    match column.type:
        case DataType.STRING:
            return chance.choice(TEXTS)
        case DataType.NUMERIC:
            text = chance.choice(DOUBLES if doubles else NUMBERS)
            return None if text is None else Decimal(text)
        case DataType.INT64:
            return chance.choice(WHOLES[:2] if doubles else WHOLES)
        case DataType.BOOL:
            return chance.choice((True, False, None))
        case DataType.DATE:
            return chance.choice(DAYS)
        case DataType.TIMESTAMP:
            return chance.choice((datetime(2026, 3, 29, 1, 30, tzinfo=UTC), None))


def contract_table(
    source: str, name: str, object_name: str, fields: dict[str, tuple[str, DataType]], **options: Any
) -> Table:
    """A table of the contract: column -> (field, type); its first column is the key."""
    key = next(iter(fields))
    columns = tuple(Column(c, kind, f, "", required=c == key) for c, (f, kind) in fields.items())
    return Table(source, name, "", object_name, columns, (key,), **options)
