"""The record of the last runs is one of the modules as they are."""

from __future__ import annotations

import pytest

from tests.mutation.modules import MODULES, Module
from tests.mutation.run import mutants_of
from tests.reliability import results


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.path)
def test_as_many_changes_were_tried_as_there_are(module: Module) -> None:
    record = (results.read("mutation") or {})[module.path]
    assert record["mutants"] == len(mutants_of(module)), f"run `python -m tests.mutation.run {module.path}`"
    assert record["killed"] + record["equivalent"] == record["mutants"]
