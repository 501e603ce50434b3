"""Entries taken out of YAML files: what is left stays as it is written."""

from __future__ import annotations

import pytest

from split.dbt.yaml_entries import Gone, without_entries

GONE = Gone(frozenset({"old"}), {"kept": frozenset({"lost"})})

CASES = {
    "a model with what is below it": (
        "models:\n  - name: kept  # ours\n\n  # theirs\n  - name: old\n    columns:\n      - name: a\n\n  - name: c\n",
        "models:\n  - name: kept  # ours\n\n  # theirs\n\n  - name: c\n",
    ),
    "the only model with its key": ("version: 2\nmodels:\n  - name: old\n\nseeds: []\n", "version: 2\n\nseeds: []\n"),
    "a column that is gone": (
        "models:\n  - name: kept\n    columns:\n      - name: a\n      - name: lost\n        data_tests: [not_null]\n",
        "models:\n  - name: kept\n    columns:\n      - name: a\n",
    ),
    "the only column with its key": (
        "models:\n  - name: kept\n    columns:\n      - name: lost\n    description: ours\n",
        "models:\n  - name: kept\n    description: ours\n",
    ),
    "a column of the same name elsewhere": (
        "models:\n  - name: c\n    columns:\n      - name: lost\n",
        "models:\n  - name: c\n    columns:\n      - name: lost\n",
    ),
    "a test that refers to it": (
        "models:\n  - name: c\n    data_tests:\n      - unique\n      - relationships: {to: ref('old'), field: a}\n",
        "models:\n  - name: c\n    data_tests:\n      - unique\n",
    ),
    "a test in brackets": (
        "models:\n  - {name: c, data_tests: [unique, {relationships: {to: ref('old'), field: a}}]}\n",
        "models:\n  - {name: c, data_tests: [unique]}\n",
    ),
    "the only test in brackets": (
        "models:\n  - {name: c, data_tests: [{relationships: {to: ref('old'), field: a}}]}\n",
        "models:\n  - {name: c, data_tests: []}\n",
    ),
    "an exposure that depended on nothing else": (
        "exposures:\n  - name: x\n    depends_on:\n      - ref('old')\n  - name: y\n    depends_on: [ref('kept')]\n",
        "exposures:\n  - name: y\n    depends_on: [ref('kept')]\n",
    ),
    "one of several things an exposure depends on": (
        "exposures:\n  - name: x\n    depends_on:\n      - ref('old')\n      - ref('kept')\n",
        "exposures:\n  - name: x\n    depends_on:\n      - ref('kept')\n",
    ),
    "line ends of another system": (
        "models:\r\n  - name: old\r\n  - name: c\r\n",
        "models:\r\n  - name: c\r\n",
    ),
    "letters of other alphabets before it": (
        "models:\n  - {name: c, description: 'Größe 尺寸 😀'}\n  - name: old\n  - {name: d, at: 2024-01-01 00:00:00}\n",
        "models:\n  - {name: c, description: 'Größe 尺寸 😀'}\n  - {name: d, at: 2024-01-01 00:00:00}\n",
    ),
    "what is no YAML": ("models:\n  - name: [old\n", "models:\n  - name: [old\n"),
}


@pytest.mark.parametrize("name", CASES)
def test_it_goes_and_the_rest_stays(name: str) -> None:
    before, after = CASES[name]
    assert without_entries(before, GONE) == after
    assert without_entries(after, GONE) == after
