"""Queries in BigQuery's dialect, old and new: Google's analyzer takes both, and its evaluator gives the same rows."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator

import pytest
import sqlglot
from sqlglot.errors import SqlglotError

from split.sql.engine import Lookup, specialise
from tests.bigquery.googlesql.client import GoogleSql, Refused
from tests.split.queries import COLUMNS, Generator, lookup, rows, typed
from tests.split.wide_queries import WideGenerator

DATASET = "mg-dw-split.RAW"
TYPES = {"int": "INT64", "brand": "STRING", "text": "STRING", "segment": "STRING", "bool": "BOOL"}
KNOWN = typed(TYPES, "bigquery")
_TABLE = re.compile(r"\b(from|join)\s+(" + "|".join(COLUMNS) + r")\b", re.IGNORECASE)
_REF = re.compile(r"\{\{ ref\('(\w+)'\) \}\}")

WRITTEN = {
    "QUALIFY": "select id from {{ ref('orders') }} qualify brand = 'Ent' or row_number() over (order by id, amt) = 1",
    "EXCEPT and REPLACE": (
        "select * except (region) replace (if(brand = 'Ent', 0, amt) as amt) from {{ ref('orders') }} "
        "where brand not in ('Ent', 'Fed')"
    ),
    "a struct's field": (
        "select t.s.b as b from (select struct(brand as b, id as i) as s from {{ ref('accounts') }}) as t "
        "where t.s.b <> 'Ent'"
    ),
    "UNNEST": (
        "select o.id, w from {{ ref('orders') }} as o cross join unnest(['Ent', o.brand]) as w where o.brand <> 'Ent'"
    ),
    "COUNTIF and IF": (
        "select countif(brand = 'Ent') as e, sum(if(brand in ('Ent', 'Fed'), amt, 0)) as s from {{ ref('orders') }}"
    ),
    "SAFE_CAST, SAFE_DIVIDE and IFNULL": (
        "select safe_divide(sum(case when brand = 'Ent' then amt end), sum(amt)) as share, "
        "ifnull(safe_cast(case when brand = 'Fed' then 'x' else '1' end as int64), 0) as n "
        "from {{ ref('orders') }} group by brand"
    ),
    "DISTINCT set operations": (
        "(select brand from {{ ref('orders') }} union distinct select brand from {{ ref('contracts') }}) "
        "except distinct select 'Alpha'"
    ),
    "CTEs that go": (
        "with e as (select id from {{ ref('orders') }} where brand = 'Ent'), c as (select id from {{ ref('orders') }}) "
        "select * from c union all select * from e"
    ),
    "a left join that finds nothing": (
        "select o.id, c.note from {{ ref('orders') }} as o left join {{ ref('contracts') }} as c on c.id = o.id"
    ),
    "an alias in HAVING": (
        "select brand, count(*) as n from {{ ref('orders') }} group by brand having n > 0 and brand <> 'Ent'"
    ),
    "texts of three kinds": (
        "select id from {{ ref('orders') }} where brand = \"Ent\" or brand = r'Fed' or brand = '''Alpha'''"
    ),
    "PIVOT": (
        "select * from (select brand, amt from {{ ref('orders') }}) pivot (sum(amt) for brand in ('Alpha', 'Ent'))"
    ),
    "NULL is no operand": (
        "select id, case when brand = 'Ent' then amt end - 1 as x, "
        "case when brand = 'Fed' then region end || 'y' as z from {{ ref('orders') }}"
    ),
    "a column of a join that finds nothing, DISTINCT, in a UNION": (
        "select distinct o.id, c.note from {{ ref('orders') }} as o left join {{ ref('contracts') }} as c "
        "on c.id = o.id union all select id, name from {{ ref('accounts') }}"
    ),
    "a column of a join that finds nothing, compared further on": (
        "select id from (select o.id, c.note from {{ ref('orders') }} as o "
        "left join {{ ref('contracts') }} as c on c.id = o.id) as t where note = 'x' or id = 1"
    ),
    "MAX of a branch that is NULL": (
        "select max(case when brand = 'Ent' then region else null end) as r from {{ ref('orders') }} "
        "union all select name from {{ ref('accounts') }}"
    ),
    "what gave the NULL of a UNION its type": (
        "with t as (select id, null as note from {{ ref('orders') }} "
        "union all select id, note from {{ ref('contracts') }}) select id from t where note = 'x' or id = 1"
    ),
    "a join with an UNNEST that finds nothing": (
        "select o.id, t.id as other, t.brand from {{ ref('orders') }} as o "
        "left join unnest([struct(1 as id, 'Ent' as brand), struct(2, null)]) as t on o.brand = 'Ent' and t.id = o.id "
        "union all select id, id, name from {{ ref('accounts') }}"
    ),
    "the first value of what is NULL": (
        "select first_value(case when brand = 'Ent' then region end) over (order by id, amt, region) as f "
        "from {{ ref('orders') }}"
    ),
    "NOT of what is NULL": (
        "select id from {{ ref('orders') }} where not (case when brand = 'Ent' then amt > 1 end) or id = 1"
    ),
    "a text beside a date that goes": (
        "select id from (select id, case when brand = 'Ent' then current_date else '2020-01-01' end as d "
        "from {{ ref('orders') }}) as t where d < date '2021-01-01'"
    ),
    "a named window": (
        "select id, sum(if(brand = 'Ent', 0, amt)) over w as s from {{ ref('orders') }} "
        "window w as (partition by brand order by id, amt, region)"
    ),
    "ARRAY_AGG and an aggregate's IGNORE NULLS": (
        "select array_agg(if(brand = 'Ent', null, id) ignore nulls order by id) as ids from {{ ref('accounts') }}"
    ),
}


@pytest.fixture(scope="module")
def tables(google_sql: GoogleSql) -> Iterator[GoogleSql]:
    """The analyzer with the tables of the random queries, filled with Commercial rows."""
    rng = random.Random(3)
    for table, columns in COLUMNS.items():
        google_sql.table(f"{DATASET}.{table}", [(c, TYPES[k]) for c, k in columns.items()])
        made = rows(table, rng)
        if made:
            google_sql.fill(f"{DATASET}.{table}", made)
            continue
        google_sql.forget(f"{DATASET}.{table}")  # the evaluator reads no table that was not filled
        none = ", ".join(f"cast(null as {TYPES[k]}) as {c}" for c, k in columns.items())
        google_sql.evaluate(f"select {none} from unnest([1]) where false", keep=f"{DATASET}.{table}")
    yield google_sql
    for table in COLUMNS:
        google_sql.forget(f"{DATASET}.{table}")


def check(google: GoogleSql, old: str, known: Lookup = KNOWN) -> int | None:
    """Compare a model's text before and after; the number of cuts, None for a query that BigQuery does not take."""
    found = specialise(old, known, dialect="bigquery")
    try:
        before = google.analyze(_rendered(old))
        expected = google.evaluate(_rendered(old))
    except Refused:
        return None
    after = google.analyze(_rendered(found.text))
    assert [name for name, _ in after] == [name for name, _ in before], found.text
    if after != before:
        assert any(cut.type_at_risk for cut in found.cuts), f"a type changed without a word: {found.text}"
    new = google.evaluate(_rendered(found.text))
    assert Counter(map(_same, new)) == Counter(map(_same, expected)), found.text
    return len(found.cuts)


def _rendered(text: str) -> str:
    return _REF.sub(lambda m: f"`{DATASET}.{m[1]}`", text)


def _same(row: object) -> str:
    """A row as text; numbers that are the same in two types are the same."""
    return re.sub(r"(?<=\d)\.0\b", "", repr(row))


def _model(query: str) -> str | None:
    """A query of DuckDB's in BigQuery's words, over models; None where it has none."""
    try:
        text = sqlglot.transpile(query, read="duckdb", write="bigquery")[0]
    except SqlglotError:
        return None
    return _TABLE.sub(lambda m: f"{m[1]} {{{{ ref('{m[2]}') }}}}", text)


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_left_of_a_bigquery_query_is_valid_and_gives_the_same_rows(name: str, tables: GoogleSql) -> None:
    assert check(tables, WRITTEN[name]) is not None, "BigQuery does not take the old query"


@pytest.mark.parametrize("start", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(40, 200, 40))])
def test_random_queries_are_taken_by_google_and_give_the_same_rows(start: int, tables: GoogleSql) -> None:
    made = [_model(g(seed).query()) for seed in range(start, start + 40) for g in (Generator, WideGenerator)]
    cuts = [found for text in made if text is not None and (found := check(tables, text)) is not None]
    assert len(cuts) > 20
    assert sum(cuts) > 20


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_left_is_valid_where_no_schema_tells_types(name: str, tables: GoogleSql) -> None:
    assert check(tables, WRITTEN[name], lookup) is not None


@pytest.mark.parametrize("start", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(20, 200, 20))])
def test_random_queries_are_taken_where_no_schema_tells_types(start: int, tables: GoogleSql) -> None:
    made = [_model(g(seed).query()) for seed in range(start, start + 20) for g in (Generator, WideGenerator)]
    assert sum(found for text in made if text is not None and (found := check(tables, text, lookup)) is not None) > 10


@pytest.mark.slow
@pytest.mark.parametrize("start", range(20_000, 21_000, 100))
def test_a_thousand_more_random_queries(start: int, tables: GoogleSql) -> None:
    made = [_model(g(seed).query()) for seed in range(start, start + 100) for g in (Generator, WideGenerator)]
    assert sum(text is not None and check(tables, text) is not None for text in made) > 50
