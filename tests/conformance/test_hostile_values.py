"""Hostile values: STG equals the source exactly, or the row is set aside with its reason. Never altered."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connectors.contract import DataType
from connectors.errors import MgdwError
from tests.conformance.conftest import Bench, every
from tests.conformance.hostile.values import BARE, LONG_TEXT, UNSPEAKABLE, VALUES
from tests.conformance.ware import Value, Ware, Wire, stocked

HOSTILE = [
    "salesforce-hostile",
    "salesforce-rest-hostile",
    "netsuite-hostile",
    "zuora-hostile",
    "s3-hostile",
    "s3-jsonl-hostile",
]
JSON = ["salesforce-rest-hostile", "netsuite-hostile", "s3-jsonl-hostile"]


def fill(bench: Bench, of: DataType, values: list[Value]) -> str:
    """One row per value, in the column of that type; returns the field."""
    ware = bench.ware
    name = next(name for name, kind in ware.fields.items() if kind is of)
    for number, value in enumerate(values, 1):
        ware.put(number, {name: value}, stamp=ware.now - timedelta(hours=1))
    bench.station.show()
    return name


async def exact_or_set_aside(bench: Bench, name: str) -> None:
    """Load, and compare every row."""
    table = bench.table
    outcome = await bench.good_run()
    stored, expected = await bench.stored(), bench.ware.expected(table)
    doubtful = bench.ware.doubtful(table)
    column = table.fields.index(name)
    altered = {
        shown(bench.ware, key): (stored.get(key, ("nothing",) * 99)[column], row[column])
        for key, row in expected.items()
        if key not in doubtful and typed(stored.get(key, ())) != typed(row)
    }
    altered |= {
        shown(bench.ware, key): (stored[key][column], "quarantine or exactly that")
        for key in doubtful & set(stored)
        if typed(stored[key]) != typed(expected[key])
    }
    let_through = {shown(bench.ware, key): stored[key][column] for key in set(stored) - set(expected)}
    assert not altered
    assert not let_through
    quarantine = await bench.quarantine()
    set_aside = len(bench.ware.living) - len(stored)
    assert len(quarantine) == set_aside == sum(r.quarantined for r in outcome.results)
    assert {entry["column_name"] for entry in quarantine} <= {name.lower()}
    assert all(entry["reason"] and entry["raw_text"] for entry in quarantine)


def typed(row: tuple[object, ...]) -> list[tuple[str, object]]:
    """Values with their types: 1 is not True, nor 1.0."""
    return [(type(value).__name__, value) for value in row]


def shown(ware: Ware, key: object) -> str:
    """The text that was sent in the row of that key."""
    row = next(row for row in ware.living if ware.dialect.key_of(row.number) == key)
    (value,) = [value for value in row.values.values() if value is not None]
    return value.text if isinstance(value, Wire) else str(value)


@every(HOSTILE)
@pytest.mark.parametrize("of", VALUES)
async def test_every_value_arrives_exactly_or_is_set_aside(bench: Bench, of: DataType) -> None:
    name = fill(bench, of, [value for kind in VALUES[of].values() for value in kind])
    await exact_or_set_aside(bench, name)


@every(JSON)
@pytest.mark.parametrize("of", BARE)
async def test_what_json_says_without_quotes_is_taken_exactly_or_set_aside(bench: Bench, of: DataType) -> None:
    name = fill(bench, of, [value for kind in BARE[of].values() for value in kind])
    await exact_or_set_aside(bench, name)


@every(HOSTILE)
@pytest.mark.parametrize("kind", UNSPEAKABLE)
async def test_a_text_that_cannot_be_kept_is_refused_or_set_aside_but_never_altered(bench: Bench, kind: str) -> None:
    if bench.station.says_json:
        text = UNSPEAKABLE[kind].encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
        spelled = '"' + "".join(f"\\u{ord(c):04x}" for c in text) + '"'
        value: Value = Wire(spelled, text, bare=True)
    else:
        value = UNSPEAKABLE[kind]
        text = UNSPEAKABLE[kind]
    name = fill(bench, DataType.STRING, ["before", value, "after"])
    outcome = await bench.run()
    stored = [row[bench.table.fields.index(name)] for row in (await bench.stored()).values()]
    if outcome.failures:
        error = outcome.failures[0].error
        assert isinstance(error, MgdwError), repr(error)
        assert error.remedy
        assert error.facts["table"] == bench.table.name
        assert stored == []
    else:
        assert [v for v in stored if v not in ("before", "after", text)] == []
        assert {"before", "after"} <= set(stored)
        assert len(stored) + len(await bench.quarantine()) == 3


@every(HOSTILE)
async def test_a_text_of_five_megabytes_arrives_whole(bench: Bench) -> None:
    long = "0123456789abcde\n" * (LONG_TEXT // 16)
    fill(bench, DataType.STRING, ["short", long, None])
    await bench.good_run()
    stored = await bench.stored()
    assert sorted(len(str(row[1 if bench.ware.dialect.flag is None else 2] or "")) for row in stored.values()) == [
        0, 5, len(long),
    ]  # fmt: skip
    await bench.agrees()


@every(HOSTILE)
async def test_a_table_of_eight_hundred_columns_arrives_whole(bench: Bench) -> None:
    kinds = list(DataType)
    fields = {f"C{n}_{kinds[n % len(kinds)].lower()}": kinds[n % len(kinds)] for n in range(800)}
    bench.station.ware = bench.station.new_ware(fields)
    row = stocked(Ware(bench.ware.dialect, "x", "x", dict.fromkeys(range(6), DataType.STRING)), [3]).rows[3]  # type: ignore[arg-type]
    text, number, whole, truth, day, time = row.values.values()
    of = {
        DataType.STRING: text, DataType.NUMERIC: number, DataType.INT64: whole, DataType.BOOL: truth,
        DataType.DATE: day, DataType.TIMESTAMP: time,
    }  # fmt: skip
    for n in range(1, 4):
        values = {
            name: None if (i + n) % 5 == 0 else of[kind] for i, (name, kind) in enumerate(bench.ware.fields.items())
        }
        bench.ware.put(n, values, stamp=bench.ware.now - timedelta(hours=1))
    bench.station.show()
    await bench.good_run()
    await bench.agrees()


@every(HOSTILE)
async def test_a_hundred_rows_of_one_stamp_come_once_over_all_pages(bench: Bench) -> None:
    stamp = bench.ware.now - timedelta(minutes=90)
    for number in range(1, 101):
        bench.ware.put(number, {next(iter(bench.ware.fields)): f"row {number}"}, stamp=stamp)
    bench.station.show()
    await bench.good_run()
    await bench.agrees()


@every(HOSTILE)
async def test_rows_that_hold_nothing_but_their_key_arrive(bench: Bench) -> None:
    for number in range(1, 8):
        bench.ware.put(number, stamp=bench.ware.now - timedelta(hours=1))
    bench.station.show()
    await bench.good_run()
    await bench.agrees()
