"""The systems agree with each other on every day."""

from __future__ import annotations

import pytest

from tests.sandbox.model.conftest import DAYS, Story
from tests.sandbox.model.ties import TIES

DOUBLES = "every won deal but a double is named by a version"


@pytest.mark.parametrize("tie", [name for name in TIES if name != DOUBLES])
@pytest.mark.parametrize("day", DAYS)
def test_the_systems_tie(story: Story, day: int, tie: str) -> None:
    assert story.stages[day].violations[tie] == []


@pytest.mark.parametrize("day", DAYS)
def test_a_won_deal_that_no_subscription_names_was_entered_twice(story: Story, day: int) -> None:
    assert story.stages[day].violations[DOUBLES], "history and every day have deals that were entered twice"


@pytest.mark.parametrize(
    ("schema", "stamp"), [("salesforce", "SystemModstamp"), ("zuora", "UpdatedDate"), ("netsuite", "lastmodifieddate")]
)
def test_no_stamp_is_later_than_now(story: Story, schema: str, stamp: str) -> None:
    world = story.world
    tables = world.sql(
        "SELECT table_name FROM information_schema.columns WHERE table_schema = ? AND column_name = ?", [schema, stamp]
    )
    for (table,) in tables.fetchall():
        (newest,) = world.sql(f'SELECT max("{stamp}") FROM {schema}."{table}"').fetchone() or (None,)
        assert newest is not None
        assert newest < world.now.replace(tzinfo=None), table
