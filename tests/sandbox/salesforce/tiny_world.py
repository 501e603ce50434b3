"""A business of a few rows with the interface of `sandbox.world`, whose every value a test can know."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

_TABLES = """
CREATE SCHEMA salesforce;
CREATE TABLE salesforce."Account" (
    "Id" VARCHAR, "IsDeleted" BOOLEAN, "MasterRecordId" VARCHAR, "Name" VARCHAR, "Type" VARCHAR, "Brands__c" VARCHAR,
    "AnnualRevenue" DECIMAL(18,2), "NumberOfEmployees" BIGINT, "Description" VARCHAR, "BillingStreet" VARCHAR,
    "BillingCity" VARCHAR, "BillingCountry" VARCHAR, "OwnerId" VARCHAR, "Customer_Since__c" DATE, "IsPartner" BOOLEAN,
    "CreatedDate" TIMESTAMP, "LastModifiedDate" TIMESTAMP, "SystemModstamp" TIMESTAMP, "_deleted_at" TIMESTAMP);
CREATE TABLE salesforce."Opportunity" (
    "Id" VARCHAR, "IsDeleted" BOOLEAN, "AccountId" VARCHAR, "Name" VARCHAR, "Amount" DECIMAL(18,2),
    "ARR__c" DECIMAL(18,2), "CloseDate" DATE, "SystemModstamp" TIMESTAMP, "_deleted_at" TIMESTAMP);
CREATE TABLE salesforce."User" ("Id" VARCHAR, "Username" VARCHAR, "SystemModstamp" TIMESTAMP, "_deleted_at" TIMESTAMP);
INSERT INTO salesforce."User" VALUES ('005000000000001AAA', 'ada@mgdw.example', TIMESTAMP '2026-01-01 00:00:00', NULL);
"""
_ACCOUNTS = """
INSERT INTO salesforce."Account"
SELECT printf('001%012dAAA', i), i % 10 = 9, NULL,
    CASE i
        WHEN 1 THEN 'Acme "Rockets", Inc.'
        WHEN 2 THEN 'NULL' WHEN 3 THEN 'O''Brien & Söhne' ELSE 'Customer ' || i END,
    CASE WHEN i % 3 = 0 THEN NULL ELSE 'Customer' END,
    CASE i % 4 WHEN 0 THEN 'Emma' WHEN 1 THEN 'Campaign Monitor;Sailthru' WHEN 2 THEN 'Sailthru' END,
    CASE WHEN i % 5 = 0 THEN NULL ELSE i * 1000.25 END, i,
    CASE WHEN i = 1 THEN E'first line\\nsecond "line"\\n' END, i || ' Main Street',
    CASE WHEN i % 2 = 0 THEN 'Nashville' ELSE 'London' END, NULL, '005000000000001AAA',
    DATE '2024-01-01' + i::INTEGER, i % 2 = 0,
    TIMESTAMP '2026-06-01 00:00:00', TIMESTAMP '2026-06-01 00:00:00',
    TIMESTAMP '2026-06-01 00:00:00' + to_minutes(i), NULL
FROM range(1, ?) r(i)
"""
_OPPORTUNITIES = """
INSERT INTO salesforce."Opportunity"
SELECT printf('006%012dAAA', i), false, printf('001%012dAAA', i), 'Deal ' || i, i * 10.5, i, DATE '2026-06-30',
    TIMESTAMP '2026-06-10 00:00:00' + to_seconds(i), NULL
FROM range(1, 6) r(i)
"""


class TinyWorld:
    """`accounts` accounts (ids 1 to n; every tenth in the recycle bin), five opportunities, one user."""

    def __init__(self, accounts: int = 40) -> None:
        self.now = datetime(2026, 6, 15, 6, tzinfo=UTC)
        self.lock = threading.RLock()
        self._database = duckdb.connect()
        self._database.execute(_TABLES)
        self._database.execute(_ACCOUNTS, [accounts + 1])
        self._database.execute(_OPPORTUNITIES)

    def sql(self, sql: str, params: Any = None) -> Any:
        return self._database.cursor().execute(sql, params)

    def columns(self, schema: str, table: str) -> list[tuple[str, str]]:
        found = self.sql(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = ? AND table_name = ?"
            " ORDER BY ordinal_position",
            [schema, table],
        ).fetchall()
        return [(str(name), str(kind)) for name, kind in found]

    def advance(self, days: int = 1) -> None:
        self.now += timedelta(days=days)


def account_id(number: int) -> str:
    return f"001{number:012d}AAA"
