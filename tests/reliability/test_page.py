"""docs/reliability.md says what the proofs' records say."""

from __future__ import annotations

import pytest

from tests.reliability import results
from tests.reliability.page import PAGE, page


def test_the_page_is_what_the_records_say() -> None:
    assert PAGE.read_text() == page(), "run `python -m tests.reliability.page`"


def test_every_step_on_the_page_was_survived() -> None:
    assert "not survived" not in page()


def test_a_proof_with_results_gets_a_section(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"mutation": {"connectors/window.py": {"mutants": 41, "killed": 41}}}
    monkeypatch.setattr(results, "read", told.get)
    assert "## Mutation testing" in page()
    assert "| connectors/window.py | 41 | 41 |" in page()
    assert "## The crash walk" not in page()
