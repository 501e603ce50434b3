"""Old and new workbook on the same Commercial rows: every calculation has the same value, those that others use too."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from split.facts import load_facts
from split.project import load_project
from split.tableau.datasource import bare, datasources
from split.tableau.formulas import FormulaError
from split.tableau.grammar import parsed
from split.tableau.markup import Document, read_markup
from split.tableau.package import read
from split.tableau.tables import Tables
from split.tableau.workbook import read_workbook
from tests.split.tableau.evaluator import evaluate

BOOKS = Path(__file__).with_name("workbooks")
PROJECT = Path(__file__).with_name("mixed_project")
_BASE = ("brand", "segment", "net_amount", "account_id")
_ROWS = [
    dict(zip(_BASE, values, strict=True)) | {"Parameters": 0.1, "weight": 0}
    for values in itertools.product(("Alpha", "Beta", None), ("Commercial", None), (5.0, 2000.0, None), (1, 2))
]


def _group(brand: Any) -> Any:
    return {"Enterprise": "Big", "Federal": "Big", "Alpha": "First"}.get(brand, brand)


def _values(document: Document) -> dict[str, list[Any]]:
    """The values of all calculations that can be read, row by row, each computed after those that it names."""
    rows: list[dict[str, Any]] = [{**row, "brand (group)": _group(row["brand"])} for row in _ROWS]
    formulas = {
        bare(column.get("name")): calculation.get("formula")
        for source in datasources(document)
        for column in source.columns.values()
        if (calculation := column.first("calculation")) is not None and calculation.get("formula")
    }
    found: dict[str, list[Any]] = {}
    while len(found) < len(formulas):
        before = len(found)
        for name, formula in formulas.items():
            if name in found:
                continue
            try:
                found[name] = [evaluate(parsed(formula), row, rows) for row in rows]
            except (KeyError, FormulaError):
                continue
            for row, value in zip(rows, found[name], strict=True):
                row[name] = value
        if len(found) == before:
            return found
    return found


def test_every_calculation_says_the_same_of_commercial_rows() -> None:
    facts = load_facts(PROJECT / "facts.yml")
    old = read(BOOKS / "orders_2020_4.twb")[0].document
    book = read_workbook(old, "b", Tables(facts, load_project(PROJECT, facts=facts)), {})
    before, after = _values(old), _values(read_markup(old.patched(book.patches)))
    assert len(before) == 11  # all but the two that are broken
    assert before == after
