"""Jinja is taken out of a text without moving anything."""

from __future__ import annotations

import pytest

from split.sql.engine import specialise
from split.sql.mask import JinjaError, Variant, mask
from tests.split.queries import lookup

IF = "select 1 {% if x %} a {% elif y %} b {% else %} c {% endif %} {% if z %} d {% endif %}"


@pytest.mark.parametrize(("variant", "seen"), [("first", "a d"), ("last", "c d"), ("otherwise", "c")])
def test_one_branch_of_an_if_is_read(variant: str, seen: str) -> None:
    assert mask(IF, Variant(variant)).sql.split()[2:] == seen.split()


def test_offsets_and_lines_stay() -> None:
    text = "select {{ a }},\n{# one\ntwo #} {{\n  b\n}} as b\nfrom {{ ref('m') }}"
    masked = mask(text)
    assert len(masked.sql) == len(text)
    assert masked.sql.index("from") == text.index("from")
    assert set(masked.expressions.values()) == {"a", "b"}
    assert [relation.name for relation in masked.relations.values()] == ["m"]


def test_a_macro_that_groups_is_read_as_grouping() -> None:
    kind = "case when brand = 'Ent' then 'e' else 'o' end as kind"
    amount = "sum(case when brand = 'Ent' then amt else 0 end) as amount"
    for call in ("dbt_utils.group_by(n=2)", "dbt_utils.group_by( 2 )"):
        old = f"select region, {kind}, {amount} from orders {{{{ {call} }}}} union all select 'x', 'y', 1"
        found = specialise(old, lookup, dialect="bigquery")
        assert found.text == old.replace(amount, "sum(0) as amount")  # what is grouped by stays


def test_thousands_of_expressions_have_names_of_their_own() -> None:
    masked = mask("select " + ", ".join(f"{{{{ x{i} }}}}" for i in range(3000)))
    assert len(masked.expressions) == 3000


def test_a_word_that_only_jinja_has_is_unread() -> None:
    masked = mask("with c as (select 1), d as (select 2) select * from {{ union_of('c') }}, d")
    assert masked.unread("c")
    assert not masked.unread("d")


@pytest.mark.parametrize(
    ("text", "line"), [("a\n{% endif %}", 2), ("a\n\n{% if x %}", 3), ("{% if x %}{% endfor %}", 1)]
)
def test_blocks_that_do_not_nest_are_reported_with_their_line(text: str, line: int) -> None:
    with pytest.raises(JinjaError) as raised:
        mask(text)
    assert raised.value.line == line


def test_a_range_that_takes_half_of_a_block_is_seen() -> None:
    masked = mask("select a {% if x %}, b {% endif %} from t")
    end = masked.source.index("{% endif")
    assert masked.tears(8, end) is not None
    assert masked.tears(8, masked.source.index(" from")) is None
