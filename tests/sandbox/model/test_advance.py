"""A business day does a bit of everything, and only between the old now and the new."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.summary import DaySummary
from sandbox.world import World
from tests.sandbox.model.conftest import Story

DAILY = {
    (table, kind)
    for table, kinds in {
        "netsuite.DeletedRecord": "insert",
        "netsuite.customer": "insert update hard_delete",
        "netsuite.subscription": "insert update",
        "netsuite.transaction": "insert update",
        "salesforce.Account": "insert update soft_delete",
        "salesforce.Campaign": "update",
        "salesforce.CampaignMember": "insert update",
        "salesforce.Contact": "insert update soft_delete hard_delete",
        "salesforce.Lead": "insert update soft_delete hard_delete",
        "salesforce.Opportunity": "insert update soft_delete",
        "salesforce.OpportunityLineItem": "insert soft_delete",
        "salesforce.User": "update",
        "zuora.Account": "insert update",
        "zuora.Invoice": "insert update hard_delete",
        "zuora.Payment": "insert update",
        "zuora.RatePlan": "insert",
        "zuora.Subscription": "insert update",
    }.items()
    for kind in kinds.split()
}
STAMPS = {"salesforce": "SystemModstamp", "zuora": "UpdatedDate", "netsuite": "lastmodifieddate"}


@pytest.fixture(scope="module")
def many_days() -> tuple[World, list[DaySummary]]:
    world = World.create(scale=1.0, seed=11)
    return world, [world.advance() for _ in range(18)]


def test_every_kind_of_change_happens_on_every_day_over_a_months_end(many_days: tuple[World, list[DaySummary]]) -> None:
    missing = {str(s.start): sorted(DAILY - set(s.changes)) for s in many_days[1] if DAILY - set(s.changes)}
    assert missing == {}


def test_every_day_wins_upgrades_renews_reduces_and_cancels(many_days: tuple[World, list[DaySummary]]) -> None:
    world, days = many_days
    sql = "SELECT DISTINCT LastBookingDate, Change_Type__c FROM zuora.Subscription WHERE LastBookingDate >= ?"
    found = set(world.sql(sql, [days[0].start.date()]).fetchall())
    kinds = ("New", "Upgrade", "Downgrade", "Renewal", "Cancellation")
    assert {(s.start.date(), kind) for s in days for kind in kinds} <= found


def test_every_night_has_posted_invoices_drafts_payments_a_failure_and_a_refund(
    many_days: tuple[World, list[DaySummary]],
) -> None:
    world, days = many_days
    nights = {s.end.date() for s in days}
    for sql in (
        "SELECT DISTINCT InvoiceDate FROM zuora.Invoice WHERE Status = 'Posted'",
        """SELECT DISTINCT CreatedDate::DATE FROM zuora.Invoice
        WHERE PostedDate > CreatedDate + INTERVAL 12 HOUR OR _deleted_at IS NOT NULL OR Status = 'Draft'""",
        "SELECT DISTINCT EffectiveDate FROM zuora.Payment WHERE Status = 'Processed'",
        "SELECT DISTINCT EffectiveDate FROM zuora.Payment WHERE Status = 'Error'",
        "SELECT DISTINCT UpdatedDate::DATE + 1 FROM zuora.Payment WHERE RefundAmount > 0",
    ):
        assert nights <= {day for (day,) in world.sql(sql).fetchall()}, sql


def test_rows_changed_in_a_day_are_stamped_within_it_except_the_late_ones() -> None:
    world = World.create(scale=0.5, seed=3)
    tables = _tables(world)
    before = {name: set(map(repr, world.sql(f"SELECT * FROM {name}").fetchall())) for name in tables}
    summary = world.advance()
    late = set(summary.late)
    for name in tables:
        schema = name.split(".")[0]
        stamp = "deleteddate" if name.endswith("DeletedRecord") else STAMPS[schema]
        names = [column for column, _ in world.columns(*name.split("."))]
        key, at, gone = (
            names.index("recordid" if name.endswith("DeletedRecord") else "id" if schema == "netsuite" else "Id"),
            names.index(stamp),
            names.index("_deleted_at"),
        )
        changed = [row for row in world.sql(f"SELECT * FROM {name}").fetchall() if repr(row) not in before[name]]
        for row in changed:
            when = (row[gone] or row[at]).replace(tzinfo=UTC)
            expected = (name, row[key]) in late
            assert (summary.start < when < summary.end) is not expected, (name, row)


def _tables(world: World) -> list[str]:
    listed = world.sql(
        """SELECT table_schema || '.' || table_name FROM information_schema.tables
        WHERE table_schema IN ('salesforce', 'zuora', 'netsuite')"""
    )
    return [name for (name,) in listed.fetchall()]


def test_late_rows_are_stamped_less_than_thirty_minutes_before_the_old_now(
    many_days: tuple[World, list[DaySummary]],
) -> None:
    world = World.create(scale=0.2, seed=5)
    seen = {
        name: {i for (i,) in world.sql(f"SELECT Id FROM {name}").fetchall()}
        for name in ("salesforce.Lead", "salesforce.Account")
    }
    summary = world.advance()
    assert {table for table, _ in summary.late} == {"salesforce.Lead", "salesforce.Account"}
    for table, key in summary.late:
        (stamp,) = world.sql(f"SELECT SystemModstamp FROM {table} WHERE Id = ?", [key]).fetchone() or (None,)
        assert timedelta(0) < summary.start - stamp.replace(tzinfo=UTC) < timedelta(minutes=30)
        assert (key in seen[table]) is (table == "salesforce.Account"), "the lead is new, the account only changed"
    assert all(len(s.late) == 2 for s in many_days[1])


def test_a_day_merges_two_accounts_and_names_both(many_days: tuple[World, list[DaySummary]]) -> None:
    world, days = many_days
    for summary in days:
        for loser, winner in summary.merged:
            assert world.sql(
                "SELECT MasterRecordId, IsDeleted FROM salesforce.Account WHERE Id = ?", [loser]
            ).fetchone() == (winner, True)
    assert all(s.merged for s in days)


def test_a_redelivered_file_has_the_same_key_other_numbers_and_a_row_less() -> None:
    world = World.create(scale=0.3, seed=9)
    before = {file.key: file for file in world.files()}
    summary = world.advance()
    (key,) = summary.redelivered
    after = {file.key: file for file in world.files()}
    assert world.file_events == [*summary.delivered, key]
    old, new = (gzip.decompress(files[key].body).decode().splitlines() for files in (before, after))
    assert len(new) == len(old) - 1
    assert any(line not in old for line in new)
    assert after[key].last_modified > before[key].last_modified
    assert {k for k in before if before[k].body != after[k].body} == {key}
    assert summary.start < after[key].last_modified < summary.end


def test_yesterdays_files_are_delivered_in_the_night(story: Story) -> None:
    files = story.stages[2].files
    for key in (
        "cm/usage/dt=2026-06-15/cm_usage_2026-06-15.csv.gz",
        "emma/usage/dt=2026-06-15/emma_usage_2026-06-15.jsonl.gz",
    ):
        assert files[key].last_modified == datetime(2026, 6, 16, 3, 15, tzinfo=UTC)
        assert key not in story.stages[1].files


def test_many_days_at_once_are_the_same_as_one_after_another() -> None:
    one, other = World.create(scale=0.1, seed=2), World.create(scale=0.1, seed=2)
    whole = one.advance(3)
    parts = [other.advance() for _ in range(3)]
    assert one.books() == other.books()
    assert whole.changes == sum((p.changes for p in parts[1:]), parts[0].changes)
    assert (whole.start, whole.end) == (parts[0].start, parts[-1].end)
    for name in _tables(one):
        assert (
            one.sql(f"SELECT * FROM {name} ORDER BY ALL").fetchall()
            == other.sql(f"SELECT * FROM {name} ORDER BY ALL").fetchall()
        )


def test_keys_are_unique_after_many_days(many_days: tuple[World, list[DaySummary]]) -> None:
    world = many_days[0]
    for name in _tables(world):
        key = "recordid" if name.endswith("DeletedRecord") else "id" if name.startswith("netsuite") else "Id"
        assert world.sql(f'SELECT count(*) = count(DISTINCT "{key}") FROM {name}').fetchone() == (True,), name
