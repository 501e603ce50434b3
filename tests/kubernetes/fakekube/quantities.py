"""Quantities: `500m`, `2Gi`, `1e3`."""

from __future__ import annotations

import re
from decimal import Decimal

_SUFFIXES = {
    "": Decimal(1), "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12), "P": Decimal(10**15),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40), "Pi": Decimal(2**50),
}  # fmt: skip
_FORM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([numkMGTP]|[KMGTP]i)|[eE]([+-]?\d+))?")


def parse(text: str | float) -> Decimal:
    """The number a quantity stands for: bytes, cores, objects. Raises ValueError when it is none."""
    match = _FORM.fullmatch(str(text))
    if match is None:
        raise ValueError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    number, suffix, exponent = match.groups()
    return Decimal(number) * (Decimal(10) ** int(exponent) if exponent else _SUFFIXES[suffix or ""])


def show(number: Decimal, like: str) -> str:
    """A quantity in the suffix of another one where it goes without a rest: used memory beside its limit."""
    match = _FORM.fullmatch(like)
    suffix = (match[2] if match else None) or ""
    for one in (suffix, "", "m"):
        if (scaled := number / _SUFFIXES[one]) == scaled.to_integral_value():
            return f"{scaled.to_integral_value():f}{one}"
    return f"{number:f}"
