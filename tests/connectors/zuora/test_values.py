"""What Zuora holds is what STG holds: texts, numbers, and stamps that come as bare dates."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.batch import Manifest
from connectors.contract import Contract
from connectors.errors import ConfigurationError
from connectors.lake.local import LocalLake
from connectors.warehouse.duckdb import DuckDBWarehouse
from tests.connectors.zuora.conftest import Office, extracted, records, table

PRODUCT = table("product")


@pytest.fixture
async def warehouse(tmp_path: Path) -> AsyncIterator[DuckDBWarehouse]:
    async with DuckDBWarehouse(tmp_path / "warehouse.duckdb") as opened:
        await opened.ensure(Contract((PRODUCT,)))
        yield opened


def put(office: Office, **values: object) -> None:
    names, marks = ", ".join(f'"{name}"' for name in values), ", ".join("?" * len(values))
    office.world.sql(f"INSERT INTO zuora.Product ({names}) VALUES ({marks})", list(values.values()))


async def loaded(office: Office, lake: LocalLake, warehouse: DuckDBWarehouse, **settings: Any) -> dict[str, Any]:
    """STG's rows by id, after a snapshot of Product."""
    async with office.source(**settings) as source:
        (manifest,) = (await extracted(source, lake, office.whole("product"))).values()
    result = await warehouse.load(PRODUCT, manifest, lake, run_id="1")
    assert (result.quarantined, result.read) == (0, manifest.source_rows)
    return {row["id"]: row for row in await warehouse.rows("SELECT * FROM STG.zuora_product")}


async def test_texts_arrive_letter_by_letter_and_none_is_taken_for_null(
    busy_office: Office, lake: LocalLake, warehouse: DuckDBWarehouse
) -> None:
    now = datetime(2026, 1, 1)
    texts = [
        r"\N", "NULL", "null", "null-", "~", '"', '""', "a\nb\r\nc", "a,b;c|d\te", "'; drop table x", " padded ",
        "\u0000nul\u0000", "zażółć 漢字 🜚 \u202e", "\ufeffmark", "null-0a1b2c3d",
    ]  # fmt: skip
    for number, text in enumerate(texts):
        put(busy_office, Id=f"text-{number:02d}", Description=text, UpdatedDate=now)
    put(busy_office, Id="nothing", Description=None, UpdatedDate=now)
    rows = await loaded(busy_office, lake, warehouse)
    assert [rows[f"text-{number:02d}"]["description"] for number in range(len(texts))] == texts
    assert rows["nothing"]["description"] is None


async def test_each_job_has_a_word_for_null_that_no_value_can_be(office: Office, lake: LocalLake) -> None:
    words: set[str | None] = set()
    async with office.source() as source:
        for label in "abc":
            requests = [replace(request, label=label) for request in office.whole("product", "account")]
            found: list[Manifest] = [m async for m in source.extract(requests, lake)]
            assert len({m.null_text for m in found}) == 1
            words.add(found[0].null_text)
    assert len(words) == 3


def midnights(zone: str, days: list[datetime]) -> list[datetime]:
    """UTC instants around each local midnight: before, at, and after it, and an hour later."""
    found: list[datetime] = []
    for day in days:
        start = day.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        found += [start + timedelta(minutes=m) for m in (-60, -15, 0, 15, 60)] + [start + timedelta(seconds=1)]
    return found


@pytest.mark.parametrize(
    "zone", ["America/Los_Angeles", "America/Sao_Paulo", "Asia/Beirut", "Europe/Berlin", "Asia/Kathmandu", "UTC"]
)
async def test_a_bare_date_is_midnight_in_zuoras_own_zone_also_where_clocks_change_at_midnight(
    busy_office: Office, lake: LocalLake, warehouse: DuckDBWarehouse, zone: str
) -> None:
    """In Sao Paulo and Beirut the day on which summer time starts has no midnight, and the one on which it ends has
    23 o'clock twice."""
    days = [datetime(2018, 11, 4), datetime(2018, 2, 18), datetime(2022, 3, 27), datetime(2022, 10, 30),
            datetime(2026, 3, 8), datetime(2026, 6, 1), datetime(2026, 11, 1), datetime(2024, 2, 29)]  # fmt: skip
    stamps = midnights(zone, days)
    busy_office.tenant.options.system_zone = zone
    for number, stamp in enumerate(stamps):
        put(busy_office, Id=f"{number}", CreatedDate=stamp.replace(tzinfo=None), UpdatedDate=stamp.replace(tzinfo=None))
    rows = await loaded(busy_office, lake, warehouse, system_time_zone=zone)
    for column in ("created_date", "updated_date"):
        assert [rows[f"{n}"][column] for n in range(len(stamps))] == [s.replace(tzinfo=None) for s in stamps]
    async with busy_office.source() as source:
        requests = [replace(request, label="look") for request in busy_office.whole("product")]
        (manifest,) = (await extracted(source, lake, requests)).values()
    bare = [r for r in records(lake, manifest) if len(r["UpdatedDate"] or "") == 10]
    assert len(bare) >= len(days) - 2, "the sandbox prints them as bare dates"


def test_a_zone_that_does_not_exist_is_a_wrong_setting(office: Office) -> None:
    with pytest.raises(ConfigurationError, match="MGDW_ZUORA_SYSTEM_TIME_ZONE"):
        office.settings(system_time_zone="Mars/Olympus")


async def test_numbers_keep_all_their_digits(busy_office: Office, lake: LocalLake, warehouse: DuckDBWarehouse) -> None:
    """A decimal is NUMERIC(22,9) at Zuora."""
    amounts = ["9999999999999.999999999", "-9999999999999.999999999", "0.000000001", "0.1", "-0.000000000", "1E+3"]
    subject = replace(table("payment"), quality=())
    await warehouse.ensure(Contract((PRODUCT, subject)))
    busy_office.world.sql("ALTER TABLE zuora.Payment ALTER Amount TYPE DECIMAL(22,9)")
    for number, amount in enumerate(amounts):
        busy_office.world.sql(
            "INSERT INTO zuora.Payment (Id, Amount, UpdatedDate) VALUES (?, ?, TIMESTAMP '2026-01-01')",
            [f"{number}", Decimal(amount)],
        )
    async with busy_office.source() as source:
        (manifest,) = (await extracted(source, lake, busy_office.whole("payment"))).values()
    await warehouse.load(subject, manifest, lake, run_id="1")
    found = await warehouse.rows("SELECT id, amount FROM STG.zuora_payment WHERE length(id) = 1 ORDER BY id")
    assert [row["amount"] for row in found] == [Decimal(amount) for amount in amounts]


async def test_eight_hundred_fields_and_names_that_are_words_of_sql(
    busy_office: Office, lake: LocalLake, warehouse: DuckDBWarehouse
) -> None:
    names = ["Order", "Group", "Table", "End", "Limit", *(f"Field_{n}__c" for n in range(800))]
    busy_office.widened("product", *(f"\"{name}\" VARCHAR DEFAULT '{name}'" for name in names))
    async with busy_office.source() as source:
        drift = await source.drift(PRODUCT)
        (request,) = busy_office.whole("product")
        (manifest,) = (await extracted(source, lake, [replace(request, extra=drift.added)])).values()
    assert set(drift.added) == set(names)
    first = records(lake, manifest)[0]
    assert {name: first[name] for name in names} == {name: name for name in names}
    result = await warehouse.load(PRODUCT, manifest, lake, run_id="1")
    assert result.inserted == manifest.rows
