"""A machine that cannot fail proves nothing: loaders broken on purpose are found."""

from __future__ import annotations

import pytest

from connectors.errors import InternalError, MgdwError
from tests.reliability.model.machines import MACHINES
from tests.reliability.model.mutants import MUTANTS, Mutant
from tests.reliability.model.runs import check, keep

MOST_EXAMPLES = 400


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m.source}: {m.mistake}")
def test_a_broken_loader_is_found(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = MACHINES[mutant.source]
    mutant.make(monkeypatch)
    # Any other error says that the mistake does not fit the loader any more.
    with pytest.raises((AssertionError, MgdwError)) as found:
        check(machine, MOST_EXAMPLES)
    assert not isinstance(found.value, InternalError)
    how = str(found.value).splitlines()[0][:120] if str(found.value) else type(found.value).__name__
    keep(f"{mutant.source}: {mutant.mistake}", {"examples": machine.tally.examples + 1, "found": how}, among="mutants")
