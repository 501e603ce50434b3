"""Places where a cut that looks right is wrong: old and new give the same rows, and mostly the text stays."""

from __future__ import annotations

import random
from collections import Counter

import duckdb
import pytest
from jinja2 import Environment

from split.sql.engine import specialise
from tests.split.queries import fill, lookup

STAYS = {
    "LIKE with an escape character": "select id from orders where brand like 'E!nt' escape '!' or id = 1",
    "a sum of counts over a window is still one row": (
        "select * from (select sum(count(*)) over () as n from orders where brand = 'Ent') as t"
    ),
    "an aggregate in ORDER BY makes one row": (
        "select 1 as one where exists (select 1 from orders where brand = 'Ent' having count(*) = 0)"
    ),
    "a rank by a count is one row": (
        "select 1 as x where exists (select rank() over (order by count(*)) from orders where brand = 'Ent')"
    ),
    "ROLLUP adds rows without the column": (
        "select brand, count(*) as n from accounts group by rollup (brand) having brand <> 'Ent' or brand is null"
    ),
    "CUBE adds rows without the column": (
        "select id from (select brand, max(id) as id from accounts group by cube (brand)) as t where brand <> 'Ent'"
    ),
    "GROUPING SETS over nothing are one row": (
        "select 1 as x where exists (select 1 from orders where brand = 'Ent' group by grouping sets (()))"
    ),
    "a NATURAL LEFT JOIN may find nothing": (
        "select o.id from orders as o natural left join accounts as a where a.brand <> 'Ent' or o.amt = 1"
    ),
    "a POSITIONAL JOIN fills up with NULL": (
        "select o.id from orders as o positional join accounts as a where a.brand <> 'Ent' or o.id = 1"
    ),
    "an outer row that an ON looks at stays in a RIGHT JOIN": (
        "select o.id from orders as o where exists (select 1 from accounts as a join brands as b "
        "on o.brand is not null right join regions as r on true where (o.brand <> 'Ent') is null)"
    ),
    "a lambda's parameter is no column": (
        "select list_filter(['Ent', 'Alpha'], lambda brand: brand = 'Ent') as l from accounts"
    ),
    "columns in parentheses of joins are not the outer query's": (
        "select a.id from accounts as a where exists "
        "(select 1 from (orders as a join regions as r on true) where a.brand <> 'Ent')"
    ),
    "a star over two tables has the same name twice": (
        "select id from (select * from (select o.*, a.* from orders as o join accounts as a on o.id = a.id) as t "
        "union all select 1, 'Ent', 1, 'x', 1, 'Ent', 'x', 1) as u where brand = 'Ent'"
    ),
    "a star over a struct has columns of its own": (
        "select k from (select s.* from (select id, {'k': id, 'brand': 'Ent'} as s from accounts) as t "
        "union all select id, brand from accounts) as u where brand = 'Ent'"
    ),
    "GROUP BY ALL groups by what stands beside an aggregate": (
        "select count(*) as n, case when brand = 'Ent' then 'E' else 'C' end as x from orders group by all"
    ),
    "GROUP BY ALL of a function of a constant": (
        "select count(*) as n, upper(case when brand = 'Ent' then 'E' else 'C' end) as x from orders group by all"
    ),
    "GROUP BY a place after a star": (
        "select *, case when brand = 'Ent' then 'E' else 'C' end as x "
        "from (select brand from orders) as t group by 1, 2"
    ),
    "GROUP BY a negative constant": (
        "select count(*) as n from orders group by case when brand = 'Ent' then 1 else -1 end"
    ),
    "an alias of the select list is not the outer column": (
        "select a.id from (select id, 'Ent' as line from accounts) as a where exists "
        "(select upper(o.region) as line from orders as o where line <> 'ENT')"
    ),
    "a column without a name would get one": (
        "select amt from (select case when brand = 'Ent' then 0 else id end, id as amt from orders) as t"
    ),
    "the alias in a subquery is not that of the join": (
        "select o.id, c.note from orders as o left join contracts as c on c.id = o.id "
        "where exists (select 1 from accounts as c where c.id = o.id)"
    ),
    "a later branch of a UNION brings a gone value back": (
        "select b from (select brand as b from accounts union all select 'Ent' from regions) as t where b = 'Ent'"
    ),
    "MAX over no row is NULL": (
        "select 1 as x from (select max(brand) as b from accounts where id > 100) as t where (b <> 'Ent') is null"
    ),
    "AND with a NULL is NULL": "select id from orders where (brand <> 'Ent' and brand <> 'Fed') is null",
    "the alias in a subquery of the select list is not that of the join": (
        "select o.id, c.note, (select max(c.name) from accounts as c where c.id = o.id) as n "
        "from orders as o left join contracts as c on c.id = o.id"
    ),
    "an arm that is not taken may have been NULL": (
        "select id from (select id, case when brand = 'Alpha' then 'A' when brand = 'Ent' or brand is null then 'E' "
        "else 'B' end as x from orders) as t where x <> 'E'"
    ),
    "AND with a NULL is not TRUE": (
        "select id from (select id, brand <> 'Ent' and brand <> 'Fed' as x from orders) as t where x"
    ),
    "columns that are not equal may be NULL": (
        "select case when o.brand = l.line then 1 when o.brand <> 'Ent' then 2 else 3 end as x from orders as o "
        "cross join (select 'Ent' as line union all select 'Alpha' union all select 'Beta') as l"
    ),
    "after an arm that is not taken NULL is still there": (
        "select case when brand = 'Alpha' then 1 when brand <> 'Ent' then 2 else 3 end as x from orders"
    ),
    "of an OR one side is enough": (
        "select case when brand is not null or amt = 1 then case when brand <> 'Ent' then 1 else 2 end end as x "
        "from orders"
    ),
    "of two columns of one name the first is read": (
        "select id from (select id, 'Ent' as b, brand as b from accounts) as t where b = 'Ent'"
    ),
    "two columns of one name shift the places of a UNION": (
        "select region from (select region, region, brand from orders "
        "union all select 'Ent' as q, brand as r, 'Ent' as q from accounts) as u where brand = 'Ent'"
    ),
    "a CTE below a CTE of the same name": (
        "with c as (select 'Ent' as brand, 1 as id), d as (with c as (select brand, id from accounts) select * from c) "
        "select d.id from d, c where c.brand = 'Ent'"
    ),
}
"""Queries whose result must not change; the text may."""

JINJA = {
    "a value in a text literal is not known": (
        "select case when brand = '{{ var(\"x\") }}' then 'Ent' else brand end as b from orders",
        "select b from {} as t where b = 'Ent'",
    ),
    "a condition that an if may leave out says nothing of the rest": (
        "select id, brand = 'Ent' as b from orders {% if is_incremental() %} where brand is not null {% endif %}",
        "select b is null as x from {} as t",
    ),
    "what an else says is not known": (
        "select id, {% if x %} 'C' as line {% else %} 'Ent' as line {% endif %} from orders",
        "select id from {} as t where line = 'Ent'",
    ),
    "an arm in an if": (
        "select case {% if x %} when brand <> 'Ent' then 1 {% endif %} when id = 1 then 3 end as b from accounts",
        "select b from {} as t",
    ),
    "the other arms of a case": (
        (
            "select case {% if x %} when brand = 'Ent' then 1 {% else %} when brand = 'Alpha' then 2 {% endif %} end "
            "as b from accounts"
        ),
        "select b from {} as t",
    ),
    "a condition that may hold an OR": (
        "select id from orders where {{ anything }} and brand = 'Ent'",
        "select id from {} as t",
    ),
    "a branch with an else around the whole": (
        "{% if x %} select id from orders where brand = 'Ent' {% else %} select id from orders {% endif %}",
        "select 1 as x where not exists (select 1 from {} as t)",
    ),
    "a source that an if chooses": (
        "select t.id from {% if x %} contracts {% else %} orders {% endif %} as t",
        "select 1 as x where not exists (select 1 from {} as t)",
    ),
    "a source with its name that an if chooses": (
        "select t.id from {% if x %} contracts as t {% else %} orders as t {% endif %}",
        "select 1 as x where not exists (select 1 from {} as t)",
    ),
    "a join in an if": (
        "select o.id from orders as o {% if x %} join contracts as c on c.id = o.id {% endif %}",
        "select 1 as x where not exists (select 1 from {} as t)",
    ),
    "a CTE that Jinja names": (
        (
            "with c as (select 1 as id) select id from orders where brand = 'Ent' and id in (select id from c) "
            "or id in ({{ all_of('c') }})"
        ),
        "select id from {} as t",
    ),
    "a place in GROUP BY after a loop": (
        (
            "select {% for c in cs %} {{ c }}, {% endfor %} case when brand = 'Ent' then 1 else 2 end as b, count(*) "
            "as n from orders group by 1, 2"
        ),
        "select b from {} as t",
    ),
}
"""A model, and one that reads it: nothing may be decided in the second, and no other branch be lost in the first."""

_BRANCHES = (
    {"x": True, "is_incremental": lambda: True, "anything": "id = 1 or id = 2", "cs": ["region"]},
    {"x": False, "is_incremental": lambda: False, "anything": "id = 1", "cs": ["amt"]},
)
_VARIABLES = {"var": lambda name: "Alpha", "all_of": lambda name: f"select id from {name}"}  # pyright: ignore[reportUnknownLambdaType]


@pytest.mark.parametrize("name", JINJA)
@pytest.mark.parametrize("branch", [0, 1])
def test_what_jinja_may_change_is_not_decided(name: str, branch: int) -> None:
    model, reader = JINJA[name]
    inner = specialise(model, lookup, dialect="duckdb")
    found = specialise(reader.format("model"), {"model": inner.result}.get, dialect="duckdb")

    def rendered(text: str, around: str) -> str:
        return around.format(f"({Environment().from_string(text).render(**_VARIABLES, **_BRANCHES[branch])})")

    new_reader = found.text.replace("from model", "from {}")
    for seed in range(6):
        with duckdb.connect() as connection:
            fill(connection, random.Random(seed))
            before = Counter(map(repr, connection.execute(rendered(model, reader)).fetchall()))
            after = rendered(inner.text, new_reader)
            assert Counter(map(repr, connection.execute(after).fetchall())) == before, after


@pytest.mark.parametrize("name", STAYS)
def test_a_trap_does_not_change_the_rows(name: str) -> None:
    old = STAYS[name]
    new = specialise(old, lookup, dialect="duckdb").text
    for seed in range(8):
        with duckdb.connect() as connection:
            fill(connection, random.Random(seed))
            before = connection.execute(old)
            expected = Counter(map(repr, before.fetchall()))
            assert Counter(map(repr, connection.execute(new).fetchall())) == expected, new
