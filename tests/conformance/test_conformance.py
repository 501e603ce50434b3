"""What every connector does, whatever its source: log in, describe, load, load again."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.batch import Manifest
from connectors.errors import CredentialsRefused, MgdwError, PermissionMissing, UnknownField, UnknownObject
from connectors.source import TableState
from tests.conformance.conftest import ALL, Bench, every
from tests.conformance.station import PAGE


def spoken(error: BaseException) -> str:
    """Everything an error says, its causes included."""
    told: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        told += [str(seen), repr(seen), str(getattr(seen, "facts", ""))]
        seen = seen.__cause__ or seen.__context__
    return " ".join(told)


@every(ALL)
class TestAccess:
    async def test_it_logs_in(self, bench: Bench) -> None:
        bench.stock(1)
        async with bench.station.connect() as source:
            assert (await source.horizon(bench.table)) is not None

    async def test_a_wrong_secret_is_refused_and_not_repeated(self, bench: Bench) -> None:
        bench.stock(1)
        stranger, secrets = bench.station.stranger()
        with pytest.raises(CredentialsRefused) as caught:
            async with stranger as source:
                await source.drift(bench.table)
        assert caught.value.remedy
        assert not [secret for secret in secrets if secret in spoken(caught.value)]

    async def test_an_object_of_the_contract_is_described_without_drift(self, bench: Bench) -> None:
        bench.stock(2)
        async with bench.station.connect() as source:
            drift = await source.drift(bench.table)
        assert (drift.missing, drift.added) == ((), ())

    async def test_drift_names_fields_on_either_side(self, bench: Bench) -> None:
        bench.stock(2)
        first = next(iter(bench.ware.fields))
        table = bench.table
        wanting = bench.ware.table("absentfield")
        narrow = type(table)(**{**vars(table), "columns": tuple(c for c in table.columns if c.field != first)})
        async with bench.station.connect() as source:
            assert (await source.drift(wanting)).missing == ("absentfield",)
            assert [f.lower() for f in (await source.drift(narrow)).added] == [first.lower()]

    async def test_an_unknown_field_stops_its_table_and_is_named(self, bench: Bench) -> None:
        bench.stock(2)
        error = await bench.failure(table=bench.ware.table("absentfield"))
        assert isinstance(error, UnknownField)
        assert "absentfield" in error.cause

    async def test_an_unknown_object_is_named(self, bench: Bench) -> None:
        bench.stock(2)
        error = await bench.failure(table=bench.ware.table(object_name="Nowhere"))
        assert isinstance(error, UnknownObject)
        assert "Nowhere" in error.cause

    async def test_an_object_without_permission_says_so(self, bench: Bench) -> None:
        bench.stock(2)
        bench.station.forbid()
        error = await bench.failure()
        assert isinstance(error, (PermissionMissing, UnknownObject))
        assert await bench.stored() == {}


@every(ALL)
class TestLoading:
    @pytest.mark.parametrize("rows", [0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 2 * PAGE + 1])
    async def test_the_first_load_equals_the_source(self, bench: Bench, rows: int) -> None:
        bench.stock(rows)
        outcome = await bench.good_run()
        await bench.agrees()
        assert sum(r.inserted for r in outcome.results) == rows

    async def test_a_second_load_changes_nothing(self, bench: Bench) -> None:
        bench.stock(12)
        await bench.good_run()
        again = await bench.good_run()
        bench.ware.tick(hours=3)
        bench.station.show()
        later = await bench.good_run()
        await bench.agrees()
        assert sum(r.changed for r in [*again.results, *later.results]) == 0

    async def test_a_full_load_changes_nothing_either(self, bench: Bench) -> None:
        bench.stock(12)
        await bench.good_run()
        bench.ware.tick(hours=3)
        bench.station.show()
        outcome = await bench.good_run(full=True)
        await bench.agrees()
        assert sum(r.changed for r in outcome.results) == 0

    async def test_the_ledger_counts_what_the_source_counts(self, bench: Bench) -> None:
        bench.stock(12)
        outcome = await bench.good_run()
        (entry,) = await bench.ledger()
        (result,) = outcome.results
        assert entry["rows_read"] == entry["inserted"] == result.read == 12
        assert entry["source_rows"] in (12, None)
        assert (entry["source_rows"] is None) == (bench.station.source == "s3")

    async def test_the_manifest_is_complete_and_can_be_read_again(self, bench: Bench) -> None:
        bench.stock(12)
        await bench.good_run()
        (manifest,) = await bench.manifests()
        assert Manifest.from_json(manifest.to_json()) == manifest
        for part in manifest.parts:
            path = Path(bench.lake.uri(manifest, part))
            assert path.stat().st_size == part.bytes
        assert manifest.rows == 12 or bench.station.source == "s3"
        assert {f.lower() for p in manifest.parts for f in p.header} >= {f.lower() for f in bench.table.fields}

    async def test_a_batch_in_the_lake_is_not_fetched_again(self, bench: Bench) -> None:
        bench.stock(12)
        async with bench.station.connect() as source:
            (request,) = await source.plan(bench.table, TableState())
        first = await bench.fetched(request)
        before = bench.station.times(bench.station.data_call)
        second = await bench.fetched(request)
        logins = 1 if bench.station.source == "netsuite" else 0  # the clock is asked for at every login
        assert bench.station.times(bench.station.data_call) == before + logins
        assert first == second

    async def test_the_same_request_gives_the_same_batch(self, bench: Bench) -> None:
        bench.stock(3)
        async with bench.station.connect() as source:
            first, second = [await source.plan(bench.table, TableState()) for _ in range(2)]
        assert [r.batch_id for r in first] == [r.batch_id for r in second]


def test_an_error_of_every_kind_has_a_remedy() -> None:
    kinds = [MgdwError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    assert all(kind.default_remedy for kind in kinds)
