"""One kind of thing as columns of numpy arrays; a row's index never changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Indexes = npt.NDArray[np.int64]
NO_DATE = np.datetime64("NaT", "D")
NO_STAMP = np.datetime64("NaT", "s")
NONE = -1
"""Stands for "no row" where a column holds the index of another frame's row."""


class Frame:
    """Columns of equal length. Remembers which rows are new or changed since the last `settled()`.

    Args:
        columns: dtype and default per column name.
    """

    def __init__(self, **columns: tuple[str, Any]) -> None:
        self._defaults = columns
        self._data: dict[str, npt.NDArray[Any]] = {name: np.zeros(0, dtype) for name, (dtype, _) in columns.items()}
        self._touched: list[Indexes] = []
        self.settled_size = 0

    def __len__(self) -> int:
        return len(next(iter(self._data.values())))

    def __getitem__(self, column: str) -> npt.NDArray[Any]:
        return self._data[column]

    def __contains__(self, column: str) -> bool:
        return column in self._data

    @property
    def rows(self) -> Indexes:
        """All indexes."""
        return np.arange(len(self), dtype=np.int64)

    def append(self, n: int, **values: Any) -> Indexes:
        """Add n rows; columns not named get their default. Returns the new indexes."""
        unknown = values.keys() - self._data.keys()
        if unknown:
            raise KeyError(f"no such column: {sorted(unknown)}")
        start = len(self)
        for name, (dtype, default) in self._defaults.items():
            new = np.broadcast_to(np.asarray(values.get(name, default), dtype=dtype), (n,))
            self._data[name] = np.concatenate([self._data[name], new]) if start else new.copy()
        return np.arange(start, start + n, dtype=np.int64)

    def update(self, rows: Indexes | int, **values: Any) -> None:
        """Set columns of some rows and remember that they changed."""
        rows = np.atleast_1d(np.asarray(rows, np.int64))
        for name, value in values.items():
            self._data[name][rows] = value
        self._touched.append(rows)

    def touched(self) -> Indexes:
        """Rows added or updated since the last `settled()`, ascending."""
        fresh = np.arange(self.settled_size, len(self), dtype=np.int64)
        return np.unique(np.concatenate([fresh, *self._touched]))

    def settled(self) -> None:
        """Forget which rows are new or changed."""
        self.settled_size = len(self)
        self._touched = []
