"""Accounts whose clocks change twice a year: no row is lost, and every stamp is UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connectors.batch import BatchRequest
from connectors.lake.local import LocalLake
from connectors.window import Window
from tests.connectors.netsuite.conftest import CUSTOMER, Office, extracted, records
from tests.connectors.netsuite.test_zone import TURNS

CHANGES = [(name, turn) for name, turns in TURNS.items() for turn in turns]
USUAL = [CHANGES[1], CHANGES[2]]
STEP = timedelta(minutes=10)


def stamped(office: Office, around: datetime) -> dict[int, datetime]:
    """Customers changed every ten minutes, from 150 minutes before to 130 after."""
    stamps = {i: around + STEP * (i - 16) for i in range(1, 30)}
    office.world.sql("UPDATE netsuite.customer SET _deleted_at = NULL")
    office.world.sql("DELETE FROM netsuite.customer WHERE id > 29")
    for i, stamp in stamps.items():
        office.world.sql(f"UPDATE netsuite.customer SET lastmodifieddate = '{stamp:%Y-%m-%d %H:%M:%S}' WHERE id = {i}")
        office.world.sql(
            f"INSERT INTO netsuite.\"DeletedRecord\" VALUES ({1000 + i}, 'customer', '{stamp:%Y-%m-%d %H:%M:%S}')"
        )
    return stamps


def read_stamp(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(("zone", "turn"), CHANGES)
async def test_after_the_change_every_stamp_is_exact_but_for_the_hour_that_came_twice(
    tiny: Office, lake: LocalLake, zone: str, turn: str
) -> None:
    at = datetime.fromisoformat(turn).replace(tzinfo=UTC)
    stamps = stamped(tiny, at)
    tiny.account.options.time_zone = zone
    tiny.world.now = at + timedelta(days=1)
    async with tiny.source(time_zone=zone) as source:
        assert await source.horizon(CUSTOMER) == tiny.world.now
        request = BatchRequest(CUSTOMER, Window(at - timedelta(days=1), tiny.world.now))
        manifest = (await extracted(source, lake, [request]))["netsuite_customers"]
    found = {int(r["id"]): read_stamp(r["lastmodifieddate"]) for r in records(lake, manifest)}
    assert found.keys() == stamps.keys()
    gained = {i: found[i] - stamp for i, stamp in stamps.items() if found[i] != stamp}
    back = timedelta(minutes=30) if zone == "Australia/Lord_Howe" else timedelta(hours=1)
    assert all(gain == back and at - back <= stamps[i] < at for i, gain in gained.items())
    gone = {int(r["id"]) - 1000: read_stamp(r["deleteddate"]) for r in records(lake, manifest, "deletes")}
    assert {i: stamp for i, stamp in gone.items() if i > 0} == found


@pytest.mark.parametrize(
    ("zone", "turn"), [pytest.param(*c, marks=() if c in USUAL else pytest.mark.slow) for c in CHANGES]
)
async def test_short_windows_across_the_change_hold_every_row_and_end_exact(
    tiny: Office, lake: LocalLake, zone: str, turn: str
) -> None:
    """The clock moves on while rows change; each run sees only what was changed before it."""
    at = datetime.fromisoformat(turn).replace(tzinfo=UTC)
    stamps = stamped(tiny, at)
    tiny.account.options.time_zone = zone
    tiny.world.sql("CREATE TABLE later AS SELECT * FROM netsuite.customer")
    newest: dict[int, datetime] = {}
    lo = at - timedelta(minutes=155)
    while lo < at + timedelta(minutes=140):
        hi = lo + (timedelta(minutes=25) if abs(lo - at) < timedelta(minutes=80) else timedelta(minutes=70))
        tiny.world.now = hi
        tiny.world.sql("DELETE FROM netsuite.customer")
        tiny.world.sql(
            f"INSERT INTO netsuite.customer SELECT * FROM later WHERE lastmodifieddate < '{hi:%Y-%m-%d %H:%M:%S}'"
        )
        async with tiny.source(time_zone=zone, overlap_seconds=0) as source:
            manifest = (await extracted(source, lake, [BatchRequest(CUSTOMER, Window(lo, hi))]))["netsuite_customers"]
        for row in records(lake, manifest):
            stamp = read_stamp(row["lastmodifieddate"])
            newest[int(row["id"])] = max(newest.get(int(row["id"]), stamp), stamp)
        read = {int(row["id"]) for row in records(lake, manifest)}
        assert {i for i, stamp in stamps.items() if lo <= stamp < hi} <= read
        assert all(stamp < hi for stamp in newest.values())
        lo = hi
    assert newest.keys() == stamps.keys()


async def test_a_row_edited_in_both_passes_of_the_repeated_hour_ends_with_its_last_edit(
    tiny: Office, lake: LocalLake
) -> None:
    """At 01:40 and again, twenty-five minutes later, at 01:05."""
    at = datetime.fromisoformat(TURNS["America/New_York"][1]).replace(tzinfo=UTC)
    tiny.account.options.time_zone = "America/New_York"
    read: list[datetime] = []
    lo = at - timedelta(hours=1)
    for edit, end in ((timedelta(minutes=-20), timedelta(minutes=-5)), (timedelta(minutes=5), timedelta(minutes=15))):
        stamp, hi = at + edit, at + end
        tiny.world.sql(f"UPDATE netsuite.customer SET lastmodifieddate = '{stamp:%Y-%m-%d %H:%M:%S}' WHERE id = 7")
        tiny.world.now = hi
        async with tiny.source(time_zone="America/New_York") as source:
            manifest = (await extracted(source, lake, [BatchRequest(CUSTOMER, Window(lo, hi))]))["netsuite_customers"]
        (row,) = [r for r in records(lake, manifest) if r["id"] == "7"]
        read.append(read_stamp(row["lastmodifieddate"]))
        lo = hi
    assert read == [at + timedelta(minutes=-20), at + timedelta(minutes=5)]
