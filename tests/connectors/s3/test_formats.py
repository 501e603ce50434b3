"""Each text form and Parquet: what is read, and what is refused by name so that the other files are loaded."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.batch import Manifest
from connectors.contract import Column, DataType, FileRules, Table, load_contract
from connectors.errors import UnreadableFile
from connectors.lake.local import LocalLake
from connectors.s3 import parquet_footer
from connectors.s3.content import Inspector
from connectors.s3.reading import Content
from connectors.s3.source import S3Source
from connectors.source import TableState
from sandbox.s3 import S3Server
from tests.connectors.s3.deliveries import csv_body, extracted, jsonl_body, sent

CM = load_contract().table("s3_cm_usage_data")
EMMA = load_contract().table("s3_emma_usage_data")
PARQUET = replace(CM, format="parquet")


def read(table: Table, body: bytes, *, step: int = 1 << 20) -> Content:
    """The file's content, fed in pieces of `step` bytes."""
    inspector = Inspector(table, "usage/x")
    for at in range(0, len(body), step):
        inspector.feed(body[at : at + step])
    return inspector.finish()


def refused(table: Table, body: bytes) -> UnreadableFile:
    with pytest.raises(UnreadableFile) as caught:
        read(table, body)
    return caught.value


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, **options)
    return out.getvalue()


def usage(rows: int = 3, **columns: Any) -> bytes:
    accounts = [f"A{n}" for n in range(rows)]
    return parquet({"usage_date": ["2026-05-31"] * rows, "account_number": accounts, **columns})


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_csv_is_the_same_in_whatever_pieces_it_comes(step: int) -> None:
    body = csv_body(CM, ["A1", "A2", "Ä3"])
    for whole in (body, body.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + body, body[:-1], gzip.compress(body)):
        assert read(CM, whole, step=step) == Content(CM.fields, 3)


def test_a_declared_separator_and_encoding_are_used() -> None:
    table = replace(CM, files=FileRules(delimiter=";", encoding="latin-1"))
    body = csv_body(CM, ["Ä1"]).replace(b",", b";").decode().encode("latin-1")

    assert read(table, body) == Content(CM.fields, 1)
    assert "is not UTF-8 text" in refused(replace(CM, files=FileRules(delimiter=";")), body).cause
    assert "`encoding: latin-1`" in refused(replace(CM, files=FileRules(delimiter=";")), body).remedy
    assert "set `delimiter` in the contract" in refused(CM, body).remedy


def test_capitals_and_order_of_a_header_are_the_senders_business() -> None:
    header, _, rest = csv_body(CM, ["A1"]).partition(b"\n")
    assert read(CM, header.upper() + b"\n" + rest).header == tuple(f.upper() for f in CM.fields)
    assert read(CM, b"x,Account_Number,USAGE_DATE,\n1,A1,2026-05-31,\n").header == (
        "x", "Account_Number", "USAGE_DATE", "column_4",
    )  # fmt: skip


CSV: dict[str, tuple[bytes, str]] = {
    "a row too short": (b"usage_date,account_number,x\n1,2,3\n1,2\n", "is ragged: line 3 has 2 fields, the header 3"),
    "a row too long": (b"usage_date,account_number\n1,2,3\n", "is ragged: line 2 has 3 fields, the header 2"),
    "cut in its last row": (b"usage_date,account_number,x\n1,2,3\n1,2", "ends in the middle of a row"),
    "bad bytes far down": (b"usage_date,account_number\n" + b"1,2\n" * 300_000 + b"1,\xe4\n", "UTF-8 text (at line 30"),
    "an empty first line": (b"\nusage_date,account_number\n1,2\n", "begins with an empty line"),
    "one name in two capitals": (b"usage_date,account_number,X,x\n", "more than one field named 'x'"),
    "gzipped twice": (gzip.compress(gzip.compress(csv_body(CM, ["A1"]))), "is gzipped twice"),
    "zipped": (b"PK\x03\x04\x14\0", "is a zip archive (or Excel), not csv"),
    "zstd": (b"\x28\xb5\x2f\xfd\x04", "is a zstd file, not csv"),
    "parquet": (usage(), "is a Parquet file, not csv"),
    "a zip in a gzip": (gzip.compress(b"PK\x03\x04\x14\0"), "is a zip archive"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CSV)
def test_csv_that_is_none_is_named_with_its_reason(kind: str) -> None:
    body, reason = CSV[kind]
    assert reason in refused(CM, body).cause


def test_a_quoted_field_may_hold_separators_and_line_ends() -> None:
    body = b'usage_date,account_number\n1,"a,b\nc"\n1,d\n'
    assert read(CM, body) == Content(("usage_date", "account_number"), None)
    assert read(CM, b'"usage_date","account_number"\n') == Content(("usage_date", "account_number"), 0)


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_every_record_of_json_lines_may_bring_a_field_of_its_own(step: int) -> None:
    body = (
        jsonl_body(EMMA, ["E1", "E2"])
        + b'\n  {"usage_date": "d", "account_number": "\\ud83d\\ude00", "new": {"a": 1}}\r\n'
    )
    for whole in (body, body[:-2], gzip.compress(body)):
        assert read(EMMA, whole, step=step) == Content((*EMMA.fields, "new"), 3)
    assert read(EMMA, b"") == Content((), 0)


def _records(*tail: bytes) -> bytes:
    return b"\n".join((b'{"usage_date": "d", "account_number": "a"}', *tail))


JSONL: dict[str, tuple[bytes, str]] = {
    "a broken line": (_records(b'{"a": }', b"{}"), "is broken in line 2 ("),
    "cut": (_records(b'{"a": "b'), "ends in the middle of a record"),
    "two records in a line": (_records(b'{"a": 1} {"b": 2}', b"{}"), "is broken in line 2 (Extra data"),
    "a record that is none": (_records(b"42", b"{}"), "is not one record a line; line 2 begins with '42'"),
    "no number": (_records(b'{"a": NaN}', b"{}"), "NaN is no JSON"),
    "half a character": (_records(b'{"a": "\\ud83d"}', b"{}"), "is not UTF-8 text in line 2"),
    "other bytes": (_records(b'{"a": "\xe4"}', b"{}"), "is not UTF-8 text in line 2"),
    "an array": (b'[\n{"usage_date": "d", "account_number": "a"},\n', "is a JSON array, not one record a line"),
    "a printed object": (b'{\n "usage_date": "d"\n}\n', "is not one record a line"),
    "a byte order mark": (b"\xef\xbb\xbf" + _records(), "begins with a byte order mark"),
    "utf-16": (_records().decode().encode("utf-16-le"), "looks like UTF-16"),
    "two spellings": (_records(b'{"A": 1, "a": 1}'), "spells fields in more than one way: a"),
    "no keys": (b'{"a": 1}\n', "lacks the key fields usage_date, account_number"),
}


@pytest.mark.parametrize("kind", JSONL)
def test_json_lines_that_are_none_are_named_with_their_reason(kind: str) -> None:
    body, reason = JSONL[kind]
    assert reason in refused(EMMA, body).cause


def test_an_array_comes_with_the_advice_to_write_lines() -> None:
    assert "one record a line, no brackets" in refused(EMMA, b"[1, 2]").remedy


@pytest.mark.parametrize("step", [1000, 1 << 20])
def test_parquet_is_counted_and_described_by_its_footer(step: int) -> None:
    body = usage(5000, emails_sent=pa.array(range(5000)), extra=pa.array([{"a": 1}] * 5000))
    content = read(PARQUET, body, step=step)
    assert (content.header, content.rows) == (("usage_date", "account_number", "emails_sent", "extra"), 5000)
    assert content.types["emails_sent"] == "int64"


PARQUETS: dict[str, Callable[[], tuple[bytes, str]]] = {
    "cut": lambda: (usage()[:-20], "without its end"),
    "csv": lambda: (csv_body(CM, ["A1"]), "is no Parquet file; it begins with"),
    "gzipped": lambda: (gzip.compress(usage()), "is no Parquet file"),
    "encrypted": lambda: (usage()[:-4] + b"PARE", "is an encrypted Parquet file"),
    "a footer larger than the file": lambda: (usage()[:-8] + b"\xff\xff\xff\x7fPAR1", "more than there are"),
    "a broken footer": lambda: (usage()[:-60] + b"\0" * 52 + usage()[-8:], "has a broken Parquet footer"),
    "no keys": lambda: (parquet({"a": [1]}), "lacks the key fields usage_date, account_number; it has a"),
    "two capitals": lambda: (usage(1, a=[1], A=[1]), "more than one field named 'A'"),
    "four bytes": lambda: (b"PAR1", "without its end"),
}


@pytest.mark.parametrize("kind", PARQUETS)
def test_parquet_that_is_none_is_named_with_its_reason(kind: str) -> None:
    body, reason = PARQUETS[kind]()
    assert reason in refused(PARQUET, body).cause


def test_a_footer_longer_than_what_is_kept_of_a_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_footer, "LONGEST_FOOTER", 100)
    with pytest.raises(UnreadableFile, match="more than there are"):
        read(PARQUET, usage(), step=50)


@pytest.mark.parametrize(
    ("kind", "fitting"),
    [
        ("int32", {"INT64", "NUMERIC", "STRING"}),
        ("uint64", {"NUMERIC", "STRING"}),
        ("double", {"STRING"}),
        ("bool", {"BOOL", "STRING"}),
        ("string", {"STRING"}),
        ("decimal128(38, 9)", {"NUMERIC", "STRING"}),
        ("decimal128(38, 10)", {"STRING"}),
        ("date32[day]", {"DATE", "TIMESTAMP", "STRING"}),
        ("timestamp[us, tz=UTC]", {"TIMESTAMP", "STRING"}),
        ("timestamp[ns]", {"STRING"}),
    ],
)
def test_a_parquet_type_fits_the_columns_that_hold_all_its_values(kind: str, fitting: set[str]) -> None:
    assert {t.value for t in DataType if parquet_footer.fits(kind, Column("c", t, "c", ""))} == fitting


async def _copied(source: S3Source, table: Table, lake: LocalLake) -> Manifest:
    [manifest] = await extracted(source, await source.plan(table, TableState()), lake)
    return manifest


async def test_a_parquet_part_says_what_is_in_it(bucket: S3Server, source: S3Source, lake: LocalLake) -> None:
    bucket.deliver([sent("cm/usage/a.parquet.gz", usage(7), packed=False)])

    [part] = (await _copied(source, PARQUET, lake)).parts

    assert (part.format, part.rows, part.header) == ("parquet", 7, ("usage_date", "account_number"))
    assert not part.name.endswith(".gz")


async def test_a_part_of_json_lines_names_all_fields_that_may_occur(
    bucket: S3Server, source: S3Source, lake: LocalLake, emma: Table
) -> None:
    record = {"usage_date": "2026-05-31", "account_number": "E1", "EMAILS_SENT": 1, "new": 2}
    bucket.deliver([sent("emma/usage/a.jsonl", json.dumps(record).encode())])
    [request] = await source.plan(emma, TableState())

    [manifest] = await extracted(source, [replace(request, absent=("storage_mb",))], lake)

    wanted = {f for f in emma.fields if f not in ("storage_mb", "emails_sent")} | {"EMAILS_SENT", "new"}
    assert set(manifest.parts[0].header) == wanted


KEYS = [
    "a b",
    "ü é 漢",
    "a+b",
    "a%20b",
    "%2F",
    "a#b",
    "a?b",
    "a*b~",
    "a\\b",
    "a&b=<c>",
    "a:b;c,d@e!f'g(h)[i]{j}|k^l`m",
    "x ",
]


async def test_keys_of_all_kinds_are_read_and_known_again(bucket: S3Server, source: S3Source, lake: LocalLake) -> None:
    bucket.deliver(sent(f"cm/usage/{key}", csv_body(CM, [f"A{n}"])) for n, key in enumerate(KEYS))

    manifest = await _copied(source, CM, lake)

    assert [part.source_file for part in manifest.parts] == sorted(f"cm/usage/{key}" for key in KEYS)
    loaded = frozenset((f.bucket, f.key, f.token) for f in manifest.files)
    assert await source.plan(CM, TableState(files=loaded)) == []
