"""The error tree."""

from __future__ import annotations

import copy
import inspect
import pickle
import re

import pytest

from connectors import errors
from connectors.errors import ContractError, MgdwError, RateLimited, UnknownField

CLASSES = [
    found
    for _, found in inspect.getmembers(errors, inspect.isclass)
    if issubclass(found, MgdwError) and found is not ContractError
]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_says_what_happened_and_what_to_do(kind: type[MgdwError]) -> None:
    error = kind("sfdc_account: it broke", table="sfdc_account")
    cause, remedy = str(error).split("\n")
    assert cause == "sfdc_account: it broke"
    assert re.fullmatch(r"  What to do: .{20,}\.", remedy)
    assert error.facts == {"table": "sfdc_account"}


def test_a_remedy_of_its_own_replaces_the_class_advice() -> None:
    assert UnknownField("x", remedy="Do that.").remedy == "Do that."


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_survives_another_process_and_a_copy(kind: type[MgdwError]) -> None:
    error = kind("it broke", remedy="Mend it.", table="t")
    for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(again) is kind
        assert (str(again), again.facts) == (str(error), error.facts)


def test_a_contract_error_survives_them_too() -> None:
    error = ContractError(["a.yml:3: no key", "b.yml:9: no column"])
    again = pickle.loads(pickle.dumps(error))
    assert again.problems == error.problems
    assert str(again) == str(error)


def test_a_wait_that_was_asked_for_is_kept() -> None:
    assert RateLimited("slow down", retry_after=7).retry_after == 7


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = re.findall(r"^    ([│├└─ ]*)(\w+)", errors.__doc__ or "", re.MULTILINE)
    parents: list[str] = []
    for indent, name in drawn:
        depth = len(indent) // 4
        assert getattr(errors, name).__mro__[1].__name__ == (parents[depth - 1] if depth else "Exception")
        parents[depth:] = [name]
    assert {name for _, name in drawn} == {found.__name__ for found in [*CLASSES, ContractError]}
