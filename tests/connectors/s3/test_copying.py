"""Files become parts of the lake, byte for byte, counted where counting is exact."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from connectors.batch import Manifest
from connectors.contract import Table, load_contract
from connectors.errors import MgdwError, PermissionMissing, SourceUnavailable, UnreadableFile
from connectors.lake.local import LocalLake
from connectors.s3.settings import S3Settings
from connectors.s3.source import S3Source
from connectors.source import TableState
from sandbox.s3 import S3Server
from tests.connectors.s3.deliveries import csv_body, extracted, failures, jsonl_body, sent

ACCOUNTS = [f"A{n:05}" for n in range(5000)]


async def _copied(source: S3Source, table: Table, lake: LocalLake) -> list[Manifest]:
    return await extracted(source, await source.plan(table, TableState()), lake)


async def _failures(source: S3Source, table: Table, lake: LocalLake) -> tuple[list[Manifest], list[MgdwError]]:
    return await failures(source, await source.plan(table, TableState()), lake)


def _stored(lake: LocalLake, manifest: Manifest) -> dict[str | None, bytes]:
    return {part.source_file: Path(lake.uri(manifest, part)).read_bytes() for part in manifest.parts}


async def test_files_arrive_in_the_lake_as_they_are(
    bucket: S3Server, source: S3Source, lake: LocalLake, cm: Table, emma: Table
) -> None:
    files = [
        sent("cm/usage/a.csv.gz", csv_body(cm, ACCOUNTS)),
        sent("cm/usage/b.csv", csv_body(cm, ["A1"]), packed=False),
        sent("cm/usage/plain.csv.gz", csv_body(cm, ["A1", "A2"]), packed=False),
        sent("cm/usage/packed.csv", csv_body(cm, ["A1", "A2", "A3"]), packed=True),
    ]
    bucket.deliver([*files, sent("emma/usage/e.jsonl.gz", jsonl_body(emma, ACCOUNTS))])

    [manifest] = await _copied(source, cm, lake)
    [of_emma] = await _copied(source, emma, lake)

    assert _stored(lake, manifest) == {f.key: f.body for f in files}
    parts = {part.source_file: part for part in manifest.parts}
    assert {key: part.rows for key, part in parts.items()} == {
        "cm/usage/a.csv.gz": 5000, "cm/usage/b.csv": 1, "cm/usage/plain.csv.gz": 2, "cm/usage/packed.csv": 3,
    }  # fmt: skip
    assert {key: part.name.endswith(".gz") for key, part in parts.items()} == {
        "cm/usage/a.csv.gz": True, "cm/usage/b.csv": False, "cm/usage/plain.csv.gz": False, "cm/usage/packed.csv": True,
    }  # fmt: skip
    assert all(part.header == cm.fields and part.format == "csv" for part in manifest.parts)
    assert [f.key for f in manifest.files] == [part.source_file for part in manifest.parts]
    assert (of_emma.rows, of_emma.parts[0].format) == (5000, "jsonl")
    assert await lake.manifest(manifest.prefix) == manifest


async def test_a_batch_in_the_lake_is_not_fetched_again(
    bucket: S3Server, source: S3Source, lake: LocalLake, cm: Table
) -> None:
    bucket.deliver([sent("cm/usage/a.csv.gz", csv_body(cm, ["A1"]))])
    requests = await source.plan(cm, TableState())
    first = await extracted(source, requests, lake)
    bucket.faults.clear()

    again = await extracted(source, requests, lake)

    assert again == first
    assert bucket.faults.seen == []


async def test_quoted_csv_is_copied_and_left_to_the_warehouse_to_count(
    bucket: S3Server, source: S3Source, lake: LocalLake, cm: Table
) -> None:
    bucket.deliver([sent("cm/usage/a.csv.gz", csv_body(cm, ["A\n1", "A2"], quoted=True))])

    [manifest] = await _copied(source, cm, lake)

    assert (manifest.parts[0].rows, manifest.parts[0].header) == (None, cm.fields)


async def test_gzip_that_the_sender_also_declares_as_encoding_is_not_unpacked_twice(
    bucket: S3Server, source: S3Source, lake: LocalLake, cm: Table
) -> None:
    file = sent("cm/usage/a.csv.gz", csv_body(cm, ["A1"]))
    bucket.deliver([file])
    bucket.faults.arm("GET .*a.csv.gz", times=None, headers={"content-encoding": "gzip"})

    [manifest] = await _copied(source, cm, lake)

    assert _stored(lake, manifest) == {file.key: file.body}


async def test_a_connection_lost_in_the_middle_of_a_file_is_picked_up(
    bucket: S3Server, source: S3Source, lake: LocalLake, cm: Table
) -> None:
    file = sent("cm/usage/a.csv", csv_body(cm, ACCOUNTS), packed=False)
    bucket.deliver([file])
    requests = await source.plan(cm, TableState())
    bucket.faults.arm("GET .*a.csv", truncate_after=100_000)
    bucket.faults.arm("GET .*a.csv", status=503)

    [manifest] = await extracted(source, requests, lake)

    assert _stored(lake, manifest) == {file.key: file.body}
    assert bucket.faults.pending == []


async def test_a_file_replaced_after_the_listing_is_read_in_its_new_version(
    bucket: S3Server, source: S3Source, lake: LocalLake, cm: Table
) -> None:
    bucket.deliver([sent("cm/usage/a.csv", csv_body(cm, ["A1"])), sent("cm/usage/b.csv", csv_body(cm, ["A1"]))])
    requests = await source.plan(cm, TableState())
    newer = sent("cm/usage/a.csv", csv_body(cm, ["A1", "A2"]), day=1)
    bucket.faults.arm("GET .*a.csv", act=lambda: bucket.deliver([newer]))

    [manifest] = await extracted(source, requests, lake)

    assert _stored(lake, manifest)["cm/usage/a.csv"] == newer.body
    assert manifest.files[0].last_modified == newer.last_modified
    assert manifest.details["delivered_again"] == ["cm/usage/a.csv"]
    loaded = frozenset((f.bucket, f.key, f.token) for f in manifest.files)
    assert await source.plan(cm, TableState(files=loaded)) == []


async def test_a_file_withdrawn_after_the_listing_is_simply_gone(
    bucket: S3Server, source: S3Source, lake: LocalLake, cm: Table
) -> None:
    bucket.deliver([sent("cm/usage/a.csv", csv_body(cm, ["A1"])), sent("cm/usage/b.csv", csv_body(cm, ["A1"]))])
    requests = await source.plan(cm, TableState())
    bucket.withdraw("cm/usage/a.csv")

    [manifest] = await extracted(source, requests, lake)

    assert [part.source_file for part in manifest.parts] == ["cm/usage/b.csv"]
    assert manifest.details["withdrawn"] == ["cm/usage/a.csv"]


async def test_a_file_that_never_stops_changing_is_left_to_the_next_run(
    bucket: S3Server, source: S3Source, lake: LocalLake, cm: Table
) -> None:
    bucket.deliver([sent("cm/usage/a.csv", csv_body(cm, ["A1"])), sent("cm/usage/b.csv", csv_body(cm, ["A1"]))])
    versions = iter(range(2, 10))
    bucket.faults.arm(
        "GET .*a.csv",
        times=None,
        act=lambda: bucket.deliver([sent("cm/usage/a.csv", csv_body(cm, ["A1"] * next(versions)), day=1)]),
    )

    [manifest], [error] = await _failures(source, cm, lake)

    assert isinstance(error, SourceUnavailable)
    assert [f.key for f in manifest.files] == ["cm/usage/b.csv"]


def _unreadable() -> dict[str, tuple[bytes, str]]:
    table = load_contract().table("s3_cm_usage_data")
    whole = csv_body(table, ACCOUNTS)
    packed = gzip.compress(whole)
    return {
        "truncated gzip": (packed[: len(packed) // 2], "ends early"),
        "gzip without its checksum": (packed[:-4], "ends early"),
        "damaged gzip": (packed[:-8] + b"\0" * 8, "broken gzip"),
        "trailing garbage": (packed + b"garbage", "broken gzip"),
        "cut in a row": (whole[: whole.rindex(b",") - 12], "middle of a row"),
        "other separator": (whole.replace(b",", b";"), "lacks the key fields usage_date, account_number"),
        "no header": (whole.partition(b"\n")[2], "lacks the key fields"),
        "doubled column": (whole.replace(b"brand_code", b"plan_code", 1), "more than one field named 'plan_code'"),
        "utf-16": (whole.decode().encode("utf-16"), "not UTF-8"),
        "html error page": (b"<html><body>Service unavailable</body></html>\n", "lacks the key fields"),
        "one space": (b" ", "is empty"),
    }


@pytest.mark.parametrize("kind", _unreadable())
async def test_an_unreadable_file_is_named_and_the_others_are_loaded(
    bucket: S3Server, source: S3Source, lake: LocalLake, cm: Table, kind: str
) -> None:
    body, reason = _unreadable()[kind]
    bucket.deliver([sent("cm/usage/bad.csv", body, packed=False), sent("cm/usage/good.csv", csv_body(cm, ["A1"]))])

    [manifest], [error] = await _failures(source, cm, lake)

    assert isinstance(error, UnreadableFile)
    assert error.cause.startswith("cm/usage/bad.csv")
    assert reason in error.cause
    assert error.facts["table"] == "s3_cm_usage_data"
    assert [part.source_file for part in manifest.parts] == ["cm/usage/good.csv"]


async def test_json_that_is_not_lines_is_named(
    bucket: S3Server, source: S3Source, lake: LocalLake, emma: Table
) -> None:
    whole = jsonl_body(emma, ACCOUNTS[:10])
    bodies = {
        "array": b"[" + whole.replace(b"\n", b",")[:-1] + b"]",
        "cut": whole[:-30],
        "scalar": b"42\n",
        "keyless": b'{"date": "2026-05-31"}\n',
    }
    bucket.deliver(sent(f"emma/usage/{name}.jsonl", body) for name, body in bodies.items())

    manifests, errors = await _failures(source, emma, lake)

    assert manifests == []
    causes = {str(error.facts["key"]).split("/")[-1].removesuffix(".jsonl"): error.cause for error in errors}
    assert "a JSON array, not one record a line" in causes["array"]
    assert "ends in the middle of a record" in causes["cut"]
    assert "is not one record a line" in causes["scalar"]
    assert "lacks the key fields usage_date, account_number" in causes["keyless"]


async def test_days_without_usage_are_files_without_rows(
    bucket: S3Server, source: S3Source, lake: LocalLake, cm: Table, emma: Table
) -> None:
    bucket.deliver([sent("cm/usage/a.csv.gz", csv_body(cm, [])), sent("emma/usage/a.jsonl.gz", b"")])

    [of_cm], [of_emma] = await _copied(source, cm, lake), await _copied(source, emma, lake)

    assert [part.rows for part in (*of_cm.parts, *of_emma.parts)] == [0, 0]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
async def test_blank_lines_line_ends_and_byte_order_marks_do_not_count(
    bucket: S3Server, source: S3Source, lake: LocalLake, cm: Table, end: str
) -> None:
    lines = csv_body(cm, ["A1", "A2", "A3"]).decode().split()
    text = "\ufeff" + (end + end).join(lines) + end + end
    bucket.deliver([sent("cm/usage/a.csv", text.encode()), sent("cm/usage/b.csv", end.join(lines).encode())])

    [manifest] = await _copied(source, cm, lake)

    assert [(part.header, part.rows) for part in manifest.parts] == [(cm.fields, 3), (cm.fields, 3)]


async def test_a_gzip_of_several_members_is_read_to_its_end(
    bucket: S3Server, source: S3Source, lake: LocalLake, cm: Table
) -> None:
    body = csv_body(cm, ACCOUNTS)
    half = len(body) // 2
    bucket.deliver([sent("cm/usage/a.csv", gzip.compress(body[:half]) + gzip.compress(body[half:]), packed=False)])

    [manifest] = await _copied(source, cm, lake)

    assert manifest.rows == 5000


async def test_a_file_that_may_not_be_read_is_named_and_the_others_are_loaded(
    bucket: S3Server, source: S3Source, lake: LocalLake, cm: Table
) -> None:
    bucket.deliver([sent("cm/usage/a.csv", csv_body(cm, ["A1"])), sent("cm/usage/b.csv", csv_body(cm, ["A1"]), day=1)])
    bucket.faults.arm("GET .*a.csv", status=403, body="<Error><Code>AccessDenied</Code></Error>")

    [manifest], [error] = await _failures(source, cm, lake)

    assert isinstance(error, PermissionMissing)
    assert "cm/usage/a.csv" in error.cause
    assert [part.source_file for part in manifest.parts] == ["cm/usage/b.csv"]


async def test_what_was_set_aside_is_reported_again_when_the_batch_is_taken_from_the_lake(
    bucket: S3Server, source: S3Source, lake: LocalLake, cm: Table
) -> None:
    bucket.deliver([sent("cm/usage/bad.csv", b"x\n"), sent("cm/usage/good.csv", csv_body(cm, ["A1"]), day=1)])

    first, second = await _failures(source, cm, lake), await _failures(source, cm, lake)

    assert first[0] == second[0]
    assert [e.cause for e in first[1]] == [e.cause for e in second[1]]


class Killed(BaseException):
    """As a signal handler raises it."""


class KilledLake(LocalLake):
    """The process is told to end while a batch is committed."""

    async def commit(self, manifest: Manifest) -> Manifest:
        raise Killed


async def test_what_ends_the_process_is_not_swallowed(
    bucket: S3Server, source: S3Source, tmp_path: Path, cm: Table
) -> None:
    bucket.deliver([sent("cm/usage/a.csv", csv_body(cm, ["A1"]))])
    requests = await source.plan(cm, TableState())

    with pytest.raises(Killed):
        await extracted(source, requests, KilledLake(tmp_path))


async def test_a_full_lake_stops_the_batch_with_one_error(
    bucket: S3Server, source: S3Source, tmp_path: Path, cm: Table
) -> None:
    (tmp_path / "lake").write_text("a file where the lake's folder should be")
    bucket.deliver(sent(f"cm/usage/{n}.csv", csv_body(cm, ["A1"])) for n in range(3))

    manifests, [error] = await _failures(source, cm, LocalLake(tmp_path / "lake"))

    assert manifests == []
    assert type(error).__name__ == "StorageFull"


async def test_tables_do_not_stop_each_other(
    bucket: S3Server, settings: S3Settings, lake: LocalLake, cm: Table, emma: Table
) -> None:
    bucket.deliver(sent(f"cm/usage/{n}.csv", csv_body(cm, ["A1"]), day=n) for n in range(3))
    bucket.deliver([sent("emma/usage/a.jsonl", jsonl_body(emma, ["E1"]))])
    source = S3Source(settings.model_copy(update={"batch_files": 1}))
    requests = [*await source.plan(cm, TableState()), *await source.plan(emma, TableState())]
    bucket.faults.arm("GET .*emma", times=None, status=500)

    manifests, [error] = await failures(source, requests, lake)

    assert [m.files[0].key for m in manifests] == [f"cm/usage/{n}.csv" for n in range(3)]
    assert isinstance(error, SourceUnavailable)
    assert error.facts["table"] == "s3_emma_usage_data"


async def test_a_file_replaced_in_the_middle_of_its_read_is_read_again_from_its_start(
    bucket: S3Server, source: S3Source, lake: LocalLake, cm: Table
) -> None:
    bucket.deliver([sent("cm/usage/a.csv", csv_body(cm, ACCOUNTS), packed=False)])
    requests = await source.plan(cm, TableState())
    newer = sent("cm/usage/a.csv", csv_body(cm, [f"B{n}" for n in range(5000)]), day=1, packed=False)
    bucket.faults.arm("GET .*a.csv", truncate_after=100_000)
    bucket.faults.arm("GET .*a.csv", act=lambda: bucket.deliver([newer]))

    [manifest] = await extracted(source, requests, lake)

    assert _stored(lake, manifest) == {newer.key: newer.body}
    assert manifest.files[0].last_modified == newer.last_modified


async def test_a_file_withdrawn_in_the_middle_of_its_read_is_simply_gone(
    bucket: S3Server, source: S3Source, lake: LocalLake, cm: Table
) -> None:
    bucket.deliver(sent(f"cm/usage/{n}.csv", csv_body(cm, ACCOUNTS), packed=False) for n in "ab")
    requests = await source.plan(cm, TableState())
    bucket.faults.arm("GET .*a.csv", truncate_after=100_000)
    bucket.faults.arm("GET .*a.csv", act=lambda: bucket.withdraw("cm/usage/a.csv"))

    [manifest] = await extracted(source, requests, lake)

    assert [f.key for f in manifest.files] == ["cm/usage/b.csv"]
    assert manifest.details["withdrawn"] == ["cm/usage/a.csv"]
