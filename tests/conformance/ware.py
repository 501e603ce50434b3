"""What a source holds in these tests: one object whose every row is known. The oracle of the whole suite.

A `Ware` is plain data. A sandbox or a hostile server shows it to the connector, each in its own way, and STG must
then equal `expected()`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from connectors.contract import Column, DataType, Table

Plain = str | int | Decimal | bool | date | datetime | None
MISFIT = object()
"""The outcome of a text that its column cannot hold: the row is in quarantine."""
EPOCH = datetime(2026, 6, 15, 6, tzinfo=UTC)


@dataclass(frozen=True)
class Wire:
    """A value sent in just these characters, and what STG must hold for them.

    Attributes:
        text: as the source writes it.
        value: the typed value, or MISFIT.
        bare: in JSON, a number or literal and not a string.
        or_refused: quarantine is as good, because the text says more than the format keeps.
    """

    text: str
    value: object
    bare: bool = False
    or_refused: bool = False


Value = Plain | Wire


@dataclass
class Row:
    """One row at the source. `stamp` is its last change (UTC), `deleted_at` when it was deleted, if it is."""

    number: int
    values: dict[str, Value]
    stamp: datetime
    deleted_at: datetime | None = None


@dataclass(frozen=True)
class Dialect:
    """How a source names and keys its objects.

    Attributes:
        cursor: None for file sources.
        flag: field that marks a soft-deleted row; None where the source has none.
        key_type: INT64 or STRING.
    """

    source: str
    key: str
    cursor: str | None
    flag: str | None = None
    key_type: DataType = DataType.STRING
    key_text: str = "{:d}"
    format: str | None = None

    def key_of(self, number: int) -> str | int:
        """The key of row `number`."""
        return number if self.key_type is DataType.INT64 else self.key_text.format(number)


@dataclass
class Ware:
    """One object at the source.

    Attributes:
        fields: its own fields, besides key, cursor and deletion flag, with their types.
        now: the source's clock (UTC, whole seconds).
        log: (number, time) of every deletion, restored or not.
        lacking: fields that the source does not have, or hides, though rows hold values.
    """

    dialect: Dialect
    object: str
    name: str
    fields: dict[str, DataType]
    now: datetime = EPOCH
    rows: dict[int, Row] = field(default_factory=dict[int, Row])
    log: list[tuple[int, datetime]] = field(default_factory=list[tuple[int, datetime]])
    lacking: set[str] = field(default_factory=set[str])

    @property
    def all_fields(self) -> dict[str, DataType]:
        """Key, own fields, deletion flag, cursor: as the source shows them."""
        dialect = self.dialect
        found = {dialect.key: dialect.key_type}
        if dialect.flag:
            found[dialect.flag] = DataType.BOOL
        found |= {name: of for name, of in self.fields.items() if name not in self.lacking}
        if dialect.cursor:
            found[dialect.cursor] = DataType.TIMESTAMP
        return found

    def table(self, *more: str, object_name: str | None = None) -> Table:
        """The contract for it; `more` are fields (text) that the contract wants as well."""
        dialect = self.dialect
        types = {dialect.key: dialect.key_type}
        types |= {dialect.flag: DataType.BOOL} if dialect.flag else {}
        types |= self.fields | dict.fromkeys(more, DataType.STRING)
        types |= {dialect.cursor: DataType.TIMESTAMP} if dialect.cursor else {}
        columns = tuple(Column(f.lower(), of, f, "", required=f == dialect.key) for f, of in types.items())
        return Table(
            dialect.source, self.name, "", object_name or self.object, columns, (dialect.key.lower(),),
            dialect.cursor.lower() if dialect.cursor else None,
            deleted_flag=dialect.flag.lower() if dialect.flag else None, format=dialect.format,
        )  # fmt: skip

    def put(self, number: int, values: Mapping[str, Value] | None = None, *, stamp: datetime | None = None) -> None:
        """Insert a row, or change some of its values; it is alive afterwards."""
        before = self.rows[number].values if number in self.rows else dict.fromkeys(self.fields)
        self.rows[number] = Row(number, {**before, **(values or {})}, stamp or self.now)

    def delete(self, number: int) -> None:
        """Delete a row now."""
        row = self.rows[number]
        row.stamp, row.deleted_at = self.now, self.now
        self.log.append((number, self.now))

    def tick(self, **length: float) -> None:
        """Let time pass; a minute if nothing else is said."""
        self.now += timedelta(**(length or {"minutes": 1}))

    def value(self, row: Row, name: str) -> Value:
        """A field of a row, key, flag and cursor included."""
        dialect = self.dialect
        if name == dialect.key:
            return dialect.key_of(row.number)
        if name == dialect.flag:
            return row.deleted_at is not None
        return row.stamp if name == dialect.cursor else row.values.get(name)

    @property
    def living(self) -> list[Row]:
        """Rows that are not deleted, by key."""
        return [row for _, row in sorted(self.rows.items()) if row.deleted_at is None]

    def expected(self, table: Table) -> dict[object, tuple[object, ...]]:
        """The living rows of STG by key, leaving out those that belong into quarantine."""
        return {
            self.dialect.key_of(row.number): tuple(self._typed(row, c.field) for c in table.columns)
            for row in self.living
            if not self.misfits(row, table)
        }

    def misfits(self, row: Row, table: Table) -> list[str]:
        """Columns of the row that do not fit."""
        return [c.name for c in table.columns if _is_misfit(self.value(row, c.field))]

    def doubtful(self, table: Table) -> set[object]:
        """Keys of the rows that may be in quarantine as well as in STG."""
        return {
            self.dialect.key_of(row.number)
            for row in self.living
            if any(isinstance(v := row.values.get(c.field), Wire) and v.or_refused for c in table.columns)
        }

    def _typed(self, row: Row, name: str) -> object:
        value = self.value(row, name)
        found = value.value if isinstance(value, Wire) else value
        if isinstance(found, datetime):
            return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
        return None if found == "" else found


def _is_misfit(value: Value) -> bool:
    return isinstance(value, Wire) and value.value is MISFIT


PLAIN_FIELDS = {
    "Name": DataType.STRING,
    "Amount": DataType.NUMERIC,
    "Places": DataType.INT64,
    "Active": DataType.BOOL,
    "Since": DataType.DATE,
    "Seen": DataType.TIMESTAMP,
}
"""One field of each type, under harmless names."""


def stocked(ware: Ware, numbers: Iterable[int]) -> Ware:
    """Put so many rows into a ware with PLAIN_FIELDS (any names), an hour before now."""
    earlier = ware.now - timedelta(hours=1)
    for n in numbers:
        ware.put(n, dict(zip(ware.fields, _sample(n), strict=False)), stamp=earlier)
    return ware


def _sample(n: int) -> tuple[Value, ...]:
    day = date(2024, 2, 28) + timedelta(days=n)
    name = None if n % 7 == 0 else f"Customer {n}, “größer”"
    seen = datetime(2026, 1, 1, 12, 30, tzinfo=UTC) + timedelta(hours=n)
    return name, Decimal(f"{n * 3}.25"), n, n % 2 == 0, day, None if n % 5 == 0 else seen
