"""Moves loaded files out of the senders' way, inside their bucket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from connectors.batch import FileRef
from connectors.s3.bucket import Bucket, FileChangedError


async def archived(bucket: Bucket, due: Mapping[str, FileRef], at_once: asyncio.Semaphore) -> list[str]:
    """Copy each file to its new key, then delete it; returns the old keys, sorted.

    A file is deleted only while its copy is there and itself is still the delivery that was loaded. Between the two a
    process may die: the next run copies again. The archive holds the newest delivery of a key.

    Args:
        due: by the key that each file gets.

    Raises:
        MgdwError: the first refusal, after the others were tried.
    """

    async def move(target: str, file: FileRef) -> str | None:
        async with at_once:
            try:
                await bucket.copy(file.key, target)
                copy, now = await bucket.head(target), await bucket.head(file.key)
            except FileChangedError:
                return None
            if copy.size != file.size or now.token != file.token:
                return None
            await bucket.delete(file.key)
            return file.key

    outcomes = await asyncio.gather(*(move(*pair) for pair in due.items()), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return sorted(key for key in outcomes if isinstance(key, str))
