"""Requests at once: never more than the setting, fewer while the account refuses them."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.netsuite.turns import ANSWERS_TO_RECOVER, Turns


@given(st.integers(1, 8), st.lists(st.booleans(), max_size=200))
def test_the_limit_stays_between_one_and_the_setting(most: int, refusals: list[bool]) -> None:
    turns = Turns(most)
    for refused in refusals:
        turns.refused() if refused else turns.answered()
        assert 1 <= turns.limit <= most


def test_each_refusal_takes_one_off_and_many_answers_give_one_back() -> None:
    turns = Turns(4)
    turns.refused()
    turns.refused()
    assert turns.limit == 2
    for _ in range(ANSWERS_TO_RECOVER - 1):
        turns.answered()
    assert turns.limit == 2
    turns.answered()
    assert turns.limit == 3
    for _ in range(ANSWERS_TO_RECOVER * 9):
        turns.answered()
    assert turns.limit == 4


@given(st.integers(1, 4), st.lists(st.sampled_from(["work", "refuse", "answer", "cancel"]), max_size=40))
async def test_nobody_waits_for_ever_and_no_more_are_busy_than_allowed(most: int, steps: list[str]) -> None:
    turns = Turns(most)
    busy = 0
    peak = 0
    release = asyncio.Event()

    async def work() -> None:
        nonlocal busy, peak
        async with turns.turn():
            busy += 1
            peak = max(peak, busy)
            try:
                await release.wait()
            finally:
                busy -= 1

    tasks: list[asyncio.Task[None]] = []
    for step in steps:
        if step == "work":
            tasks.append(asyncio.create_task(work()))
        elif step == "refuse":
            turns.refused()
        elif step == "answer":
            for _ in range(ANSWERS_TO_RECOVER):
                turns.answered()
        elif tasks:
            tasks[-1].cancel()
        await asyncio.sleep(0)
    release.set()
    async with asyncio.timeout(5):
        await asyncio.gather(*tasks, return_exceptions=True)
    assert peak <= most
    assert busy == 0


async def test_a_lower_limit_holds_for_whoever_comes_next() -> None:
    turns = Turns(3)
    turns.refused()
    turns.refused()
    order: list[str] = []

    async def work(name: str) -> None:
        async with turns.turn():
            order.append(f"{name} in")
            await asyncio.sleep(0)
            order.append(f"{name} out")

    await asyncio.gather(*(work(name) for name in "abc"))
    assert order == ["a in", "a out", "b in", "b out", "c in", "c out"]


@pytest.mark.parametrize("cancelled", [0, 1])
async def test_a_waiter_that_gives_up_passes_its_turn_on(cancelled: int) -> None:
    turns = Turns(1)
    done: list[int] = []

    async def work(number: int) -> None:
        async with turns.turn():
            done.append(number)

    async with turns.turn():
        tasks = [asyncio.create_task(work(number)) for number in range(2)]
        await asyncio.sleep(0)
    tasks[cancelled].cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(*tasks, return_exceptions=True)
    assert 1 - cancelled in done
