"""Which fields a record has, found by asking for them: SuiteQL has no describe, and leaves NULLs out of its rows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from connectors.errors import UnknownField

Probe = Callable[[Sequence[str]], Awaitable[object]]
"""Asks for some fields; raises UnknownField with `facts["fields"]`."""


async def missing_fields(fields: Sequence[str], probe: Probe) -> tuple[str, ...]:
    """The fields that `probe` does not know, in the order given.

    An answer names one field at most: that one is taken out and the rest asked again; where it names none of ours, the
    list is halved. At most two queries a missing field and its halvings.
    """
    if not fields:
        return ()
    try:
        await probe(fields)
    except UnknownField as error:
        named = {str(name).lower() for name in error.facts.get("fields", ())}  # type: ignore[attr-defined]
        guilty = [f for f in fields if f.lower() in named]
        if guilty:
            rest = await missing_fields([f for f in fields if f not in guilty], probe)
            return tuple(f for f in fields if f in guilty or f in rest)
        if len(fields) == 1:
            return tuple(fields)
        middle = len(fields) // 2
        return await missing_fields(fields[:middle], probe) + await missing_fields(fields[middle:], probe)
    return ()


async def known_fields(fields: Sequence[str], probe: Probe, *, refusals: int) -> tuple[str, ...]:
    """The fields that `probe` knows; none at all once it has refused more than `refusals` of them.

    For names that are mere guesses, where each wrong one costs a query.
    """
    left = list(fields)
    for _ in range(refusals + 1):
        if not left:
            break
        try:
            await probe(left)
        except UnknownField as error:
            named = {str(name).lower() for name in error.facts.get("fields", ())}  # type: ignore[attr-defined]
            if not any(name.lower() in named for name in left):
                return ()
            left = [name for name in left if name.lower() not in named]
        else:
            return tuple(left)
    return ()
