"""Which of Salesforce's types fit which column."""

from __future__ import annotations

import pytest

from connectors.contract import Column, DataType
from connectors.salesforce.types import SELECTABLE, fits, type_name

ACCEPTED = {
    DataType.INT64: {"int", "long"},
    DataType.NUMERIC: {"int", "long", "double", "currency", "percent"},
    DataType.BOOL: {"boolean"},
    DataType.DATE: {"date"},
    DataType.TIMESTAMP: {"datetime"},
}


@pytest.mark.parametrize("to", ACCEPTED)
def test_a_type_is_accepted_only_where_its_every_value_fits(to: DataType) -> None:
    column = Column("x", to, "X", "")
    assert {kind for kind in SELECTABLE | {"address", "base64", "hologram"} if fits(kind, column)} == ACCEPTED[to]


def test_text_holds_whatever_is_printed() -> None:
    column = Column("x", DataType.STRING, "X", "")
    assert all(fits(kind, column) for kind in SELECTABLE)
    assert not any(fits(kind, column) for kind in ("address", "location", "base64"))


def test_a_number_with_more_decimals_than_numeric_keeps_does_not_fit_it() -> None:
    fine = type_name({"type": "double", "precision": 18, "scale": 9})
    wide = type_name({"type": "double", "precision": 18, "scale": 10})
    assert (fine, wide) == ("double", "double(18,10)")
    assert not fits(wide, Column("x", DataType.NUMERIC, "X", ""))
    assert fits(wide, Column("x", DataType.STRING, "X", ""))
