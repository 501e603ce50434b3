"""Chance without a state: every draw is a function of seed, purpose and key, so any row can be made again alone."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Array = npt.NDArray[np.generic]


class Chance:
    """Draws for one seed. `purpose` names the decision, `keys` say for whom; equal arguments give equal draws."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def bits(self, purpose: str, keys: Array) -> npt.NDArray[np.uint64]:
        """64 random bits per key (SplitMix64)."""
        start = np.uint64(
            ((self.seed * 0x9E3779B97F4A7C15) ^ (zlib.crc32(purpose.encode()) * 0xD1342543DE82EF95)) % 2**64
        )
        with np.errstate(over="ignore"):
            x = keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + start
            x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            return x ^ (x >> np.uint64(31))

    def uniform(self, purpose: str, keys: Array) -> npt.NDArray[np.float64]:
        """A number in [0, 1) per key."""
        return (self.bits(purpose, keys) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def pick(self, purpose: str, keys: Array, n: int) -> Ints:
        """An integer in [0, n) per key."""
        return ((self.bits(purpose, keys) >> np.uint64(16)) % np.uint64(max(n, 1))).astype(np.int64)

    def between(self, purpose: str, keys: Array, low: int, high: int) -> Ints:
        """An integer in [low, high] per key."""
        return self.pick(purpose, keys, high - low + 1) + low

    def weighted(self, purpose: str, keys: Array, weights: tuple[float, ...]) -> Ints:
        """An index into `weights` per key, as often as its weight says."""
        edges = np.cumsum(weights) / np.sum(weights)
        return np.minimum(np.searchsorted(edges, self.uniform(purpose, keys), side="right"), len(weights) - 1)

    def happens(self, purpose: str, keys: Array, share: float) -> npt.NDArray[np.bool_]:
        """True for about `share` of the keys."""
        return self.uniform(purpose, keys) < share

    def sample(self, purpose: str, candidates: Ints, n: int) -> Ints:
        """At most n of the candidates, in ascending order."""
        if len(candidates) <= n:
            return candidates
        order = np.argpartition(self.bits(purpose, candidates), n - 1) if n else np.zeros(0, np.int64)
        return np.sort(candidates[order[:n]])
