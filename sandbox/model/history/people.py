"""Contacts at accounts, and leads that are not at any account yet."""

from __future__ import annotations

import numpy as np

from sandbox.model.brands import BRANDS, SELLING
from sandbox.model.calendar import BUSINESS_START, days, seconds
from sandbox.model.codes import CONVERTED, NEW_BUSINESS
from sandbox.model.company import Company
from sandbox.model.frame import NO_DATE, NONE, Indexes
from sandbox.model.history.stamps import changed_since, office_hours
from sandbox.model.vocabulary import PLACES
from sandbox.model.words import STRANGER


def contacts(company: Company) -> None:
    """None to six people per account, in order of time; the first is the primary contact."""
    a, chance = company.accounts, company.chance
    count = chance.weighted("contacts", a.rows, (0.12, 0.28, 0.26, 0.17, 0.1, 0.05, 0.02))
    count = np.where(a["status"] > 0, np.maximum(count, 1), count)
    account = np.repeat(a.rows, count)
    nth = np.arange(len(account)) - np.repeat(np.cumsum(count) - count, count)
    keys = account * 16 + nth
    age = (company.now - a["created"][account]).astype(np.int64) - 7200
    created = a["created"][account] + seconds(
        np.where(nth == 0, 60, chance.uniform("contact age", keys) * np.maximum(age, 61)).astype(np.int64)
    )
    order = np.argsort(created, kind="stable")
    account, keys, nth, created = account[order], keys[order], nth[order], created[order]
    modified, stamp = changed_since(company, "contact", keys, created)
    company.contacts.append(
        len(account),
        account=account,
        person=keys,
        primary=nth == 0,
        opted_out=chance.happens("opted out", keys, 0.06),
        active_on=np.where(chance.happens("contact active", keys, 0.5), modified.astype("M8[D]"), NO_DATE),
        owner=a["owner"][account],
        created=created,
        modified=modified,
        stamp=stamp,
    )


def leads(company: Company) -> None:
    """Leads; a quarter of them became an account, its first contact and its first deal."""
    chance = company.chance
    n = company.count(1500)
    account, contact, deal = _conversions(company, n // 4)
    keys = np.arange(n, dtype=np.int64)
    was = np.full(n, NONE, np.int64)
    was[chance.sample("converted lead", keys, len(account))] = np.arange(len(account))
    born = was >= 0
    company_of = np.where(born, account[was] if len(account) else 0, NONE)
    span = float((company.today - BUSINESS_START).astype(int) - 1)
    created = office_hours(
        company, "lead", keys, BUSINESS_START + days((chance.uniform("lead age", keys) ** 0.8 * span).astype(np.int64))
    )
    a, c, d = company.accounts, company.contacts, company.deals
    brand = chance.weighted("lead brand", keys, tuple(b.weight for b in BRANDS[:SELLING]))
    brand = np.where(chance.happens("lead without brand", keys, 0.003), NONE, brand)
    person, firm = keys + STRANGER, keys + STRANGER
    place = chance.weighted("lead place", keys, tuple(p.weight for p in PLACES))
    converted = np.full(n, NO_DATE)
    if born.any():
        rows, at = np.flatnonzero(born), was[born]
        deciding = d["created"][deal[at]]
        created[rows] = np.maximum(
            deciding - days(chance.between("lead time", rows, 2, 50)), BUSINESS_START.astype("M8[s]") + seconds(rows)
        )
        brand[rows], place[rows] = d["brand"][deal[at]], a["place"][account[at]]
        person[rows], firm[rows] = c["person"][contact[at]], company.firms(account[at])
        converted[rows] = deciding.astype("M8[D]")
    modified, stamp = changed_since(company, "lead", keys, created)
    if born.any():
        modified[rows] = np.maximum(modified[rows], deciding)
        stamp[rows] = np.maximum(stamp[rows], modified[rows])
    company.leads.append(
        n,
        brand=brand,
        person=person,
        company=firm,
        place=place,
        status=np.where(born, CONVERTED, chance.weighted("lead status", keys, (0.3, 0.3, 0.2, 0.2))),
        converted=converted,
        account=company_of,
        contact=np.where(born, contact[was], NONE) if len(contact) else NONE,
        deal=np.where(born, deal[was], NONE) if len(deal) else NONE,
        campaign=_campaigns(company, keys, brand, created),
        active_on=np.where(chance.happens("lead active", keys, 0.6), modified.astype("M8[D]"), NO_DATE),
        owner=company.sellers("lead owner", keys, brand),
        created=created,
        modified=modified,
        stamp=stamp,
    )


def _conversions(company: Company, n: int) -> tuple[Indexes, Indexes, Indexes]:
    """(account, primary contact, first deal) of accounts that began as leads."""
    c, d = company.contacts, company.deals
    contact_of = np.full(len(company.accounts), NONE, np.int64)
    contact_of[c["account"][c["primary"]]] = np.flatnonzero(c["primary"])
    deal_of = np.full(len(company.accounts), NONE, np.int64)
    firsts = np.flatnonzero((d["kind"] == NEW_BUSINESS) & (d["clone_of"] < 0))[::-1]
    deal_of[d["account"][firsts]] = firsts
    chosen = company.chance.sample("born as lead", np.flatnonzero((contact_of >= 0) & (deal_of >= 0)), n)
    return chosen, contact_of[chosen], deal_of[chosen]


def _campaigns(company: Company, keys: Indexes, brand: np.ndarray, created: np.ndarray) -> Indexes:
    """The campaign that brought a lead, if any: of its brand, and begun before the lead."""
    chance, campaigns = company.chance, company.campaigns
    out = np.full(len(keys), NONE, np.int64)
    for one in range(SELLING):
        mine = np.flatnonzero((brand == one) & chance.happens("from a campaign", keys, 0.6))
        choice = np.flatnonzero(campaigns["brand"] == one)
        if len(choice):
            picked = choice[chance.pick("lead campaign", keys[mine], len(choice))]
            begun = campaigns["start"][picked] <= created[mine].astype("M8[D]")
            out[mine[begun]] = picked[begun]
    return out
