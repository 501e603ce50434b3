"""The gate itself: what BigQuery refuses is refused, what it takes is taken, and answers are Google's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bigquery.googlesql.client import GoogleSql, Refused

ORDERS = "mg-dw-workbench.GATE.orders"
COLUMNS = [
    ("id", "INT64"), ("name", "STRING"), ("amount", "NUMERIC"), ("day", "DATE"), ("seen_at", "TIMESTAMP"),
    ("tags", "ARRAY<STRING>"), ("payload", "JSON"),
]  # fmt: skip

REFUSED = {
    "DuckDB's cast": ("select id::int64 from GATE.orders", "Syntax error"),
    "ilike": ("select id from GATE.orders where name ilike 'a%'", "Syntax error"),
    "date_trunc with the part first": ("select date_trunc('month', day) from GATE.orders", "Could not cast"),
    "strftime": ("select strftime(day, '%Y') from GATE.orders", "Function not found"),
    "date_diff with the part first": ("select date_diff('day', day, day) from GATE.orders", "Could not cast"),
    "epoch": ("select epoch(seen_at) from GATE.orders", "Function not found"),
    "a list literal of a macro": ("select list_contains(tags, 'a') from GATE.orders", "Function not found"),
    "a filter on an aggregate": ("select sum(amount) filter (where id > 1) from GATE.orders", "Syntax error"),
    "a name given in the same select": ("select amount as a, a + 1 as b from GATE.orders", "Unrecognized name"),
    "an array without OFFSET": ("select tags[1] from GATE.orders", "not supported"),
    "a whole number plus a text": ("select id + name from GATE.orders", "No matching signature"),
    "a stamp compared with a date": ("select id from GATE.orders where seen_at > day", "No matching signature"),
    "a text compared with a whole number": ("select id from GATE.orders where name = id", "No matching signature"),
    "a union of a text and a number": ("select id from GATE.orders union all select name from GATE.orders", "incompat"),
    "a union without all or distinct": ("select id from GATE.orders union select id from GATE.orders", "Syntax error"),
    "an unknown column": ("select nothing from GATE.orders", "Unrecognized name"),
    "an ambiguous column": ("select id from GATE.orders a join GATE.orders b on a.id = b.id", "ambiguous"),
    "an unknown table": ("select 1 from GATE.other", "Table not found"),
    "a table in another case": ("select id from GATE.Orders", "did you mean mg-dw-workbench.GATE.orders"),
    "an unknown function": ("select levenshtein(name, name) from GATE.orders", "Function not found"),
    "too few arguments": ("select nullif(id) from GATE.orders", "signature"),
    "a column neither grouped nor aggregated": ("select id, sum(amount) from GATE.orders", "neither grouped"),
    "a window in where": ("select id from GATE.orders where row_number() over () = 1", "not allowed"),
    "digits in a cast": ("select cast(amount as numeric(38, 9)) from GATE.orders", "type parameters"),
    "types of other products": ("select cast(id as int32) from GATE.orders", "Type not found"),
    "an insert of another type": ("insert into GATE.orders (id) values ('a')", "INT64"),
    "an insert of too many values": ("insert into GATE.orders (id) values (1, 2)", "column count"),
    "an update without where": ("update GATE.orders set id = 1", "WHERE"),
    "a delete without where": ("delete from GATE.orders", "WHERE"),
    "a merge into an unknown column": (
        "merge GATE.orders t using GATE.orders s on t.id = s.id when matched then update set nothing = 1",
        "Unrecognized name",
    ),
    "a variable that is not declared": ("begin select missing; end", "Unrecognized name"),
    "a variable given another type": ("declare n int64; set n = date '2024-01-01'", "signature"),
    "a nested statement that is wrong": ("if true then select nothing from GATE.orders; end if", "Unrecognized name"),
    "returning": ("insert into GATE.orders (id) values (1) then return id", "not supported"),
    "on conflict": ("insert into GATE.orders (id) values (1) on conflict do nothing", "not supported"),
    "create or replace with if not exists": (
        "create or replace table if not exists GATE.x (a int64)", "cannot have both",
    ),
    "a range variable taken for its column": (
        "with name as (select name from GATE.orders) select upper(name) from name", "No matching signature",
    ),
}  # fmt: skip
"""What is wrong: the statement, and a part of Google's message."""

TAKEN = {
    "qualify": "select id from GATE.orders qualify row_number() over (partition by name order by seen_at desc) = 1",
    "group by all": "select name, sum(amount) as amount from GATE.orders group by all",
    "star except and replace": "select * except (payload) replace (upper(name) as name) from GATE.orders",
    "pivot": "select * from (select name, amount from GATE.orders) pivot (sum(amount) for name in ('a', 'b'))",
    "unnest": "select id, tag from GATE.orders, unnest(tags) as tag with offset as place",
    "an array aggregate": "select array_agg(distinct name ignore nulls order by name limit 3) from GATE.orders",
    "struct and safe access": "select struct(id as a, name as b).a, tags[safe_offset(0)] from GATE.orders",
    "json": "select json_value(payload, '$.a'), payload.b.c from GATE.orders",
    "safe functions": "select safe_cast(name as int64), safe.parse_date('%F', name) from GATE.orders",
    "a dashed project without quotes": "select id from mg-dw-workbench.GATE.orders",
    "one quoted path": "select id from `mg-dw-workbench.GATE.orders`",
    "pipes": "from GATE.orders |> where id > 1 |> aggregate sum(amount) as amount group by name",
    "time travel": "select id from GATE.orders for system_time as of current_timestamp()",
    "a table made of a query": (
        "create or replace table `mg-dw-workbench`.`GATE`.`made` partition by date_trunc(day, month) cluster by id "
        "options (description = 'x', labels = [('layer', 'edw')], require_partition_filter = true) "
        "as (select id, day from GATE.orders)"
    ),
    "a table with all there is": (
        "create table if not exists GATE.typed (id int64 not null options (description = 'key'), "
        "amount numeric(38, 9), seen_at timestamp, primary key (id) not enforced) "
        "partition by timestamp_trunc(seen_at, day) "
        "options (expiration_timestamp = timestamp_add(current_timestamp(), interval 1 day))"
    ),
    "a view": "create or replace view GATE.seen options (description = 'x') as select id from GATE.orders",
    "a column added": "alter table GATE.orders add column if not exists region string options (description = 'x')",
    "options changed": "alter table GATE.orders set options (description = 'x', labels = [('a', 'b')])",
    "a merge with all branches": (
        "merge `mg-dw-workbench`.`GATE`.`orders` t using (select id, name from GATE.orders) s on t.id = s.id "
        "when matched and s.name is null then delete when matched then update set name = s.name "
        "when not matched then insert (id, name) values (s.id, s.name) "
        "when not matched by source then delete"
    ),
    "a script with a transaction": """
        declare before int64 default (select count(*) from GATE.orders);
        declare changed int64;
        begin
          begin transaction;
          create temp table fresh as select id, amount from GATE.orders where id > before;
          merge GATE.orders t using fresh s on t.id = s.id when matched then update set amount = s.amount;
          set changed = @@row_count;
          if changed > 10 then
            raise using message = format('%d rows', changed);
          elseif changed = 0 then
            insert into GATE.orders (id, amount) values (before, numeric '1.5');
          end if;
          assert (select count(*) = 1 from fresh) as 'one row';
          commit transaction;
        exception when error then
          select @@error.message;
          rollback transaction;
        end""",
    "a loop": "declare n int64 default 0; while n < 3 do set n = n + 1; end while",
}


@pytest.fixture(autouse=True)
def orders(google_sql: GoogleSql) -> Iterator[None]:
    google_sql.table(ORDERS, COLUMNS)
    yield
    for name in ("orders", "made", "typed", "seen"):
        google_sql.forget(f"mg-dw-workbench.GATE.{name}")
    google_sql.forget("fresh")


@pytest.mark.parametrize("case", REFUSED)
def test_what_bigquery_refuses_is_refused(google_sql: GoogleSql, case: str) -> None:
    sql, message = REFUSED[case]
    with pytest.raises(Refused, match=f"(?i){message}"):
        google_sql.analyze(sql)


@pytest.mark.parametrize("case", TAKEN)
def test_what_bigquery_takes_is_taken(google_sql: GoogleSql, case: str) -> None:
    google_sql.analyze(TAKEN[case])


def test_the_types_of_a_query_are_told(google_sql: GoogleSql) -> None:
    columns = google_sql.analyze(
        "select id * 1.5 as a, sum(amount) over () as b, seen_at is null as c, tags from GATE.orders"
    )
    assert columns == [("a", "FLOAT64"), ("b", "NUMERIC"), ("c", "BOOL"), ("tags", "ARRAY<STRING>")]


def test_what_a_statement_makes_is_known_to_the_next(google_sql: GoogleSql) -> None:
    google_sql.analyze(TAKEN["a view"])
    assert google_sql.analyze("select * from GATE.seen") == [("id", "INT64")]
    google_sql.analyze("drop view GATE.seen")
    with pytest.raises(Refused, match="Table not found"):
        google_sql.analyze("select * from GATE.seen")


def test_the_reference_implementation_answers_with_the_rows_given(google_sql: GoogleSql) -> None:
    rows = [
        [1, "é", "-99999999999999999999999999999.999999999", "0001-01-01", "2024-03-31T01:30:00.000001Z", None, None],
        [-(2**63), None, None, "9999-12-31", None, None, None],
    ]
    google_sql.fill(ORDERS, rows)
    sql = "select id, name, amount, day, seen_at from `mg-dw-workbench`.`GATE`.`orders` order by id desc"
    answer = google_sql.evaluate(sql)
    assert [row[:5] for row in rows] == answer
    google_sql.evaluate(sql, keep="mg-dw-workbench.GATE.made")
    assert google_sql.evaluate("select count(*), max(day) from `mg-dw-workbench`.`GATE`.`made`") == [[2, "9999-12-31"]]
