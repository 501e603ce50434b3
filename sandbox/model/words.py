"""Names and addresses for companies and people, made from a key: the same key always gives the same name."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sandbox.model import vocabulary as v
from sandbox.model.arrow import choice, digits, hide, join
from sandbox.model.chance import Chance
from sandbox.model.frame import Indexes

STRANGER = 1 << 40
"""Keys from here on belong to companies and people that are only leads."""


def _slug(word: str) -> str:
    plain = unicodedata.normalize("NFKD", word.replace("ø", "o").replace("ł", "l").replace("Ł", "L").replace("Ø", "O"))
    return re.sub(r"[^a-z0-9]", "", plain.encode("ascii", "ignore").decode().lower())


_ROOT_SLUGS = tuple(map(_slug, v.ROOTS))
_TRADE_SLUGS = tuple(map(_slug, v.TRADES))
_FIRST_SLUGS = tuple(map(_slug, v.FIRST_NAMES))
_LAST_SLUGS = tuple(map(_slug, v.LAST_NAMES))
_DOMAINS = tuple(p.domain for p in v.PLACES)


def company_names(chance: Chance, keys: Indexes) -> pa.Array:
    """Company names; a few are the texts that careless loaders take for NULL, or hold quotes and commas."""
    names = join(
        choice(v.ROOTS, chance.pick("company root", keys, len(v.ROOTS))),
        " ",
        choice(v.TRADES, chance.pick("company trade", keys, len(v.TRADES))),
        choice(v.FORMS, chance.pick("company form", keys, len(v.FORMS))),
    )
    odd = np.isin(keys, list(v.ODD_COMPANIES))
    if not odd.any():
        return names
    replacement = pa.array([v.ODD_COMPANIES[int(k)] for k in keys[odd]], pa.string())
    return pc.replace_with_mask(names, pa.array(odd), replacement)


def domains(chance: Chance, keys: Indexes, places: Indexes) -> pa.Array:
    """The company's internet domain."""
    return join(
        choice(_ROOT_SLUGS, chance.pick("company root", keys, len(v.ROOTS))),
        choice(_TRADE_SLUGS, chance.pick("company trade", keys, len(v.TRADES))),
        ".",
        choice(_DOMAINS, places),
    )


def first_names(chance: Chance, keys: Indexes) -> pa.Array:
    """Given names."""
    return choice(v.FIRST_NAMES, chance.pick("first name", keys, len(v.FIRST_NAMES)))


def last_names(chance: Chance, keys: Indexes) -> pa.Array:
    """Family names."""
    return choice(v.LAST_NAMES, chance.pick("last name", keys, len(v.LAST_NAMES)))


def emails(chance: Chance, people: Indexes, companies: Indexes, places: Indexes) -> pa.Array:
    """Addresses of people at their companies; some are in capitals, as people type them."""
    written = join(
        choice(_FIRST_SLUGS, chance.pick("first name", people, len(v.FIRST_NAMES))),
        ".",
        choice(_LAST_SLUGS, chance.pick("last name", people, len(v.LAST_NAMES))),
        "@",
        domains(chance, companies, places),
    )
    return pc.if_else(pa.array(chance.happens("email capitals", people, 0.02)), pc.utf8_upper(written), written)


def phones(chance: Chance, keys: Indexes, places: Indexes) -> pa.Array:
    """Telephone numbers with the place's prefix."""
    return join(choice([p.dial for p in v.PLACES], places), " 555-", digits(chance.pick("phone", keys, 10_000), 4))


def streets(chance: Chance, keys: Indexes) -> pa.Array:
    """Street, number and sometimes a second line."""
    return join(
        digits(chance.between("house", keys, 1, 2400)),
        " ",
        choice(v.STREETS, chance.pick("street", keys, len(v.STREETS))),
        choice(v.SUITES, chance.pick("suite", keys, len(v.SUITES))),
    )


def place_column(column: str, places: Indexes) -> pa.Array:
    """One attribute of the places (`country`, `code`, `city`, `state`, `postal_code`)."""
    return choice([getattr(p, column) for p in v.PLACES], places)


def sometimes(chance: Chance, purpose: str, keys: Indexes, share: float, values: pa.Array) -> pa.Array:
    """The values for about `share` of the keys, else NULL."""
    return hide(values, ~chance.happens(f"has {purpose}", keys, share))
