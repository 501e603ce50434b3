"""A few Zuora rows with the interface of `sandbox.world`, whose every value a test can know."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import duckdb

_ACCOUNTS = """
CREATE TABLE zuora."Account" AS
SELECT printf('2c92%028d', i) AS "Id", 'A' || i AS "AccountNumber",
    CASE i WHEN 1 THEN 'Acme "Rockets", Inc.' WHEN 2 THEN E'two\\nlines' WHEN 3 THEN '' ELSE 'Name ' || i END AS "Name",
    CASE WHEN i % 2 = 0 THEN 'Emma' END AS "Brand__c", CAST(i * 1.5 AS DECIMAL(18,2)) AS "Balance", i AS "BillCycleDay",
    i % 2 = 0 AS "AutoPay", DATE '2026-05-31' + CAST(i AS INTEGER) AS "LastInvoiceDate",
    CASE WHEN i = 1 THEN TIMESTAMP '2026-06-14 07:00:00' WHEN i = 2 THEN TIMESTAMP '2026-01-14 08:00:00'
        ELSE TIMESTAMP '2026-06-14 08:00:00' END AS "CreatedDate",
    TIMESTAMP '2026-06-14 12:00:00' + to_minutes(i) AS "UpdatedDate",
    CASE i WHEN 8 THEN TIMESTAMP '2026-06-15 01:00:00' WHEN 9 THEN TIMESTAMP '2026-05-01 00:00:00' END AS _deleted_at
FROM range(1, ?) r(i)
"""
_INVOICES = """
CREATE TABLE zuora."Invoice" AS
SELECT printf('2c93%028d', i) AS "Id", printf('2c92%028d', i) AS "AccountId",
    CAST(i * 100 AS DECIMAL(18,2)) AS "Amount",
    TIMESTAMP '2026-06-14 12:00:00' AS "UpdatedDate", CAST(NULL AS TIMESTAMP) AS _deleted_at
FROM range(1, 4) r(i)
"""


class TinyWorld:
    """`accounts` accounts (number 8 deleted today, number 9 six weeks ago) and three invoices."""

    def __init__(self, accounts: int = 10) -> None:
        self.now = datetime(2026, 6, 15, 6, tzinfo=UTC)
        self.lock = threading.RLock()
        self._database = duckdb.connect()
        self._database.execute("CREATE SCHEMA zuora")
        self._database.execute(_ACCOUNTS, [accounts + 1])
        self._database.execute(_INVOICES)

    def sql(self, sql: str, params: Any = None) -> Any:
        return self._database.cursor().execute(sql, params)

    def columns(self, schema: str, table: str) -> list[tuple[str, str]]:
        return self.sql(
            "SELECT column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position",
            [schema, table],
        ).fetchall()
