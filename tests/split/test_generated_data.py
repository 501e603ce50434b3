"""Generated rows hold every literal that a project compares a column with, and never a value of Enterprise."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from split.dbt.build import Node, Parsed, Place, Source
from split.verify.data import Pair, generate
from split.verify.data_set import DataSet
from split.verify.extracts import ExtractRefused, read_extracts
from tests.split.small_project import FACTS

MODELS = {
    "stg": """
        select id, brand as product_line, customer_id, amount, quantity, placed, status
        from {{ source('raw', 'orders') }}
    """,
    "renamed": "select product_line as line, quantity as q, placed as day, status from {{ ref('stg') }}",
    "used": """
        select line, case status when 'open' then 1 when 'lost' then 2 end as s from {{ ref('renamed') }}
        where line in ('Alpha', 'Alfa', 'Ent') and q >= 40 and day < date '2022-05-17' and status like 'won%'
    """,
    "joined": """
        select c.name from {{ ref('stg') }} as o join {{ source('raw', 'customers') }} as c on c.id = o.customer_id
    """,
    "jinja": "select 1 as x from {{ ref('stg') }} where product_line = '{{ var(\"brand\") }}'",
    "spelled": "select 1 as x from {{ ref('stg') }} where lower(product_line) = 'ent' or product_line like 'Fe%'",
}


def _parsed() -> Parsed:
    place = Place("warehouse", "raw", "x")
    nodes = {n: Node(n, f"models/{n}.sql", "model", "view", text, (), place) for n, text in MODELS.items()}
    orders = {"id": "bigint", "brand": "varchar", "amount": "decimal(10, 2)", "quantity": "int", "placed": "date"}
    sources = [
        Source("raw.orders", {**orders, "customer_id": "bigint"}, place, (("id",),)),
        Source("raw.customers", {"id": "bigint", "name": None}, place, (("id",),)),
        Source("raw.contracts", {"id": "bigint", "value": "double"}, place),
        Source("raw.loose", {"a": "varchar", "tags": "struct(x int)[]"}, place),
    ]
    return Parsed(Path("none"), nodes, {s.name: s for s in sources})


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    return generate(_parsed(), FACTS, seed=7)


def _column(data: DataSet, table: str, column: str) -> list[Any]:
    found = data.tables[table]
    return [row[list(found.columns).index(column)] for row in found.rows]


def test_every_literal_of_a_renamed_column_occurs_with_its_neighbours(pairs: list[Pair]) -> None:
    data = pairs[0].commercial
    assert {39, 40, 41} <= set(_column(data, "raw.orders", "quantity"))
    days = {dt.date(2022, 5, day) for day in (16, 17, 18)}
    assert days <= set(_column(data, "raw.orders", "placed"))
    assert {"open", "lost", "won"} <= set(_column(data, "raw.orders", "status"))


def test_every_column_that_may_be_null_is(pairs: list[Pair]) -> None:
    for column in ("brand", "quantity", "placed", "customer_id", "status"):
        assert None in _column(pairs[0].commercial, "raw.orders", column)


def test_enterprise_values_are_in_the_mixed_rows_only(pairs: list[Pair]) -> None:
    for pair in pairs:
        ours = set(_column(pair.commercial, "raw.orders", "brand"))
        assert {"Alpha", "Beta"} <= ours
        assert not {str(value).strip().lower() for value in ours} & {"ent", "fed"}
        assert {"Ent", "Fed"} <= set(_column(pair.mixed, "raw.orders", "brand"))
        assert not pair.commercial.tables["raw.contracts"].rows
        assert pair.mixed.tables["raw.contracts"].rows


def test_mixed_rows_are_the_commercial_ones_and_more(pairs: list[Pair]) -> None:
    for pair in pairs:
        for table, found in pair.commercial.tables.items():
            assert not Counter(found.rows) - Counter(pair.mixed.tables[table].rows)


def test_values_that_nobody_declared_have_a_data_set_of_their_own(pairs: list[Pair]) -> None:
    *declared, undeclared = pairs
    assert undeclared.commercial.undeclared == ("raw.orders.brand = 'Alfa'",)
    assert "Alfa" in _column(undeclared.commercial, "raw.orders", "brand")
    assert all("Alfa" not in _column(pair.commercial, "raw.orders", "brand") for pair in declared)


def test_unique_columns_are_and_others_have_ties(pairs: list[Pair]) -> None:
    for pair in pairs:
        ids = _column(pair.mixed, "raw.orders", "id")
        assert len(set(ids)) == len(ids)
        assert None not in ids
        loose = pair.commercial.tables["raw.loose"].rows
        assert max(Counter(map(str, loose)).values()) > 1


def test_joined_columns_share_values(pairs: list[Pair]) -> None:
    data = pairs[0].commercial
    shared = set(_column(data, "raw.orders", "customer_id")) & set(_column(data, "raw.customers", "id"))
    assert len(shared) > 2


def test_a_column_that_only_the_models_name_is_there_with_a_guessed_type(pairs: list[Pair]) -> None:
    assert "status" in pairs[0].commercial.tables["raw.orders"].columns
    assert "raw.orders.status: VARCHAR" in pairs[0].commercial.assumed


def test_the_same_seed_makes_the_same_rows_and_another_makes_others(pairs: list[Pair]) -> None:
    assert generate(_parsed(), FACTS, seed=7) == pairs
    assert generate(_parsed(), FACTS, seed=8)[0].commercial.tables != pairs[0].commercial.tables


def test_all_rows_can_be_stored(pairs: list[Pair], tmp_path: Path) -> None:
    for number, pair in enumerate(pairs):
        pair.mixed.write(tmp_path / f"{number}.duckdb")
        with duckdb.connect(str(tmp_path / f"{number}.duckdb"), read_only=True) as connection:
            counted = connection.execute('select count(*) from "raw.orders"').fetchone()
        assert counted == (len(pair.mixed.tables["raw.orders"].rows),)


def _extract(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def test_an_extract_is_read_with_the_declared_types(tmp_path: Path) -> None:
    folder = _extract(tmp_path / "real", {"raw.orders.csv": "id,brand,amount,extra\n1,Alpha,2.50,x\n2,,1,y\n"})
    data = read_extracts(folder, _parsed(), FACTS)
    data.write(tmp_path / "given.duckdb")
    with duckdb.connect(str(tmp_path / "given.duckdb"), read_only=True) as connection:
        rows = connection.execute('select * from "raw.orders"').fetchall()
        kinds = connection.execute("select column_name, data_type from duckdb_columns() where not internal").fetchall()
    assert [row[:2] for row in rows] == [(1, "Alpha"), (2, None)]
    assert dict(kinds) == {"id": "BIGINT", "brand": "VARCHAR", "amount": "DECIMAL(10,2)", "extra": "VARCHAR"}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("raw.orders.csv", 'id,brand\n1,Alpha\n2,"Ent"\n', r"raw\.orders\.csv, row 2: brand is 'Ent'"),
        ("raw.contracts.csv", "id,value\n1,2\n", r"raw\.contracts\.csv, row 1: the table holds Enterprise rows only"),
        ("raw.nothing.csv", "id\n1\n", r"the project reads no table raw\.nothing"),
        ("raw.orders.csv", "id,brand\nx,Alpha\n", r"raw\.orders\.csv: .*[Cc]onver"),
        ("raw.orders.csv", "id,brand\n1,Alpha,more\n", r"raw\.orders\.csv: "),
        ("raw.orders.csv", "id,brand\n1,Alpha\n2\n", r"raw\.orders\.csv: "),
        ("raw.orders.csv", f'id,brand,text\n1,"Ent","{"x" * 200_000}"\n', r"raw\.orders\.csv, row 1: brand is 'Ent'"),
        ("raw.orders.csv", b"id,brand\n1,\xff\n", r"raw\.orders\.csv: "),
    ],
)
def test_an_extract_that_is_not_commercial_or_not_readable_is_refused(
    tmp_path: Path, name: str, text: str | bytes, said: str
) -> None:
    folder = _extract(tmp_path / "real", {name: text})
    with pytest.raises(ExtractRefused, match=said):
        read_extracts(folder, _parsed(), FACTS)


def test_a_parquet_extract_with_an_enterprise_row_is_refused_with_its_row(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    file = tmp_path / "real" / "raw.orders.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"copy (select * from (values (1, 'Alpha'), (2, 'Fed')) t(id, brand)) to '{file}'")
    with pytest.raises(ExtractRefused, match=r"raw\.orders\.parquet, row 2: brand is 'Fed'"):
        read_extracts(tmp_path / "real", _parsed(), FACTS)
