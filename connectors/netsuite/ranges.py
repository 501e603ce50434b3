"""A large table cut into ranges of its key, which are read side by side. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MOST_BUCKETS = 1000
"""One page holds the whole histogram."""
_RANGES = 16


@dataclass(frozen=True)
class Range:
    """First key fields greater than `after` (None: from the lowest) and not greater than `upto` (None: to the end)."""

    after: int | None = None
    upto: int | None = None


def bucket_width(lowest: int, highest: int) -> int:
    """How many key values one bucket of the histogram spans."""
    return (highest - lowest) // MOST_BUCKETS + 1


def rows_per_range(total: int, page_rows: int, part_rows: int) -> int:
    """Rows that a range should have: enough ranges to share the work, few enough that no page is wasted on them."""
    return max(4 * page_rows, min(part_rows, -(-total // _RANGES)))


def cut(buckets: Mapping[int, int], lowest: int, width: int, rows: int) -> list[Range]:
    """Ranges of about `rows` rows each that together cover every key there is or will be.

    Args:
        buckets: rows per bucket; bucket n spans the `width` keys from `lowest + n * width` on.
    """
    ranges: list[Range] = []
    after: int | None = None
    inside = 0
    for bucket in sorted(buckets):
        if inside and inside + buckets[bucket] > rows:
            end = lowest + bucket * width - 1
            ranges.append(Range(after, end))
            after, inside = end, 0
        inside += buckets[bucket]
    return [*ranges, Range(after, None)]
