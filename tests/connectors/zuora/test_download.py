"""Result files on their way into the lake, from a server that serves nothing else."""

from __future__ import annotations

import gzip
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.batch import Part
from connectors.contract import Column, DataType, Table
from connectors.errors import CountMismatch, PermissionMissing, SourceUnavailable, TruncatedBody, UnreadableFile
from connectors.http import HttpSession, RetryPolicy
from connectors.lake.local import LocalLake
from connectors.zuora.aqua import QueryResult
from connectors.zuora.classify import DeletesUnsupported
from connectors.zuora.download import Download, header_of
from sandbox.faults import FaultInjector, Faults
from sandbox.server import Servers

INVOICE = Table(
    "zuora", "zuora_invoice", "", "Invoice",
    tuple(Column(f.lower(), DataType.STRING, f, "", f == "Id") for f in ("Id", "AccountId", "Body")), ("id",), "body",
)  # fmt: skip
FIELDS = {"Id": "Id", "AccountId": "Account.Id", "Body": "Body"}
HEADER = "Invoice.Id,Account.Id,Invoice.Body"
Fetch = Callable[..., Awaitable[list[Part]]]


@dataclass
class Store:
    """Files by their path; says which encodings were welcome."""

    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    faults: Faults = field(default_factory=Faults)
    accepted: list[str | None] = field(default_factory=list["str | None"])
    content_type: str = "application/gzip"

    def app(self) -> FaultInjector:
        return FaultInjector(Starlette(routes=[Route("/{path:path}", self._file)]), self.faults)

    async def _file(self, request: Request) -> Response:
        self.accepted.append(request.headers.get("Accept-Encoding"))
        return Response(self.files[request.url.path], media_type=self.content_type)


def packed(*ids: str) -> bytes:
    return gzip.compress("".join(f"{line}\n" for line in (HEADER, *(f"{one},a,b" for one in ids))).encode())


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with Servers() as running:
        yield running


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def told() -> list[int]:
    return []


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path)


@pytest.fixture
async def fetch(servers: Servers, store: Store, lake: LocalLake, told: list[int]) -> AsyncIterator[Fetch]:
    async def at_once(_: float) -> None:
        """No wait between tries."""

    url = servers.serve(store.app())
    async with HttpSession(url, name="zuora", retry=RetryPolicy(attempts=3, sleep=at_once)) as session:

        async def run(rows: int, *files: str, kind: str = "rows", **options: Any) -> list[Part]:
            download = Download(session, lake, "raw/x", INVOICE, told.append)
            return await download.parts(QueryResult("job", files, rows), FIELDS, kind, **options)  # pyright: ignore[reportArgumentType]

        yield run


def stored(lake: LocalLake) -> list[str]:
    return sorted(path.name for path in lake.root.rglob("*") if path.is_file())


async def test_every_file_is_a_part_with_its_bytes_and_the_contracts_names(
    store: Store, fetch: Fetch, lake: LocalLake, told: list[int]
) -> None:
    store.files = {"/f/1": packed("1", "2"), "/f/2": packed("3")}
    parts = await fetch(3, "/f/1", "/f/2")
    assert [(part.rows, part.kind, part.format, part.header) for part in parts] == [
        (2, "rows", "csv", ("Id", "AccountId", "Body")),
        (1, "rows", "csv", ("Id", "AccountId", "Body")),
    ]
    assert [part.name.rpartition("-")[0] for part in parts] == ["rows-00000", "rows-00001"]
    assert all(part.name.endswith(".csv.gz") for part in parts)
    assert [(lake.root / "raw/x" / part.name).read_bytes() for part in parts] == list(store.files.values())
    assert sum(told) == sum(map(len, store.files.values()))


async def test_keys_are_parts_of_their_own_kind(store: Store, fetch: Fetch) -> None:
    store.files = {"/f/1": packed("1")}
    (part,) = await fetch(1, "/f/1", kind="keys")
    assert (part.kind, part.name.rpartition("-")[0]) == ("keys", "keys-00000")


async def test_nobody_is_asked_to_pack_the_file_once_more(store: Store, fetch: Fetch) -> None:
    store.files = {"/f/1": packed("1")}
    await fetch(1, "/f/1")
    assert store.accepted == ["identity"]


async def test_a_file_without_even_a_header_is_no_part(store: Store, fetch: Fetch, lake: LocalLake) -> None:
    store.files = {"/f/1": gzip.compress(b""), "/f/2": packed("1")}
    (part,) = await fetch(1, "/f/1", "/f/2")
    assert part.name.startswith("rows-00001")
    assert stored(lake) == [part.name]


async def test_a_file_that_is_only_a_header_is_a_part_without_rows(store: Store, fetch: Fetch) -> None:
    store.files = {"/f/1": packed()}
    assert [part.rows for part in await fetch(0, "/f/1")] == [0]


@pytest.mark.parametrize("counted", [1, 3])
async def test_files_that_hold_other_rows_than_zuora_counted_are_refused(
    store: Store, fetch: Fetch, counted: int
) -> None:
    store.files = {"/f/1": packed("1"), "/f/2": packed("2")}
    with pytest.raises(CountMismatch, match=f"zuora counted {counted} rows, the files hold 2") as caught:
        await fetch(counted, "/f/1", "/f/2")
    assert (caught.value.facts["expected"], caught.value.facts["received"]) == (counted, 2)


async def test_a_large_file_is_passed_on_in_pieces_of_a_quarter_mebibyte(
    store: Store, fetch: Fetch, lake: LocalLake, told: list[int]
) -> None:
    body = random.Random(1).randbytes(400_000).hex()
    store.files = {"/f/1": gzip.compress(f"{HEADER}\n1,a,{body}\n".encode(), compresslevel=1)}
    (part,) = await fetch(1, "/f/1")
    assert part.bytes == len(store.files["/f/1"]) == sum(told)
    assert told[:-1] == [1 << 18] * (part.bytes >> 18)
    assert (lake.root / "raw/x" / part.name).read_bytes() == store.files["/f/1"]


class TestDeleted:
    WITH = HEADER + ",MgdwDeleted"

    def rows(self, header: str) -> bytes:
        return gzip.compress(f"{header}\n1,a,b{',true' if header == self.WITH else ''}\n".encode())

    async def test_the_column_is_named_in_every_part(self, store: Store, fetch: Fetch) -> None:
        store.files = {"/f/1": self.rows(self.WITH)}
        (part,) = await fetch(1, "/f/1", deletes=True)
        assert part.header == ("Id", "AccountId", "Body", "_deleted")

    async def test_one_file_without_it_is_too_few_where_it_was_asked_for(self, store: Store, fetch: Fetch) -> None:
        store.files = {"/f/1": self.rows(self.WITH), "/f/2": self.rows(HEADER)}
        with pytest.raises(DeletesUnsupported, match="deleted rows of Invoice"):
            await fetch(2, "/f/1", "/f/2", deletes=True)
        assert len(await fetch(2, "/f/1", "/f/2")) == 2


class TestSpoiled:
    async def test_a_file_that_breaks_off_is_fetched_again(self, store: Store, fetch: Fetch, lake: LocalLake) -> None:
        store.files = {"/f/1": packed("1", "2")}
        store.faults.arm("/f/1", truncate_after=30)
        (part,) = await fetch(2, "/f/1")
        assert stored(lake) == [part.name]

    @pytest.mark.parametrize("length", [0, 1, 2, 30, -1])
    async def test_a_file_that_ends_early_each_time_is_refused(
        self, store: Store, fetch: Fetch, lake: LocalLake, length: int
    ) -> None:
        store.files = {"/f/1": packed("1", "2")[:length]}
        with pytest.raises((TruncatedBody, UnreadableFile)) as caught:
            await fetch(2, "/f/1?Signature=secret")
        assert isinstance(caught.value, TruncatedBody) == (length != 1)
        assert "zuora_invoice: /f/1" in str(caught.value) or length == 1
        assert "secret" not in str(caught.value)
        assert stored(lake) == []

    async def test_an_error_in_its_place_is_explained(self, store: Store, fetch: Fetch) -> None:
        store.files = {"/f/1": b'{"success": false, "reasons": [{"code": 50000010, "message": "no access"}]}'}
        with pytest.raises(PermissionMissing, match="/f/1: 50000010 no access"):
            await fetch(1, "/f/1")

    async def test_a_web_page_in_its_place_is_asked_again(self, store: Store, fetch: Fetch) -> None:
        store.files = {"/f/1": packed("1")}
        store.faults.arm("/f/1", status=200, body="<html>We are down</html>")
        assert len(await fetch(1, "/f/1")) == 1
        store.faults.arm("/f/1", status=200, body="<html>We are down</html>", times=None)
        with pytest.raises(SourceUnavailable, match="web page: We are down"):
            await fetch(1, "/f/1")

    async def test_anything_else_is_quoted_without_what_is_secret(
        self, store: Store, fetch: Fetch, lake: LocalLake
    ) -> None:
        store.files = {"/f/1": b"\xff Id,\n  Name " + b"x" * 1000}
        with pytest.raises(UnreadableFile, match="/f/1 is no gzip file, it says: \ufffd Id, Name xxx") as caught:
            await fetch(1, "/f/1?Signature=secret")
        assert caught.value.cause.count("x") == 300 - len(b"\xff Id,\n  Name ")
        assert "secret" not in str(caught.value)
        assert stored(lake) == []


class TestHeader:
    def test_cells_are_known_with_and_without_the_object_in_any_order_and_case(self) -> None:
        assert header_of(("body", " Account.ID ", "INVOICE.Id"), INVOICE, FIELDS) == ("Body", "AccountId", "Id")

    def test_a_parent_called_like_the_object_itself_is_known_by_its_whole_name(self) -> None:
        fields = {"Id": "Id", "ParentId": "Invoice.ParentId"}
        assert header_of(("Invoice.Id", "Invoice.ParentId"), INVOICE, fields) == ("Id", "ParentId")

    def test_columns_nobody_asked_for_keep_their_name(self) -> None:
        cells = ("Id", "Account.Id", "Body", " Account.Name ", "Invoice.Extra", "MgdwDeleted")
        named = ("Id", "AccountId", "Body", "Account.Name", "Invoice.Extra", "_deleted")
        assert header_of(cells, INVOICE, FIELDS) == named

    def test_the_same_column_twice_is_refused_if_it_was_asked_for(self) -> None:
        assert header_of(("Id", "Account.Id", "Body", "X", "X"), INVOICE, FIELDS)[-2:] == ("X", "X")
        with pytest.raises(UnreadableFile, match="zuora_invoice: the file has twice Id; its header is") as caught:
            header_of(("Id", "Invoice.Id", "Account.Id", "Body"), INVOICE, FIELDS)
        assert caught.value.facts == {"table": "zuora_invoice", "fields": ("Id",)}

    def test_what_is_lacking_is_named_and_the_header_shown_in_part(self) -> None:
        with pytest.raises(UnreadableFile, match="the file lacks AccountId, Body") as caught:
            header_of(("Id", "y" * 400), INVOICE, FIELDS)
        assert caught.value.cause.endswith("its header is Id, " + "y" * 296)
