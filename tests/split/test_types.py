"""Types that the text and the schema tell, and what is written or refused because of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from split.facts import Facts
from split.project import classify_project, load_project
from split.sql.engine import Lookup, specialise
from split.sql.types import Type, type_named
from tests.split.queries import lookup, typed

BIGQUERY = {"int": "INT64", "brand": "STRING", "text": "STRING", "segment": "STRING", "bool": "BOOL"}
JOIN = "from orders as o left join contracts as c on c.id = o.id"

WRITTEN = {
    "a column of a join that is gone": (
        f"select distinct o.id, c.note {JOIN}",
        "select distinct o.id, cast(null as string) as note from orders as o",
    ),
    "an alias above it": (
        f"with j as (select o.id, c.note as n {JOIN}), k as (select j.* from j) select max(n) as m from k",
        (
            "with j as (select o.id, cast(null as string) as n from orders as o ), k as (select j.* from j) "
            "select max(n) as m from k"
        ),
    ),
    "a branch that was NULL as written": (
        "select max(case when brand = 'Ent' then region else null end) as r from orders",
        "select max(cast(null as string)) as r from orders",
    ),
    "branches that were all NULL but the one that goes": (
        "select case when brand = 'Ent' then amt when id = 1 then null end as a from orders",
        "select cast(null as int64) as a from orders",
    ),
    "what gave the NULL of a UNION its type": (
        "select x from (select id, null as x from orders union all select id, note from contracts) as t",
        "select x from (select id, cast(null as string) as x from orders) as t",
    ),
    "a NULL that another branch still gives a type": (
        "select null as x from orders union all select region from orders union all select note from contracts",
        "select null as x from orders union all select region from orders",
    ),
    "a column of an UNNEST": (
        "select t.id, t.b from orders as o left join unnest([struct(1 as id, 'x' as b)]) as t on o.brand = 'Ent'",
        "select cast(null as int64) as id, cast(null as string) as b from orders as o",
    ),
    "a number that stood beside a fraction": (
        "select case when brand = 'Ent' then 0.5 else 1 end as rate from orders",
        "select cast(1 as float64) as rate from orders",
    ),
    "a text that stood beside a date": (
        "select if(brand = 'Ent', cast(region as date), '2020-01-01') as d from orders",
        "select cast('2020-01-01' as date) as d from orders",
    ),
    "what an expression is computed of": (
        f"select lower(c.note) as n, c.amt / 2 as a, if(c.id > 1, 'x', c.note) as b {JOIN}",
        (
            "select lower(cast(null as string)) as n, cast(null as int64) / 2 as a, "
            "if(cast(null as int64) > 1, 'x', cast(null as string)) as b from orders as o"
        ),
    ),
}  # fmt: skip
"""In BigQuery's dialect, with the types of the tables known."""

UNTYPED = {
    "DISTINCT further on compared": f"select id from (select o.id, c.note {JOIN}) as t where note = 'x'",
    "the argument of an aggregate": (
        f"select r.weight from regions as r join (select max(c.note) as m {JOIN}) as t on t.m = r.region"
    ),
    "a UNION beside a NULL that is a column already": (
        f"select distinct c.note {JOIN} union all select region from orders"
    ),
    "a UNION of what a CTE has": (
        f"with t as (select o.id, c.note {JOIN}) select * from t union all select id, region from orders"
    ),
    "the first value of a window": f"select first_value(c.note) over (order by o.id) as f {JOIN}",
    "NOT": f"select not c.note as n {JOIN}",
    "the branch that gave a NULL its type": (
        "select lower(x) as l from (select null as x from orders union all select note from contracts) as t"
    ),
    "a function of unknown type": f"select o.id from orders as o where o.region in (select any_value(c.note) {JOIN})",
}  # fmt: skip
"""What BigQuery would refuse with a bare NULL; no schema tells its type."""

TAKEN = {
    "the query's own column": (f"select c.note {JOIN}", "select null as note from orders as o"),
    "a column that only passes through": (
        f"with t as (select o.id, c.note {JOIN}), final as (select id, note as n from t) select * from final",
        (
            "with t as (select o.id, null as note from orders as o ), final as (select id, note as n from t) "
            "select * from final"
        ),
    ),
    "a column that no branch of a UNION has": (
        (
            f"with t as (select o.id, c.note {JOIN}), u as (select id from orders union all select id from accounts) "
            "select t.id, t.note from t join u on u.id = t.id"
        ),
        (
            "with t as (select o.id, null as note from orders as o ), "
            "u as (select id from orders union all select id from accounts) "
            "select t.id, t.note from t join u on u.id = t.id"
        ),
    ),
    "beside a value that has a type": (
        f"select id from (select o.id, coalesce(c.note, 'x') as n {JOIN}) as t where n = 'x'",
        "select id from (select o.id, coalesce(null, 'x') as n from orders as o ) as t where n = 'x'",
    ),
    "a branch of a UNION that gets its type from another": (
        f"select c.note {JOIN} union all select region from orders",
        "select null as note from orders as o  union all select region from orders",
    ),
    "a count": (f"select n from (select count(c.note) as n {JOIN}) as t where n > 1",
                "select n from (select count(null) as n from orders as o ) as t where n > 1"),
}  # fmt: skip
"""What it takes all the same."""


@pytest.mark.parametrize("name", WRITTEN)
def test_a_null_that_comes_has_the_type_of_what_went(name: str) -> None:
    old, new = WRITTEN[name]
    found = specialise(old, typed(BIGQUERY, "bigquery"), dialect="bigquery")
    assert found.text == new


@pytest.mark.parametrize("name", UNTYPED)
def test_a_null_of_unknown_type_is_left_to_a_person_where_bigquery_would_refuse_it(name: str) -> None:
    found = specialise(UNTYPED[name], lookup, dialect="bigquery")
    assert found.text == UNTYPED[name]
    assert "write cast(null as …) there by hand" in found.left[0].reason


@pytest.mark.parametrize("name", TAKEN)
def test_a_null_of_unknown_type_comes_where_bigquery_takes_it(name: str) -> None:
    old, new = TAKEN[name]
    assert specialise(old, lookup, dialect="bigquery").text == new


def test_what_is_possible_only_after_another_cut_is_made_after_it() -> None:
    for_ent = "if(o.brand = 'Ent', o.region, null)"
    read = "case when brand = 'Ent' then upper(m) else 'x' end"
    query = (
        f"with t as (select o.brand, {for_ent} as m, {for_ent} as k from orders as o) select {{}} as u, k || 'x' from t"
    )
    once = specialise(query.format(read), lookup, dialect="bigquery")
    assert once.text == query.format("'x'").replace(for_ent, "null", 1)
    assert [left.reason for left in once.left if "write cast(null as …) there by hand" in left.reason]
    again = specialise(once.text, lookup, dialect="bigquery")
    assert (again.text, again.cuts) == (once.text, ())


@pytest.mark.parametrize(
    ("query", "known", "at_risk"),
    [
        (f"select c.note {JOIN}", lookup, True),
        (f"select c.note {JOIN}", typed(BIGQUERY, "bigquery"), False),
        ("select case when brand = 'Ent' then id else amt end as x from orders", lookup, True),
        ("select case when brand = 'Ent' then id else amt end as x from orders", typed(BIGQUERY, "bigquery"), False),
        ("select amt from orders union all select amt from contracts", typed(BIGQUERY, "bigquery"), False),
        ("select amt from orders union all select amt / 2 from contracts", typed(BIGQUERY, "bigquery"), True),
    ],
)
def test_a_type_is_at_risk_only_where_it_is_not_proved_to_stay(query: str, known: Lookup, at_risk: bool) -> None:
    [cut] = specialise(query, known, dialect="bigquery").cuts
    assert cut.type_at_risk is at_risk


def test_the_precision_of_a_column_is_no_type_of_a_value_in_bigquery() -> None:
    assert type_named("NUMERIC(10, 2)", "bigquery") == type_named("numeric", "bigquery") == Type("DECIMAL")
    assert type_named("decimal(10,2)", "duckdb") != type_named("decimal(12,2)", "duckdb")
    assert type_named("ARRAY<STRUCT<a INT64>>", "bigquery") == Type("ARRAY<STRUCT<a BIGINT>>")
    assert type_named("no type at all", "bigquery") is None


@pytest.mark.parametrize("dialect", ["bigquery", "snowflake", "duckdb"])
def test_a_type_that_a_macro_writes_is_not_known(dialect: str) -> None:
    old = f"select cast(c.note as {{{{ dbt.type_string() }}}}) as n, o.id::{{{{ a_type }}}} as i {JOIN} where o.id > 0"
    new = "select cast(null as {{ dbt.type_string() }}) as n, o.id::{{ a_type }} as i from orders as o  where o.id > 0"
    found = specialise(old, lookup, dialect=dialect)
    assert found.text == new
    assert not found.result.types.get("n")


YAML = """\
sources:
  - name: src
    tables:
      - name: orders
        columns: [{name: id, data_type: INT64}, {name: brand, data_type: STRING}]
      - name: contracts
        columns: [{name: id, data_type: INT64}, {name: signed, data_type: DATE}, {name: note}]
seeds:
  - name: rates
    config: {column_types: {rate: NUMERIC}}
"""
FACTS = Facts.model_validate(
    {
        "tables": {
            "src.contracts": {"only": "enterprise"},
            "rates": {"only": "enterprise"},
            "fees": {"only": "enterprise"},
        }
    }
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    (tmp_path / "seeds").mkdir()
    (tmp_path / "dbt_project.yml").write_text("name: small\nseeds: {small: {fees: {+column_types: {fee: FLOAT64}}}}\n")
    (tmp_path / "models/src.yml").write_text(YAML)
    (tmp_path / "seeds/rates.csv").write_text("id,rate\n1,2\n")
    (tmp_path / "seeds/fees.csv").write_text("id,fee\n1,2\n")
    (tmp_path / "models/signed.sql").write_text("select id, signed as day from {{ source('src', 'contracts') }}\n")
    (tmp_path / "models/days.sql").write_text(
        "select distinct o.id, s.day, r.rate, f.fee from {{ source('src', 'orders') }} as o\n"
        "left join {{ ref('signed') }} as s on s.id = o.id\n"
        "left join {{ ref('rates') }} as r on r.id = o.id\n"
        "left join {{ ref('fees') }} as f on f.id = o.id\n"
    )
    (tmp_path / "models/notes.sql").write_text(
        "select distinct o.id, c.note from {{ source('src', 'orders') }} as o\n"
        "left join {{ source('src', 'contracts') }} as c on c.id = o.id\n"
    )
    return tmp_path


def test_the_types_of_sources_seeds_and_models_above_are_those_that_yaml_declares(folder: Path) -> None:
    report = classify_project(load_project(folder, facts=FACTS, dialect="bigquery"))
    assert report.model("days").new_text == (
        "select distinct o.id, cast(null as date) as day, cast(null as numeric) as rate, cast(null as float64) as fee "
        "from {{ source('src', 'orders') }} as o\n"
    )


def test_the_information_schema_tells_types_that_yaml_does_not(folder: Path, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(
        '[{"table_schema": "src", "table_name": "contracts", "column_name": "id", "data_type": "INT64"},'
        ' {"table_schema": "src", "table_name": "contracts", "column_name": "note", "data_type": "STRING(20)"}]'
    )
    report = classify_project(load_project(folder, facts=FACTS, schema=schema, dialect="bigquery"))
    assert "cast(null as string) as note" in (report.model("notes").new_text or "")
