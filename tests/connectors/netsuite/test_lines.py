"""A table of transaction lines: two keys, and lines that change or vanish without their header."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from connectors.batch import BatchRequest, Manifest
from connectors.contract import Table
from connectors.lake.local import LocalLake
from connectors.window import Window
from tests.connectors.netsuite.conftest import Office, columns, extracted, records

LINES = Table(
    "netsuite",
    "netsuite_lines",
    "",
    "transactionline",
    columns(transaction="INT64", id="INT64", rate="NUMERIC", linelastmodifieddate="TIMESTAMP"),
    ("transaction", "id"),
    cursor="linelastmodifieddate",
)


def with_lines(office: Office) -> None:
    """Twenty transactions of 13 lines, all of them old."""
    office.world.sql(
        'CREATE TABLE netsuite.transactionline AS SELECT CAST(t AS BIGINT) AS "transaction", CAST(l AS BIGINT) AS id, '
        "CAST(t * l AS DECIMAL(18, 2)) AS rate, TIMESTAMP '2026-01-01' AS linelastmodifieddate "
        "FROM range(1, 21) r(t), range(13) s(l)"
    )
    office.world.sql(
        "ALTER TABLE netsuite.transaction ADD COLUMN lastmodifieddate TIMESTAMP DEFAULT TIMESTAMP '2026-01-01'"
    )


async def read(office: Office, lake: LocalLake, request: BatchRequest, **settings: Any) -> Manifest:
    async with office.source(**{"page_rows": 5, **settings}) as source:
        (manifest,) = (await extracted(source, lake, [request])).values()
    return manifest


def keys(lake: LocalLake, manifest: Manifest, kind: str = "rows") -> list[tuple[int, int]]:
    return [(int(row["transaction"]), int(row["id"])) for row in records(lake, manifest, kind)]


async def test_every_line_comes_once_however_the_pages_fall(tiny: Office, lake: LocalLake) -> None:
    with_lines(tiny)
    manifest = await read(tiny, lake, BatchRequest(LINES, Window(None, tiny.world.now)))
    assert sorted(keys(lake, manifest)) == [(t, n) for t in range(1, 21) for n in range(13)]
    assert manifest.details["ranges"] > 4


async def test_all_lines_of_a_touched_transaction_are_read_and_the_vanished_ones_are_known(
    tiny: Office, lake: LocalLake
) -> None:
    with_lines(tiny)
    now = tiny.world.now
    recent = f"TIMESTAMP '{now - timedelta(hours=2):%Y-%m-%d %H:%M:%S}'"
    tiny.world.sql(f"UPDATE netsuite.transactionline SET linelastmodifieddate = {recent} WHERE rate = 21")
    tiny.world.sql(f"UPDATE netsuite.transaction SET lastmodifieddate = {recent} WHERE id = 9")
    tiny.world.sql('DELETE FROM netsuite.transactionline WHERE "transaction" = 9 AND id IN (0, 12)')
    manifest = await read(tiny, lake, BatchRequest(LINES, Window(now - timedelta(days=1), now)))
    assert {transaction for transaction, _ in keys(lake, manifest)} == {3, 7, 9}
    assert [n for t, n in keys(lake, manifest) if t == 9] == list(range(1, 12))
    assert [n for t, n in keys(lake, manifest) if t == 7] == list(range(13))
    alive = keys(lake, manifest, "keys")
    assert len(alive) == 20 * 13 - 2
    assert not {(9, 0), (9, 12)} & set(alive)
    assert "no log of deleted lines" in manifest.details["warning"]
    assert {part.header for part in manifest.parts if part.kind == "keys"} == {
        ("transaction", "id", "linelastmodifieddate")
    }
