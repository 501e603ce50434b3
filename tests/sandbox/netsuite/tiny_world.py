"""A few NetSuite records with the interface of `sandbox.world`, whose every value a test can know."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import duckdb

_CUSTOMERS = """
CREATE TABLE netsuite.customer AS
SELECT i AS id, 'CUST' || i AS entityid, CASE WHEN i % 3 = 0 THEN NULL ELSE 'Company ' || i END AS companyname,
    i % 2 = 0 AS isinactive, CAST(i * 1.5 AS DECIMAL(18,2)) AS balancesearch, CAST(i AS DECIMAL(38,9)) / 8 AS weight,
    DATE '2026-01-01' + CAST(i % 28 AS INTEGER) AS firstorderdate,
    TIMESTAMP '2026-06-14 22:00:00' + to_minutes(i) AS lastmodifieddate,
    CASE WHEN i = 5 THEN TIMESTAMP '2026-06-15 00:00:00' END AS _deleted_at
FROM range(1, ?) r(i);
"""
_TRANSACTIONS = """
CREATE TABLE netsuite.transaction AS
SELECT i AS id, CASE WHEN i % 2 = 0 THEN 'CustInvc' ELSE 'CustPymt' END AS "type", 'T' || i AS tranid,
    i % 4 + 1 AS entity, CAST(i * 10 AS DECIMAL(18,2)) AS foreigntotal,
    DATE '2026-05-01' + CAST(i AS INTEGER) AS trandate,
    CASE WHEN i = 1 THEN 'it''s "quoted", 100% \\ ünïcode' END AS memo, CAST(NULL AS TIMESTAMP) AS _deleted_at
FROM range(1, 21) r(i);
CREATE TABLE netsuite."DeletedRecord" AS
SELECT CAST(5 AS BIGINT) AS recordid, 'customer' AS "type", TIMESTAMP '2026-06-15 00:00:00' AS deleteddate;
"""


class TinyWorld:
    """`customers` customers (ids 1 to n, number 5 deleted), 20 transactions, one deleted record."""

    def __init__(self, customers: int = 30) -> None:
        self.now = datetime(2026, 6, 15, 6, tzinfo=UTC)
        self.lock = threading.RLock()
        self._database = duckdb.connect()
        self._database.execute("CREATE SCHEMA netsuite")
        self._database.execute(_CUSTOMERS, [customers + 1])
        self._database.execute(_TRANSACTIONS)

    def sql(self, sql: str, params: Any = None) -> Any:
        return self._database.cursor().execute(sql, params)

    def columns(self, schema: str, table: str) -> list[tuple[str, str]]:
        return self.sql(
            "SELECT column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position",
            [schema, table],
        ).fetchall()
