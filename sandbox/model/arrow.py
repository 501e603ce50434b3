"""Arrow columns from numpy arrays: money, numbers, dates, texts. A negative index or NaT becomes NULL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Mask = npt.NDArray[np.bool_]
MONEY_TYPE = pa.decimal128(18, 2)
NUMBER_TYPE = pa.decimal128(38, 9)


def money(cents: npt.NDArray[Any], missing: Mask | None = None) -> pa.Array:
    """Integer cents as DECIMAL(18,2)."""
    return _decimal(cents, MONEY_TYPE, missing)


def number(units: npt.NDArray[Any], places: int, missing: Mask | None = None) -> pa.Array:
    """Integers in units of 10^-places as DECIMAL(38,9)."""
    return _decimal(units.astype(np.int64) * 10 ** (9 - places), NUMBER_TYPE, missing)


def _decimal(values: npt.NDArray[Any], kind: pa.DataType, missing: Mask | None) -> pa.Array:
    words = np.empty((len(values), 2), np.int64)
    words[:, 0] = values
    words[:, 1] = words[:, 0] >> 63
    return pa.Array.from_buffers(kind, len(values), [_validity(missing), pa.py_buffer(words)])


def _validity(missing: Mask | None) -> pa.Buffer | None:
    if missing is None or not missing.any():
        return None
    return pa.py_buffer(np.packbits(~missing, bitorder="little"))


def integer(values: npt.NDArray[Any], missing: Mask | None = None) -> pa.Array:
    """BIGINT."""
    return pa.array(values.astype(np.int64), mask=missing)


def flag(values: npt.NDArray[Any], missing: Mask | None = None) -> pa.Array:
    """BOOLEAN."""
    return pa.array(np.asarray(values, bool), mask=missing)


def date(values: npt.NDArray[Any], missing: Mask | None = None) -> pa.Array:
    """DATE; NaT is NULL."""
    values = values.astype("M8[D]")
    gone = np.isnat(values) if missing is None else np.isnat(values) | missing
    return pa.array(values.astype(np.int64).astype(np.int32), mask=gone).cast(pa.date32())


def stamp(values: npt.NDArray[Any], missing: Mask | None = None) -> pa.Array:
    """TIMESTAMP in UTC, whole seconds; NaT is NULL."""
    values = values.astype("M8[s]")
    gone = np.isnat(values) if missing is None else np.isnat(values) | missing
    return pa.array(values.astype(np.int64), mask=gone).cast(pa.timestamp("s"))


def choice(words: Sequence[str | None] | pa.Array, index: npt.NDArray[Any], missing: Mask | None = None) -> pa.Array:
    """words[index]; NULL where the index is negative."""
    vocabulary = words if isinstance(words, pa.Array) else pa.array(words, pa.string())
    gone = index < 0 if missing is None else (index < 0) | missing
    return vocabulary.take(pa.array(np.maximum(index, 0), mask=gone if gone.any() else None))


def join(*parts: pa.Array | str) -> pa.Array:
    """The parts one after another; NULL where any part is NULL."""
    return pc.binary_join_element_wise(*parts, "")


def digits(values: npt.NDArray[Any], width: int = 0) -> pa.Array:
    """Decimal digits, padded with zeros to `width`."""
    written = pa.array(values.astype(np.int64)).cast(pa.string())
    return pc.utf8_lpad(written, width, "0") if width else written


def constant(value: str | None, n: int) -> pa.Array:
    """The same text n times."""
    return pa.repeat(pa.scalar(value, pa.string()), n)


def nothing(n: int, kind: pa.DataType | None = None) -> pa.Array:
    """NULL n times."""
    return pa.nulls(n, kind or pa.string())


def hide(values: pa.Array, missing: Mask) -> pa.Array:
    """The values, NULL where `missing`."""
    return pc.if_else(pa.array(missing), pa.scalar(None, values.type), values)
