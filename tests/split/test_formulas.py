"""Tableau formulas: read whole, folded by the same rules, patched in place."""

from __future__ import annotations

import pytest

from split.facts import ColumnFacts
from split.formulas import FormulaError, fold, parse
from split.values import declared

BRAND = declared("orders", "brand", ColumnFacts(commercial=("Alpha", "Beta"), enterprise=("Ent", "Fed")))

FOLDED = {
    "IF [Brand]='Ent' THEN 1 ELSEIF [Brand]='Alpha' THEN 2 ELSE 3 END": "IF [Brand]='Alpha' THEN 2 ELSE 3 END",
    "IF [A]>1 THEN 1 ELSEIF [Brand]='Ent' THEN 2 ELSE 3 END": "IF [A]>1 THEN 1 ELSE 3 END",
    "IF [Brand]='Ent' THEN 1 ELSE 3 END // all others": "3 // all others",
    "CASE [Brand] WHEN 'Ent' THEN 'x' WHEN 'Alpha' THEN 'y' END": "CASE [Brand] WHEN 'Alpha' THEN 'y' END",
    "IIF([Brand]=='Ent', 1, [A]+1)*2": "([A]+1)*2",
    "SUM(IF [Brand]='Ent' THEN [A] END)": "SUM(null)",
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
    folded = fold(formula, {"Brand": BRAND})
    assert folded.text == FOLDED[formula]
    assert fold(folded.text, {"Brand": BRAND}).text == folded.text


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
    assert fold(formula, {"Brand": BRAND}).text == formula


@pytest.mark.parametrize(
    ("formula", "line", "column"),
    [("IF [A] THEN 1", 1, 10), ("[A] +\n)", 2, 1), ("'open", 1, 1), ("", 1, 1)],
)
def test_a_formula_that_cannot_be_read_says_where(formula: str, line: int, column: int) -> None:
    with pytest.raises(FormulaError) as raised:
        parse(formula)
    assert raised.value.line == line
    assert raised.value.column >= min(column, 1)
