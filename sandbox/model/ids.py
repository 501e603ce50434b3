"""Identifiers as the systems write them, made from row indexes; a negative index gives NULL."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sandbox.model.chance import Chance
from sandbox.model.frame import Indexes

Bytes = npt.NDArray[np.uint8]
_BASE62 = np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", np.uint8)
_CHECK = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345", np.uint8)
_HEX = np.array([list(f"{i:02x}".encode()) for i in range(256)], np.uint8)


def salesforce(prefix: str, rows: Indexes) -> pa.Array:
    """18-character Salesforce ids: key prefix, instance, counter, and the case check of the last three characters."""
    out = np.empty((len(rows), 18), np.uint8)
    out[:, :6] = np.frombuffer(f"{prefix}5g0".encode(), np.uint8)
    rest = np.maximum(rows, 0).astype(np.int64) + 1_000_000
    for position in range(14, 5, -1):
        rest, digit = np.divmod(rest, 62)
        out[:, position] = _BASE62[digit]
    upper = (out[:, :15] >= ord("A")) & (out[:, :15] <= ord("Z"))
    weights = np.array([1, 2, 4, 8, 16])
    for block in range(3):
        out[:, 15 + block] = _CHECK[upper[:, block * 5 : block * 5 + 5] @ weights]
    return text(out, rows < 0)


def zuora(kind: str, rows: Indexes) -> pa.Array:
    """32 hexadecimal digits; `kind` keeps the ids of different objects apart."""
    chance = Chance(zlib.crc32(kind.encode()))
    raw = np.empty((len(rows), 2), np.uint64)
    raw[:, 0] = chance.bits("high", rows)
    raw[:, 1] = chance.bits("low", rows)
    octets = raw.view(np.uint8).copy()
    octets[:, 0] = 0x8A
    return text(_HEX[octets].reshape(len(rows), 32), rows < 0)


def numbered(prefix: str, rows: Indexes, width: int = 8) -> pa.Array:
    """Business numbers like `INV00000123`; the first row is number 1."""
    head = np.frombuffer(prefix.encode(), np.uint8)
    out = np.empty((len(rows), len(head) + width), np.uint8)
    out[:, : len(head)] = head
    rest = np.maximum(rows, 0).astype(np.int64) + 1
    for position in range(out.shape[1] - 1, len(head) - 1, -1):
        rest, digit = np.divmod(rest, 10)
        out[:, position] = digit + ord("0")
    return text(out, rows < 0)


def text(characters: Bytes, missing: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """A string column from a matrix of characters, one row per string."""
    n, width = characters.shape
    offsets = np.arange(n + 1, dtype=np.int32) * np.int32(width)
    validity = None
    if missing is not None and missing.any():
        validity = pa.py_buffer(np.packbits(~missing, bitorder="little"))
    return pa.StringArray.from_buffers(
        n, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(characters)), validity
    )
