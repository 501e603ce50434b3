"""What is decided, and told, when a source's schema is not what it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.contract import Column, DataType, Table
from connectors.drift import KnownField, SchemaDrift, judge
from connectors.errors import TypeChanged, UnknownField

TABLE = Table(
    source="salesforce",
    name="sfdc_account",
    description="One row per account.",
    object="Account",
    columns=(
        Column("id", DataType.STRING, "Id", "Key.", required=True),
        Column("name", DataType.STRING, "Name", "Name."),
        Column("revenue", DataType.NUMERIC, "Revenue__c", "Money."),
        Column("system_modstamp", DataType.TIMESTAMP, "SystemModstamp", "Last change."),
    ),
    primary_key=("id",),
    cursor="system_modstamp",
)
SEEN = {f: KnownField("string") for f in TABLE.fields}


def _into_text_only(_source_type: str, column: Column) -> bool:
    return column.type is DataType.STRING


def test_on_the_first_run_nothing_is_new() -> None:
    change = judge(TABLE, SchemaDrift("sfdc_account", added=("Rating", "Site")), {}, _into_text_only)
    assert change.first
    assert not change.is_news
    assert change.extra == ("Rating", "Site")
    assert set(change.fields) == {*TABLE.fields, "Rating", "Site"}


def test_a_new_field_is_told_once() -> None:
    drift = SchemaDrift("sfdc_account", added=("Rating",))
    change = judge(TABLE, drift, SEEN, _into_text_only)
    assert change.added == ("Rating",)
    assert change.is_news
    assert "Rating" in change.sentences()[0]
    again = judge(TABLE, drift, dict(change.fields), _into_text_only)
    assert not again.is_news
    assert again.extra == ("Rating",)


def test_a_field_that_was_there_and_is_gone_is_left_out_and_told_once() -> None:
    drift = SchemaDrift("sfdc_account", missing=("Name",))
    change = judge(TABLE, drift, SEEN, _into_text_only)
    assert (change.absent, change.removed) == (("Name",), ("Name",))
    assert change.is_news
    assert [sentence for sentence in change.sentences() if "gone" in sentence and "Name" in sentence]
    assert change.fields["Name"] == KnownField("string", gone=True)
    again = judge(TABLE, drift, dict(change.fields), _into_text_only)
    assert again.absent == ("Name",)
    assert not again.is_news


def test_a_field_that_comes_back_is_told_with_what_to_do() -> None:
    known = {**SEEN, "Name": KnownField("string", gone=True)}
    change = judge(TABLE, SchemaDrift("sfdc_account"), known, _into_text_only)
    assert change.returned == ("Name",)
    assert change.absent == ()
    assert change.is_news
    assert "in full" in change.sentences()[0]


def test_a_field_that_never_was_is_a_mistake_in_the_contract() -> None:
    with pytest.raises(UnknownField, match="Name") as caught:
        judge(TABLE, SchemaDrift("sfdc_account", missing=("Name",)), {"Id": KnownField()}, _into_text_only)
    assert caught.value.facts == {"table": "sfdc_account", "fields": ("Name",)}


@pytest.mark.parametrize("vital", ["Id", "SystemModstamp"])
def test_without_key_or_cursor_nothing_is_loaded(vital: str) -> None:
    with pytest.raises(UnknownField, match=vital):
        judge(TABLE, SchemaDrift("sfdc_account", missing=(vital,)), SEEN, _into_text_only)


def test_a_type_that_the_column_holds_is_accepted_and_told() -> None:
    change = judge(TABLE, SchemaDrift("sfdc_account", types={"Name": "picklist"}), SEEN, _into_text_only)
    assert change.retyped == (("Name", "string", "picklist"),)
    assert change.is_news
    assert [sentence for sentence in change.sentences() if "Name is now picklist, was string" in sentence]
    assert change.fields["Name"] == KnownField("picklist")


def test_a_type_that_the_column_does_not_hold_is_refused() -> None:
    with pytest.raises(TypeChanged, match=r"Revenue__c is now picklist .*was string; column revenue is NUMERIC"):
        judge(TABLE, SchemaDrift("sfdc_account", types={"Revenue__c": "picklist"}), SEEN, _into_text_only)


def test_a_type_seen_for_the_first_time_is_no_change() -> None:
    drift = SchemaDrift("sfdc_account", types={"Revenue__c": "picklist"})
    for known in ({}, {f: KnownField() for f in TABLE.fields}):
        change = judge(TABLE, drift, known, _into_text_only)
        assert not change.is_news
        assert change.fields["Revenue__c"] == KnownField("picklist")


def test_a_field_for_the_lake_alone_that_is_gone_is_remembered_as_gone() -> None:
    known = {**SEEN, "Rating": KnownField("picklist")}
    change = judge(TABLE, SchemaDrift("sfdc_account"), known, _into_text_only)
    assert not change.is_news
    assert change.fields["Rating"] == KnownField("picklist", gone=True)


def test_a_type_that_is_not_told_any_more_is_no_change_and_is_not_forgotten() -> None:
    change = judge(TABLE, SchemaDrift("sfdc_account", types={}), SEEN, _into_text_only)
    assert not change.is_news
    assert change.fields["Name"] == KnownField("string")


def test_a_source_that_cannot_be_described_now_changes_nothing() -> None:
    change = judge(TABLE, SchemaDrift("sfdc_account", is_known=False), SEEN, _into_text_only)
    assert not change.is_news
    assert not change.first
    assert (change.absent, change.extra, change.fields) == ((), (), {})


def test_a_field_known_to_be_gone_is_not_asked_for_while_the_source_cannot_be_described() -> None:
    known = {**SEEN, "Name": KnownField("string", gone=True)}
    change = judge(TABLE, SchemaDrift("sfdc_account", is_known=False), known, _into_text_only)
    assert change.absent == ("Name",)


def test_names_are_compared_without_regard_to_case() -> None:
    change = judge(TABLE, SchemaDrift("sfdc_account", types={"NAME": "string"}), SEEN, _into_text_only)
    assert not change.is_news


_NAMES = ("Rating", "Site", "Name", "Revenue__c")


@given(st.lists(st.sets(st.sampled_from(_NAMES)), min_size=1, max_size=8))
def test_each_coming_and_going_is_told_exactly_once(days: list[set[str]]) -> None:
    """Whatever comes and goes from day to day: told is the difference to the day before, and nothing else."""
    known: dict[str, KnownField] = {}
    first = judge(TABLE, SchemaDrift("sfdc_account"), known, _into_text_only)
    known, yesterday = dict(first.fields), {"Name", "Revenue__c"}
    ever = set(yesterday)
    for today in days:
        missing = tuple(f for f in ("Name", "Revenue__c") if f not in today)
        extra = tuple(sorted(today - {"Name", "Revenue__c"}))
        change = judge(TABLE, SchemaDrift("sfdc_account", missing, extra), known, _into_text_only)
        assert set(change.added) == set(extra) - ever
        assert set(change.removed) == (yesterday - today) & {"Name", "Revenue__c"}
        assert set(change.returned) == (today - yesterday) & {"Name", "Revenue__c"}
        known, yesterday, ever = dict(change.fields), today, ever | today
