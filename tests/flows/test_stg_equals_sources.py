"""Every value of every row, compared between STG and what the sources hold, over several business days."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connectors.contract import DataType, Table, load_contract
from connectors.warehouse import LoadResult
from flows.netsuite import netsuite
from flows.s3_usage import s3_usage
from flows.salesforce import salesforce
from flows.zuora import zuora
from tests.flows.conftest import Stage

APIS = {"salesforce": salesforce, "netsuite": netsuite, "zuora": zuora}
TABLES = [table for source in APIS for table in load_contract().of(source)]
PACIFIC_MIDNIGHT = "2026-06-10 07:00:00"

pytestmark = pytest.mark.usefixtures("stage")


def _load(stage: Stage, **parameters: Any) -> list[LoadResult]:
    return [result for flow in (*APIS.values(), s3_usage) for result in stage.run(flow, **parameters)]


def _source_rows(stage: Stage, table: Table) -> dict[Any, tuple[Any, ...]]:
    """What the source would show, deleted rows left out, in the contract's columns and types."""
    fields = ", ".join(f'"{field}"' for field in table.fields)
    conditions = ["_deleted_at IS NULL"]
    if table.filter:
        conditions.append(table.filter)
    if table.deleted_flag:
        conditions.append("NOT IsDeleted")
    where = " AND ".join(conditions)
    rows = stage.sandbox.world.sql(f'SELECT {fields} FROM {table.source}."{table.object}" WHERE {where}').fetchall()
    return _by_key(table, rows)


def _stg_rows(stage: Stage, table: Table) -> dict[Any, tuple[Any, ...]]:
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    return _by_key(table, stage.rows(f"SELECT {columns} FROM STG.{table.name} WHERE NOT _deleted"))


def _by_key(table: Table, rows: list[tuple[Any, ...]]) -> dict[Any, tuple[Any, ...]]:
    place = [column.name for column in table.columns].index(table.primary_key[0])
    found = {row[place]: tuple(map(_plain, row, (column.type for column in table.columns))) for row in rows}
    assert len(found) == len(rows), f"{table.name} holds a key twice"
    return found


def _plain(value: Any, kind: DataType) -> Any:
    """Numbers by value; an empty text is a NULL, as the sources deliver it."""
    if value is None or value == "":
        return None
    if kind is DataType.NUMERIC:
        return Decimal(value).normalize()
    return value.strip() if kind is DataType.STRING and not value.strip() else value


def _assert_equal(stage: Stage) -> None:
    for table in TABLES:
        stg, source = _stg_rows(stage, table), _source_rows(stage, table)
        assert stg.keys() == source.keys(), table.name
        wrong = next((key for key in source if stg[key] != source[key]), None)
        assert wrong is None, (
            table.name,
            [pair for pair in zip(stg[wrong], source[wrong], strict=True) if pair[0] != pair[1]],
        )


def test_the_first_load_brings_every_value(stage: Stage) -> None:
    stage.sandbox.world.sql(
        f"UPDATE zuora.Product SET UpdatedDate = TIMESTAMP '{PACIFIC_MIDNIGHT}' WHERE SKU IS NOT NULL"
    )
    results = _load(stage)
    assert {r.table for r in results} == {t.name for t in load_contract().tables}
    assert sum(r.quarantined for r in results) == 0
    _assert_equal(stage)


def test_a_bare_date_of_zuora_is_midnight_at_zuora(stage: Stage) -> None:
    stamps = stage.rows("SELECT DISTINCT CAST(updated_date AS VARCHAR) FROM STG.zuora_product")
    assert stamps == [(PACIFIC_MIDNIGHT,)]


@pytest.mark.parametrize("day", [2, 3, 4])
def test_another_day_brings_every_change_and_every_deletion(stage: Stage, day: int) -> None:
    stage.sandbox.advance(1)
    results = _load(stage)
    assert sum(r.deleted for r in results) > 0
    _assert_equal(stage)


def test_a_full_comparison_finds_nothing_that_the_increments_missed(stage: Stage) -> None:
    before = stage.content()
    results = _load(stage, full=True)
    assert sum(r.changed for r in results) == 0
    assert stage.content() == before


def test_days_that_nobody_loaded_are_caught_up(stage: Stage) -> None:
    stage.sandbox.advance(3)
    _load(stage)
    _assert_equal(stage)
