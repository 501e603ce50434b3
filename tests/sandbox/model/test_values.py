"""The values are such as real systems hold, awkward ones included."""

from __future__ import annotations

import pytest

from tests.sandbox.model.conftest import Story

COMMERCIAL = "(Brands__c LIKE '%Campaign Monitor%' OR Brands__c LIKE '%Emma%')"
ENTERPRISE = "(Brands__c LIKE '%Sailthru%' OR Brands__c LIKE '%Cheetah%' OR Brands__c LIKE '%Selligent%')"
SHARES = {
    "accounts with brands of both segments": ("salesforce.Account", f"{COMMERCIAL} AND {ENTERPRISE}", 0.06, 0.10),
    "accounts with a description": ("salesforce.Account", "Description IS NOT NULL", 0.08, 0.12),
    "accounts with a line break in it": ("salesforce.Account", "contains(Description, chr(10))", 0.05, 0.12),
    "accounts without a brand": ("salesforce.Account", "Brands__c IS NULL", 0.0005, 0.01),
    "accounts with a zero before the postal code": ("salesforce.Account", "BillingPostalCode LIKE '0%'", 0.1, 0.3),
    "zuora accounts in USD": ("zuora.Account", "Currency = 'USD'", 0.80, 0.90),
    "zuora accounts in GBP": ("zuora.Account", "Currency = 'GBP'", 0.06, 0.14),
    "zuora accounts in AUD": ("zuora.Account", "Currency = 'AUD'", 0.02, 0.08),
    "invoices with tax": ("zuora.Invoice", "TaxAmount > 0", 0.1, 0.5),
    "invoices still owed": ("zuora.Invoice", "Balance > 0 AND Status = 'Posted'", 0.01, 0.12),
    "cancelled invoices": ("zuora.Invoice", "Status = 'Canceled'", 0.005, 0.03),
    "failed payments": ("zuora.Payment", "Status = 'Error'", 0.01, 0.06),
    "refunded payments": ("zuora.Payment", "RefundAmount > 0", 0.005, 0.04),
    "converted leads": ("salesforce.Lead", "IsConverted", 0.15, 0.3),
    "subscriptions renewed at least once": ("netsuite.subscription", "renewalnumber > 0", 0.2, 0.7),
    "subscriptions cancelled": ("netsuite.subscription", "billingsubscriptionstatus = 'TERMINATED'", 0.1, 0.4),
}


@pytest.mark.parametrize("what", SHARES)
def test_shares_are_realistic(story: Story, what: str) -> None:
    table, condition, low, high = SHARES[what]
    (share,) = story.world.sql(f"SELECT avg(coalesce({condition}, false)::INT) FROM {table}").fetchone() or (None,)
    assert low <= share <= high


def test_bulk_updates_gave_many_rows_the_same_stamp(story: Story) -> None:
    sql = "SELECT max(n) FROM (SELECT count(*) AS n FROM salesforce.Contact GROUP BY SystemModstamp)"
    assert (story.world.sql(sql).fetchone() or (0,))[0] > 20


def test_names_that_look_like_null_are_companies(story: Story) -> None:
    found = story.world.sql("SELECT DISTINCT Name FROM salesforce.Account WHERE Name IN ('NA', 'null', 'None', 'N/A')")
    assert len(found.fetchall()) == 4


@pytest.mark.parametrize("character", [",", '"', "'", "\\", "東", "ü", "🌵", "\n", "\r", "\t"])
def test_texts_hold_what_breaks_careless_readers(story: Story, character: str) -> None:
    texts = "concat_ws('|', Name, Description, BillingStreet, BillingCity)"
    sql = f"SELECT count(*) FROM salesforce.Account WHERE contains({texts}, ?)"
    (count,) = story.world.sql(sql, [character]).fetchone() or (0,)
    assert count > 0


def test_every_kind_of_contract_change_is_in_the_history(story: Story) -> None:
    found = {kind for (kind,) in story.world.sql("SELECT DISTINCT Change_Type__c FROM zuora.Subscription").fetchall()}
    assert found == {"New", "Upgrade", "Downgrade", "Renewal", "Cancellation"}


def test_every_stage_has_deals_of_every_selling_brand(story: Story) -> None:
    sql = "SELECT StageName, count(DISTINCT Brand__c) FROM salesforce.Opportunity GROUP BY ALL"
    assert {brands for _, brands in story.world.sql(sql).fetchall()} == {5}


def test_users_work_for_a_brand_or_for_all(story: Story) -> None:
    divisions = {d for (d,) in story.world.sql("SELECT DISTINCT Division FROM salesforce.User").fetchall()}
    assert divisions == {"Campaign Monitor", "Emma", "Sailthru", "Cheetah Digital", "Selligent", "Corporate"}


def test_a_running_contract_may_have_a_cancellation_ahead(story: Story) -> None:
    sql = "SELECT count(*) FROM zuora.Subscription WHERE CancelledDate > LastBookingDate + 7"
    (count,) = story.world.sql(sql).fetchone() or (0,)
    assert count > 0
