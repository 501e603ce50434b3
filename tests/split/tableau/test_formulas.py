"""Tableau formulas: read whole, folded by the same rules, patched in place."""

from __future__ import annotations

from pathlib import Path

import pytest

from split.facts import ColumnFacts
from split.sql.values import declared
from split.tableau.formulas import FormulaError, fold, parse

BRAND = declared("orders", "brand", ColumnFacts(commercial=("Alpha", "Beta"), enterprise=("Ent", "Fed")))
LINE = declared("orders", "line", ColumnFacts(commercial=("Alpha", "Beta"), enterprise=("Ent",), nullable=False))
FIELDS = {"Brand": BRAND, "Line": LINE}

FOLDED = {
    "IF [Brand]='Ent' THEN 1 ELSEIF [Brand]='Alpha' THEN 2 ELSE 3 END": "IF [Brand]='Alpha' THEN 2 ELSE 3 END",
    "IF [A]>1 THEN 1 ELSEIF [Brand]='Ent' THEN 2 ELSE 3 END": "IF [A]>1 THEN 1 ELSE 3 END",
    "IF [Brand]='Ent' THEN 1 ELSE 3 END // all others": "3 // all others",
    "CASE [Brand] WHEN 'Ent' THEN 'x' WHEN 'Alpha' THEN 'y' END": "CASE [Brand] WHEN 'Alpha' THEN 'y' END",
    "IIF([Brand]=='Ent', 1, [A]+1)*2": "IIF([Brand]=='Ent', 1, [A]+1)*2",
    "IIF([Line]=='Ent', 1, [A]+1)*2": "([A]+1)*2",
    "IIF([Line]<>'Ent', [A], 0, 7)": "[A]",
    "IIF([A]>1, IF [Line] = 'Ent' THEN 1 ELSE 2 END, 3)": "IIF([A]>1, 2, 3)",
    "SUM(IF [Brand]='Ent' THEN [A] END)": "SUM(FLOAT(NULL))",
    "{FIXED [Brand], [Id] : SUM(IF [Brand] <> 'Ent' THEN [A] END)}": (
        "{FIXED [Brand], [Id] : SUM(IF NOT ISNULL([Brand]) THEN [A] END)}"
    ),
    "[Brand] IN ('Alpha','Ent')": "[Brand] IN ('Alpha')",
    "IF CONTAINS(LOWER([Brand]),'ent') OR [X]>1 THEN 'a' END": "IF [X]>1 THEN 'a' END",
    "IF NOT ISNULL([Brand]) AND NOT [Brand] = 'Ent' THEN 1 END": "IF NOT ISNULL([Brand]) THEN 1 END",
    "IF ([Brand]='Ent') THEN\r\n 1 // ent\r\nELSEIF [R] = 'X' then 2\r\nEND": "IF [R] = 'X' then 2\r\nEND",
    "[Sales] / ZN(SUM([A]))": "[Sales] / ZN(SUM([A]))",
    "[Parameters].[Brand] = 'Ent'": "[Parameters].[Brand] = 'Ent'",
    "IF [Brand] = 'Alpha' THEN 1 END": "IF [Brand] = 'Alpha' THEN 1 END",
}


@pytest.mark.parametrize("formula", FOLDED)
def test_a_formula_keeps_what_the_facts_leave_of_it(formula: str) -> None:
    folded = fold(formula, FIELDS)
    assert folded.text == FOLDED[formula]
    assert fold(folded.text, FIELDS).text == folded.text


@pytest.mark.parametrize(
    "formula",
    [
        "DATEDIFF('day', [Created], #2020-01-31#)",
        "{ EXCLUDE [Region] : AVG([Sales]) } - {MAX([Date])}",
        "IF (SUM([A]) > 0) AND NOT ([B] = 'x') THEN \"it's\" ELSE 'a \"quote\"' END",
        "// a comment first\nWINDOW_SUM(SUM([Sales]), -2, 0) /* and one inside */ ^ 2",
        "[Sample - Superstore].[Order ID (copy)] + [a]]b]",
        "CASE ATTR([Level]) WHEN 1 THEN NULL WHEN 2 THEN TRUE END",
        "COUNTD(IF [Region] IN [Top Regions] THEN [Customer] END) % 7",
        "Sales + 1.5e3 - .5",
    ],
)
def test_forms_of_the_language_are_read_and_left_alone(formula: str) -> None:
    assert fold(formula, FIELDS).text == formula


@pytest.mark.parametrize(
    ("formula", "line", "column"),
    [("IF [A] THEN 1", 1, 10), ("[A] +\n)", 2, 1), ("'open", 1, 1), ("", 1, 1)],
)
def test_a_formula_that_cannot_be_read_says_where(formula: str, line: int, column: int) -> None:
    with pytest.raises(FormulaError) as raised:
        parse(formula)
    assert raised.value.line == line
    assert raised.value.column >= min(column, 1)


CORPUS = (Path(__file__).with_name("corpus.txt")).read_text(encoding="utf-8").removesuffix("\n").split("\n---\n")
"""Forms that workbooks have, written for this test."""


@pytest.mark.parametrize("formula", CORPUS)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_every_form_that_workbooks_have_is_read(formula: str, ends: str) -> None:
    text = formula.replace("\n", ends)
    folded = fold(text, {})
    assert folded.text == text
    assert folded.cuts == ()


@pytest.mark.parametrize("formula", CORPUS)
def test_what_is_left_of_a_form_can_be_read_again_and_is_not_cut_twice(formula: str) -> None:
    gone = declared("orders", "x", ColumnFacts(commercial=("Alpha",), enterprise=("Enterprise", "Federal")))
    folded = fold(formula, dict.fromkeys(("Segment", "Brand", "segment", "Region"), gone))
    assert not fold(folded.text, dict.fromkeys(("Segment", "Brand", "segment", "Region"), gone)).cuts
