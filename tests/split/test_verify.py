"""Old and new of a small project over the same rows: a correct one passes, a wrong one is caught."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from split.dbt.build import Builder, Built
from split.dbt.process import DbtProcess
from split.verify.check_model import ModelCheck, SecondClaim, Verdict
from split.verify.checking import Checking, Run
from split.verify.compare import Rounding
from split.verify.data import Pair, generate
from split.verify.second_claim import Mixed
from tests.split.small_project import FACTS, NEW, write

BROKEN: dict[str, str | None] = {
    "models/with_brand.sql": "select product_line, id from {{ ref('stg_orders') }} where product_line is not null\n",
    "models/kinds.sql": "select id, product_line, cast(1 as decimal(11, 1)) as weight\nfrom {{ ref('stg_orders') }}\n"
    "where product_line in ('Alpha', 'Beta')\n",
    "models/lines.sql": "select id, 'small' as size from {{ ref('stg_orders') }} where quantity < 5\n"
    "union all\nselect id, 'small' as size from {{ ref('stg_orders') }} where quantity >= 5\n",
    "models/customers.sql": "select customer_id, product_line from {{ ref('stg_orders') }}"
    " where product_line is not null\n",
    "models/totals.sql": "select product_line, sum(amount) * 1.000001 as amount, count(*) as orders\n"
    "from {{ ref('stg_orders') }} where product_line in ('Alpha', 'Beta') group by 1\n",
    "models/dated.sql": "select id, cast(quantity as bigint) as quantity, current_date as read_on\n"
    "from {{ ref('stg_orders') }}\n",
    "models/segments.sql": None,
    "models/shares.sql": "select product_line, amount, amount / nope as share\n\nfrom {{ ref('totals') }}\n",
    "models/latest.sql": "select customer_id, id\nfrom {{ ref('stg_orders') }}\n"
    "qualify row_number() over (partition by customer_id order by placed) = 1\n",
}

Checks = Mapping[str, ModelCheck]


class Bench:
    """The old project, built once; new ones are compared with it."""

    def __init__(self, home: Path, dbt: DbtProcess) -> None:
        self._home = home
        self._dbt = dbt
        self.old = Builder(write(home / "sources" / "old"), home / "old", dbt)
        self.pairs: list[Pair] = generate(self.old.parsed, FACTS, sets=1)
        self._built: list[Built] = [self.old.build(pair.commercial, FACTS) for pair in self.pairs]
        self._mixed: list[Built] = [self.old.build(pair.mixed, FACTS) for pair in self.pairs]
        self._enterprise: list[Built] = [self.old.build(pair.enterprise, FACTS) for pair in self.pairs]

    def compare(self, name: str, *changes: Mapping[str, str | None]) -> Checks:
        """The checks of a new project, by model."""
        new = Builder(write(self._home / "sources" / name, *changes), self._home / name, self._dbt)
        built = [new.build(pair.commercial, FACTS) for pair in self.pairs]
        runs = [Run(p.commercial, o, n) for p, o, n in zip(self.pairs, self._built, built, strict=True)]
        together = zip(self.pairs, self._mixed, self._enterprise, built, strict=True)
        mixed = [Mixed(p, o, e, n) for p, o, e, n in together]
        checking = Checking(self.old.parsed, new.parsed, FACTS, dialect="duckdb", dropped={}, rounding=Rounding())
        return {check.name: check for check in checking.all(runs, mixed)}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    home = tmp_path_factory.mktemp("verify")
    with DbtProcess(home) as dbt:
        yield Bench(home, dbt)


@pytest.fixture(scope="module")
def good(bench: Bench) -> Checks:
    return bench.compare("good", NEW)


@pytest.fixture(scope="module")
def broken(bench: Bench) -> Checks:
    return bench.compare("broken", NEW, BROKEN)


def test_a_correct_new_project_is_equal_model_by_model(good: Checks) -> None:
    assert {name: check.verdict.value for name, check in good.items()} == {
        "stg_orders": "equal",
        "contract_values": "gone",
        "brands": "equal",
        "totals": "equal",
        "amounts": "equal",
        "by_day": "equal",
        "busy_days": "equal",
        "labelled": "equal",
        "labels": "equal",
        "dated": "not decidable",
        "kinds": "equal",
        "customers": "equal",
        "latest": "not decidable",
        "with_brand": "equal",
        "lines": "equal",
        "segments": "equal",
        "shares": "equal",
    }
    assert all(check.old_rows == check.new_rows > 0 for check in good.values() if check.verdict is Verdict.equal)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("with_brand", "the columns were in the order id, product_line and are in the order product_line, id"),
        ("kinds", "rows in the old table"),
        ("lines", "size: distinct values 2 in the old table, 1 in the new one"),
        ("customers", "rows in the old table"),
        ("totals", "rows have the same key"),
        ("dated", "column quantity was INTEGER and is BIGINT"),
        ("segments", "was taken out and has"),
    ],
)
def test_what_is_wrong_in_one_place_is_found_there(broken: Checks, model: str, said: str) -> None:
    assert broken[model].verdict is Verdict.different
    assert said in "\n".join(broken[model].differences)


def test_what_was_not_broken_stays_equal(broken: Checks) -> None:
    assert broken["stg_orders"].verdict is broken["brands"].verdict is Verdict.equal


def test_a_lost_row_without_a_brand_is_shown(broken: Checks) -> None:
    assert any("only old" in e and "product_line=None" in e for e in broken["kinds"].examples)


def test_a_model_that_does_not_run_is_named_with_file_and_line_and_not_called_equal(broken: Checks) -> None:
    check = broken["shares"]
    assert check.verdict is Verdict.not_run
    assert check.reasons[0].startswith("models/shares.sql:1: ")
    assert "nope" in check.reasons[0]


def test_an_expression_that_the_data_does_not_determine_is_listed_with_its_line(good: Checks) -> None:
    [numbered] = good["latest"].not_determined
    assert (numbered.line, numbered.reason) == (3, "numbers or picks rows whose order leaves ties")
    [dated] = good["dated"].not_determined
    assert (dated.line, dated.columns) == (1, ("read_on",))


def test_rows_that_the_data_does_not_determine_are_neither_equal_nor_different(broken: Checks) -> None:
    check = broken["latest"]
    assert (check.verdict, check.seen_equal) == (Verdict.not_decidable, False)


def test_a_share_over_both_segments_is_a_business_decision_with_its_clause(good: Checks) -> None:
    decision = good["shares"].decision
    assert decision.claim is SecondClaim.decision
    assert [(c.model, c.line, c.text) for c in decision.clauses] == [("shares", 4, "sum(amount) over ()")]
    assert decision.filtered_by == ("product_line",)
    assert any("share=" in example for example in decision.examples)
    assert decision.owner == "finance"


@pytest.mark.parametrize("model", ["stg_orders", "totals", "customers", "kinds", "lines", "segments", "with_brand"])
def test_a_model_whose_rows_stay_within_their_segment_is_the_old_one_filtered(good: Checks, model: str) -> None:
    assert good[model].decision.claim is SecondClaim.holds
    assert good[model].decision.filtered_by


def test_rows_without_a_column_that_tells_their_segment_are_filtered_all_the_same(good: Checks) -> None:
    assert (good["amounts"].decision.claim, good["amounts"].decision.filtered_by) == (SecondClaim.holds, ())


def test_a_total_over_both_segments_is_a_decision_that_names_its_clause_and_line(good: Checks) -> None:
    decision = good["by_day"].decision
    assert decision.claim is SecondClaim.decision
    assert decision.reason == "line 3: group by placed: groups rows of both segments together"


def test_a_model_that_reads_a_decision_follows_it(good: Checks) -> None:
    decision = good["busy_days"].decision
    assert decision.claim is SecondClaim.follows
    assert decision.reason == "follows by_day, line 3: group by placed: groups rows of both segments together"


def test_a_group_of_a_value_computed_from_the_brand_stays_within_its_segment(good: Checks) -> None:
    assert good["labels"].decision.claim is SecondClaim.holds
    assert good["labels"].decision.clauses == ()
