"""Identifiers look like the systems' own."""

from __future__ import annotations

import re

import numpy as np
import pytest

from sandbox.model import ids


def _check(identifier: str) -> str:
    """Salesforce's case check, written from its description, one character at a time."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
    blocks = (identifier[i : i + 5] for i in (0, 5, 10))
    return "".join(alphabet[sum(1 << i for i, c in enumerate(block) if c.isupper())] for block in blocks)


@pytest.mark.parametrize("prefix", ["001", "00Q", "00v"])
def test_salesforce_ids_have_prefix_eighteen_characters_and_a_right_check(prefix: str) -> None:
    made = ids.salesforce(prefix, np.array([0, 1, 61, 62, 987_654, 3_000_000])).to_pylist()
    assert all(re.fullmatch(rf"{prefix}[0-9A-Za-z]{{15}}", i) for i in made)
    assert all(i[15:] == _check(i[:15]) for i in made)
    assert len(set(made)) == len(made)


def test_zuora_ids_are_32_hexadecimal_digits_of_their_own_per_object() -> None:
    rows = np.arange(50_000)
    accounts, invoices = set(ids.zuora("account", rows).to_pylist()), set(ids.zuora("invoice", rows).to_pylist())
    assert all(re.fullmatch(r"8a[0-9a-f]{30}", i) for i in accounts | invoices)
    assert len(accounts | invoices) == 100_000


def test_business_numbers_count_from_one() -> None:
    assert ids.numbered("INV", np.array([0, 122])).to_pylist() == ["INV00000001", "INV00000123"]


def test_no_row_gives_null() -> None:
    rows = np.array([-1, 4])
    for made in (ids.salesforce("001", rows), ids.zuora("account", rows), ids.numbered("A", rows)):
        assert made.is_null().to_pylist() == [True, False]
