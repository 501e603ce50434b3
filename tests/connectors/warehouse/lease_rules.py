"""What holds for leases in every warehouse. A module of tests imports these and gives the fixture `new_store`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from connectors.errors import LeaseHeld, LeaseLost
from connectors.warehouse.lease import Claim, Hold, LeaseStore, held

NewStore = Callable[[], LeaseStore]
"""A store as another process would open it, with the same leases."""

LONG, SHORT = 60.0, 1.0
"""Seconds a lease holds: longer than any test takes, and short enough to be outwaited."""


def claim(holder: str, *, seconds: float = LONG, wait: float = 0.0, name: str = "daily-refresh") -> Claim:
    return Claim(name, holder, f"the run of {holder}", seconds, wait)


async def test_a_lease_is_had_by_one_holder_and_other_work_is_not_in_its_way(new_store: NewStore) -> None:
    async with new_store() as one, new_store() as other:
        mine = await one.take("dbt", "A", "the run of A", LONG)
        assert (mine.name, mine.holder, mine.about) == ("dbt", "A", "the run of A")
        assert mine.taken_at <= mine.seen_at < mine.expires_at
        seen = await other.take("dbt", "B", "", LONG)
        assert replace(seen, seen_at=mine.seen_at) == mine
        assert (await other.take("source:zuora", "B", "", LONG)).holder == "B"


async def test_every_taking_brings_a_higher_token_also_by_the_same_holder(new_store: NewStore) -> None:
    async with new_store() as store:
        tokens = [(await store.take("dbt", "A", "", LONG)).token for _ in range(3)]
        lease = await store.take("dbt", "A", "", LONG)
        await store.give_back(lease)
        tokens += [lease.token, (await store.take("dbt", "B", "", LONG)).token]
        assert tokens == sorted(set(tokens))


async def test_a_living_holder_is_named_with_since_when_and_until_when(new_store: NewStore) -> None:
    told: list[str] = []
    async with new_store() as one, new_store() as other, held(one, claim("A", seconds=SHORT)) as mine:
        with pytest.raises(LeaseHeld) as caught:
            async with held(other, claim("B"), told.append):
                pytest.fail("two at once")
        await mine.check()
    assert "the run of A (flow run A) since 20" in caught.value.cause
    assert "holds until" in caught.value.cause
    assert "Wait until the other run has ended" in caught.value.remedy
    assert caught.value.facts["token"] == mine.lease.token
    assert len(told) == 1


async def test_who_died_without_a_word_is_outwaited_even_by_those_who_do_not_wait(new_store: NewStore) -> None:
    async with new_store() as dead, new_store() as store:
        old = await dead.take("daily-refresh", "A", "", SHORT)
        async with held(store, claim("B")) as mine:
            assert mine.lease.holder == "B"
            assert mine.lease.token > old.token
            assert mine.lease.taken_at >= old.expires_at


async def test_who_waits_gets_the_lease_when_it_is_given_back(new_store: NewStore) -> None:
    waiting, order = asyncio.Event(), list[str]()

    async def second() -> None:
        async with new_store() as store, held(store, claim("B", wait=LONG), lambda _: waiting.set()):
            order.append("B")

    async with new_store() as store:
        async with held(store, claim("A")):
            task = asyncio.create_task(second())
            await asyncio.wait_for(waiting.wait(), LONG)
            order.append("A")
        await asyncio.wait_for(task, LONG)
    assert order == ["A", "B"]


async def test_the_same_holder_takes_its_lease_back_at_once_and_its_former_self_is_out(new_store: NewStore) -> None:
    async with new_store() as before, new_store() as after:
        old = Hold(before, await before.take("daily-refresh", "A", "", LONG), LONG, asked=(0, 0))
        async with held(after, claim("A")) as now:
            assert now.lease.token > old.lease.token
            with pytest.raises(LeaseLost, match="another run has taken it over") as caught:
                await old.check()
            assert "Look at the run that took over" in caught.value.remedy
            await now.check()
            await before.give_back(old.lease)  # what the former self ends is not the new one's
            assert (await before.take("daily-refresh", "B", "", LONG)).holder == "A"


async def test_one_that_ran_out_and_nobody_took_is_still_had(new_store: NewStore) -> None:
    async with new_store() as store:
        lease = await store.take("dbt", "A", "", 0.001)
        hold = Hold(store, lease, LONG, asked=(0, 0))
        await hold.check()
        assert (await store.take("dbt", "B", "", LONG)).holder == "A"


async def test_a_lease_is_renewed_while_its_holder_lives(new_store: NewStore) -> None:
    async with new_store() as store, new_store() as other, held(store, claim("A", seconds=SHORT)) as mine:
        length = mine.lease.expires_at - mine.lease.taken_at
        for _ in range(10_000):
            seen = await other.take("daily-refresh", "B", "", LONG)
            assert (seen.holder, seen.token) == ("A", mine.lease.token)
            if seen.expires_at > mine.lease.expires_at + length:
                return
        pytest.fail("it was not renewed")


@pytest.mark.parametrize("end", [RuntimeError, asyncio.CancelledError])
async def test_it_is_given_back_also_on_failure_and_when_cancelled(
    new_store: NewStore, end: type[BaseException]
) -> None:
    async with new_store() as store:
        with pytest.raises(end):
            async with held(store, claim("A")):
                raise end
        assert (await store.take("daily-refresh", "B", "", LONG)).holder == "B"


async def test_one_whose_work_may_go_on_is_not_given_back_but_runs_out(new_store: NewStore) -> None:
    async with new_store() as store:
        async with held(store, claim("A")) as mine:
            mine.runs_out = True
        assert (await store.take("daily-refresh", "B", "", LONG)).holder == "A"


async def test_of_many_that_begin_together_one_has_it(new_store: NewStore) -> None:
    async def begin(holder: str) -> str:
        async with new_store() as store:
            return (await store.take("daily-refresh", holder, "", LONG)).holder

    winners = await asyncio.gather(*(begin(holder) for holder in "ABCDE"))
    assert len(set(winners)) == 1
