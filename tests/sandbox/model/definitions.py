"""The business's definitions (dbt's DECISIONLOG) applied to the rows the sources show, not to the model's books."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from csv import DictReader
from datetime import date
from decimal import Decimal
from io import StringIO

from sandbox.model.brands import BRANDS
from sandbox.model.journal import Books, Key
from sandbox.world import World

ARR = """
WITH versions AS (
    SELECT Brand__c, Currency__c, MRR__c, ContractEffectiveDate, LastBookingDate, CancelledDate,
        lead(LastBookingDate) OVER (PARTITION BY Name ORDER BY Version) AS replaced
    FROM zuora.Subscription WHERE _deleted_at IS NULL
), months AS (
    SELECT m::DATE AS month, least(last_day(m::DATE), $as_of::DATE) AS day
    FROM generate_series(DATE '2023-07-01', date_trunc('month', $as_of::DATE), INTERVAL 1 MONTH) AS t(m)
)
SELECT Brand__c, month, Currency__c, sum(12 * MRR__c)
FROM months JOIN versions
    ON LastBookingDate <= day AND (replaced IS NULL OR replaced > day)
    AND ContractEffectiveDate <= day AND (CancelledDate IS NULL OR CancelledDate > day)
GROUP BY ALL
"""
BOOKINGS = """
SELECT Brand__c, date_trunc('month', CloseDate)::DATE, CurrencyIsoCode, sum(Amount)
FROM salesforce.Opportunity WHERE IsWon AND NOT IsDeleted AND _deleted_at IS NULL GROUP BY ALL
"""
INVOICED = """
SELECT Brand__c, date_trunc('month', InvoiceDate)::DATE, Currency, sum({column})
FROM zuora.Invoice WHERE Status = 'Posted' AND _deleted_at IS NULL GROUP BY ALL
"""
COLLECTED = """
SELECT Brand__c, date_trunc('month', EffectiveDate)::DATE, Currency, sum(Amount - RefundAmount)
FROM zuora.Payment WHERE Status = 'Processed' AND _deleted_at IS NULL GROUP BY ALL
"""


def recomputed_books(world: World) -> Books:
    """The books as somebody who sees only the sources would compute them."""
    as_of = world.now.date()

    def table(sql: str, params: dict[str, date] | None = None) -> dict[Key, Decimal]:
        return {(b, m, c): amount for b, m, c, amount in world.sql(sql, params).fetchall()}

    return Books(
        as_of,
        table(ARR, {"as_of": as_of}),
        table(BOOKINGS),
        table(INVOICED.format(column="Amount")),
        table(INVOICED.format(column="AmountWithoutTax")),
        table(COLLECTED),
        usage_in_files(world),
    )


def usage_in_files(world: World) -> dict[tuple[str, date], dict[str, int]]:
    """Sums over the files as they lie in the bucket now."""
    names = {brand.code: brand.name for brand in BRANDS}
    totals: dict[tuple[str, date], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for file in world.files():
        text = gzip.decompress(file.body).decode()
        emma = file.key.startswith("emma/")
        rows = map(json.loads, text.splitlines()) if emma else DictReader(StringIO(text))
        measures = ("mailings_sent", "emails_sent", "emails_delivered") if emma else ("emails_sent", "emails_delivered")
        for row in rows:
            month = date.fromisoformat(row["usage_date"]).replace(day=1)
            for measure in measures:
                totals[names[row["brand_code"]], month][measure] += int(row[measure])
    return {key: dict(value) for key, value in totals.items()}
