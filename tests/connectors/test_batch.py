"""What is asked of a source, and the proof of what it left in the lake."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.batch import BatchRequest, FileRef, Manifest, Part
from connectors.contract import Column, DataType, Table
from connectors.window import Window

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
TABLE = Table("salesforce", "sfdc_account", "", "Account", (Column("id", DataType.STRING, "Id", ""),), ("id",))
STAMPS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def file(key: str, etag: str = "abc", version: str | None = None) -> FileRef:
    return FileRef("usage", key, etag, 10, NOON, version)


def test_asking_twice_gives_the_same_batch() -> None:
    window = Window(NOON - timedelta(days=1), NOON)
    assert BatchRequest(TABLE, window).batch_id == BatchRequest(replace(TABLE, description="new"), window).batch_id


def test_another_table_or_window_is_another_batch() -> None:
    windows = [
        Window(None, NOON),
        Window(NOON, NOON),
        Window(NOON - timedelta(days=1), NOON),
        Window(None, NOON + timedelta(1)),
    ]
    tables = [TABLE, replace(TABLE, name="sfdc_lead"), replace(TABLE, source="zuora")]
    assert len({BatchRequest(t, w).batch_id for t in tables for w in windows}) == len(tables) * len(windows)


def test_files_are_the_same_batch_in_any_order_and_at_any_time() -> None:
    one, two = file("a.csv"), file("b.csv")
    first = BatchRequest(TABLE, Window(None, NOON), (one, two))
    second = BatchRequest(TABLE, Window(None, NOON + timedelta(hours=1)), (two, one))
    assert first.batch_id == second.batch_id


def test_a_file_delivered_again_is_another_batch() -> None:
    window = Window(None, NOON)
    found = {
        BatchRequest(TABLE, window, (f,)).batch_id
        for f in (file("a.csv"), file("a.csv", "def"), file("a.csv", version="1"), file("a.csv", version="2"))
    }
    assert len(found) == 4


def test_a_second_reading_another_scope_and_another_origin_are_batches_of_their_own() -> None:
    asked = BatchRequest(TABLE, Window(None, NOON))
    others = [
        asked,
        replace(asked, label="backfill-1"),
        replace(asked, label="backfill-2"),
        replace(asked, scope="keys"),
        replace(asked, label="backfill-1", scope="keys"),
        replace(asked, origin="org-1"),
        replace(asked, origin="org-2"),
    ]
    assert len({request.batch_id for request in others}) == len(others)


def test_what_is_read_along_with_the_contract_does_not_make_another_batch() -> None:
    asked = BatchRequest(TABLE, Window(None, NOON))
    assert replace(asked, absent=("Name",), extra=("Rating",)).batch_id == asked.batch_id


def test_a_batch_keeps_the_id_that_lakes_and_ledgers_have_of_it() -> None:
    """The ids of what was loaded already: another one would be fetched, and loaded, a second time."""
    window = Window(NOON - timedelta(days=1), NOON)
    assert BatchRequest(TABLE, window).batch_id == "798d3424d5bab327e67b259a"
    assert (
        BatchRequest(TABLE, window, label="backfill", scope="keys", origin="org").batch_id == "1b4cf9432d87ef887df31b87"
    )
    assert BatchRequest(TABLE, window, (file("a.csv", version="1"),)).batch_id == "0cf58b4fb41e9e69a1d7fa02"


def test_the_contracts_fields_are_asked_for_as_far_as_the_source_has_them_and_the_extra_ones() -> None:
    table = replace(TABLE, columns=(*TABLE.columns, Column("name", DataType.STRING, "Name", "")))
    asked = BatchRequest(table, Window(None, NOON), absent=("Name",), extra=("Rating",))
    assert asked.fields == ("Id", "Rating")
    assert replace(asked, absent=()).fields == ("Id", "Name", "Rating")


def test_a_batch_lives_under_its_source_table_and_day() -> None:
    request = BatchRequest(TABLE, Window(None, NOON))
    assert request.prefix == f"raw/salesforce/sfdc_account/2026-06-15/{request.batch_id}"


PARTS = st.builds(
    Part,
    name=TEXTS,
    kind=st.sampled_from(["rows", "deletes"]),
    format=st.sampled_from(["csv", "jsonl", "parquet"]),
    header=st.lists(TEXTS, max_size=3).map(tuple),
    rows=st.none() | st.integers(0, 10**9),
    bytes=st.integers(0, 10**12),
    source_file=st.none() | TEXTS,
)
MANIFESTS = st.builds(
    Manifest,
    batch_id=TEXTS,
    source=TEXTS,
    table=TEXTS,
    window=st.tuples(STAMPS, STAMPS).map(sorted).map(lambda pair: Window(*pair))
    | STAMPS.map(lambda hi: Window(None, hi)),
    prefix=TEXTS,
    parts=st.lists(PARTS, max_size=3).map(tuple),
    source_rows=st.none() | st.integers(0, 10**9),
    extracted_at=STAMPS,
    files=st.lists(st.builds(FileRef, TEXTS, TEXTS, TEXTS, st.integers(0), STAMPS, st.none() | TEXTS), max_size=2).map(
        tuple
    ),
    null_text=st.none() | TEXTS,
    details=st.dictionaries(TEXTS, TEXTS | st.integers() | st.none(), max_size=3),
)


@given(MANIFESTS)
def test_a_manifest_is_read_back_as_it_was_written(manifest: Manifest) -> None:
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_a_manifest_counts_its_rows_parts_only() -> None:
    parts = (
        Part("rows-0", "rows", "csv", ("Id",), 7, 100),
        Part("rows-1", "rows", "csv", ("Id",), None, 100),
        Part("deletes-0", "deletes", "jsonl", ("Id",), 3, 10),
    )
    manifest = Manifest("b", "s", "t", Window(None, NOON), "p", parts, 7, NOON)
    assert manifest.rows == 7
    assert manifest.bytes == 210


def test_a_manifest_says_what_was_asked_for_and_what_came() -> None:
    asked = BatchRequest(TABLE, Window(None, NOON), scope="keys", origin="org")
    part = Part("keys-0", "keys", "csv", ("Id",), 7, 100)
    manifest = Manifest.of(asked, parts=[part], source_rows=7, details={"job": "750"})
    assert (manifest.batch_id, manifest.prefix, manifest.scope, manifest.origin) == (
        asked.batch_id, asked.prefix, "keys", "org",
    )  # fmt: skip
    assert (manifest.source, manifest.table, manifest.window) == ("salesforce", "sfdc_account", asked.window)
    assert (manifest.parts, manifest.source_rows, manifest.details) == ((part,), 7, {"job": "750"})
    assert Manifest.of(asked, parts=[], source_rows=None).details == {}


def test_a_manifest_names_the_version_of_its_format() -> None:
    text = Manifest("b", "s", "t", Window(None, NOON), "p", (), 0, NOON).to_json()
    assert json.loads(text)["version"] == 1


def test_what_cannot_be_written_is_refused() -> None:
    manifest = Manifest("b", "s", "t", Window(None, NOON), "p", (), 0, NOON, details={"what": object()})
    with pytest.raises(TypeError, match="cannot write object"):
        manifest.to_json()
