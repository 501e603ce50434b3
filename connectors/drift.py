"""How a source's schema moves away from the contract, and what is done about it. Pure functions.

A field that the source has and the contract does not name is reported once and fetched along, so that the lake has it
when someone adds the column. A field that was there and is gone is reported once and keeps its column. A field that
was never there is a mistake in the contract, or hidden from the integration user: its table is not loaded. A field of
another type than before is accepted where its column holds the new type as well, and refused otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from connectors.contract import Column, Table
from connectors.errors import TypeChanged, UnknownField


@dataclass(frozen=True)
class KnownField:
    """What the warehouse remembers of a source field: its type there, and whether it was gone when last looked at."""

    type: str | None = None
    gone: bool = False


@dataclass(frozen=True)
class SchemaDrift:
    """How the source's schema differs from the contract for one table, as the source describes it now.

    Attributes:
        missing: fields the contract asks for and the source lacks.
        added: fields the source has, would let us read, and the contract does not name.
        types: the source's own name of a field's type, where it tells one.
        is_known: False when the source could not be described now; then nothing is decided and nothing remembered.
    """

    table: str
    missing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict[str, str])
    is_known: bool = True


@dataclass(frozen=True)
class SchemaChange:
    """What is different since the last run: to be told to people once, and to be remembered.

    Attributes:
        first: True when nothing was known of the table, so that nothing is new either.
        absent: fields of the contract to be left out of the query.
        extra: fields to be fetched for the lake alone.
        added: fields beyond the contract, never seen before.
        removed, returned: fields of the contract, gone or back since the last run.
        retyped: field, type before, type now.
        fields: everything to remember.
    """

    table: str
    first: bool
    absent: tuple[str, ...]
    extra: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    returned: tuple[str, ...]
    retyped: tuple[tuple[str, str, str], ...]
    fields: Mapping[str, KnownField]

    @property
    def is_news(self) -> bool:
        """True when there is something to report."""
        return bool(self.added or self.removed or self.returned or self.retyped)

    def sentences(self) -> list[str]:
        """The news for people, one sentence per kind."""
        told: list[str] = []
        if self.added:
            told.append(
                f"{self.table}: new at the source: {', '.join(self.added)}. Kept in the lake from now on; "
                "declare a column in the contract and run `mgdw replay` to have it in STG."
            )
        if self.removed:
            told.append(
                f"{self.table}: gone at the source, or hidden from our user: {', '.join(self.removed)}. "
                "The column stays and keeps its values. If it was hidden by mistake, grant it again and load the "
                "table in full; otherwise take it out of the contract."
            )
        if self.returned:
            told.append(
                f"{self.table}: back at the source: {', '.join(self.returned)}. "
                "Load the table in full to fetch what changed meanwhile."
            )
        told += [f"{self.table}: {f} is now {now}, was {was}; its column holds both." for f, was, now in self.retyped]
        return told


Fits = Callable[[str, Column], bool]
"""Whether a value of the source's type always fits the column."""


def judge(table: Table, drift: SchemaDrift, known: Mapping[str, KnownField], fits: Fits) -> SchemaChange:
    """Decide what to fetch and what to report.

    Args:
        known: what was remembered of the table; empty on its first run.
        fits: the source's rule for types.

    Raises:
        UnknownField: the source lacks a field that it never had, or that identifies rows.
        TypeChanged: a field has a type that its column does not hold.
    """
    before = {name.casefold(): seen for name, seen in known.items()}
    if not drift.is_known:
        gone = tuple(f for f in table.fields if before.get(f.casefold(), KnownField()).gone)
        return SchemaChange(table.name, not known, gone, (), (), (), (), (), {})
    vital = {table.column(name).field for name in (*table.primary_key, table.cursor, table.deleted_flag) if name}
    unheard = [f for f in drift.missing if f in vital or f.casefold() not in before]
    if unheard:
        raise UnknownField(
            f"{table.name}: {table.source} object {table.object} lacks or hides from this user: {', '.join(unheard)}",
            table=table.name,
            fields=tuple(unheard),
        )
    types = {name.casefold(): of for name, of in drift.types.items()}
    retyped = _retyped(table, before, types, fits)
    present = [*(f for f in table.fields if f not in drift.missing), *drift.added]
    now = {f: KnownField(types.get(f.casefold()) or before.get(f.casefold(), KnownField()).type) for f in present}
    seen = {f.casefold() for f in now}
    now |= {f: KnownField(was.type, gone=True) for f, was in known.items() if f.casefold() not in seen}
    return SchemaChange(
        table=table.name,
        first=not known,
        absent=drift.missing,
        extra=drift.added,
        added=tuple(f for f in drift.added if known and f.casefold() not in before),
        removed=tuple(f for f in drift.missing if not before[f.casefold()].gone),
        returned=tuple(f for f in table.fields if f in present and before.get(f.casefold(), KnownField()).gone),
        retyped=retyped,
        fields=now,
    )


def _retyped(
    table: Table, before: Mapping[str, KnownField], types: Mapping[str, str], fits: Fits
) -> tuple[tuple[str, str, str], ...]:
    """Fields of the contract with another type than before. Raises TypeChanged where the column is too narrow."""
    found: list[tuple[str, str, str]] = []
    for column in table.columns:
        was, now = before.get(column.field.casefold(), KnownField()).type, types.get(column.field.casefold())
        if was is None or now is None or was == now:
            continue
        if not fits(now, column):
            raise TypeChanged(
                f"{table.name}: {column.field} is now {now} at the source, was {was}; "
                f"column {column.name} is {column.type} and does not hold every {now}",
                remedy="Declare the field under a new column name with a wider data_type in the contract (the old "
                "column keeps what it has), then run `mgdw replay` for the table.",
                table=table.name, field=column.field, was=was, now=now,
            )  # fmt: skip
        found.append((column.field, was, now))
    return tuple(found)


__all__ = ["Fits", "KnownField", "SchemaChange", "SchemaDrift", "judge"]
