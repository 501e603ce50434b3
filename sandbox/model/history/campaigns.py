"""Campaigns and who is in them."""

from __future__ import annotations

import numpy as np

from sandbox.model.brands import BRANDS, CURRENCIES, SELLING
from sandbox.model.calendar import BUSINESS_START, days, seconds
from sandbox.model.codes import CAMPAIGN_KINDS, RESPONDED
from sandbox.model.company import Company
from sandbox.model.frame import NO_DATE, NONE, Indexes
from sandbox.model.history.stamps import changed_since, office_hours


def campaigns(company: Company) -> None:
    """Campaigns per brand and currency; some belong to a yearly programme of the same brand."""
    chance = company.chance
    n = max(60, round(110 * company.scale**0.5))
    keys = np.arange(n, dtype=np.int64)
    every = len(CURRENCIES) * SELLING
    brand = np.where(
        keys < every, keys % SELLING, chance.weighted("campaign brand", keys, tuple(b.weight for b in BRANDS[:SELLING]))
    )
    currency = np.where(keys < every, keys // SELLING, chance.weighted("campaign currency", keys, (0.8, 0.13, 0.07)))
    span = int((company.today - BUSINESS_START).astype(int))
    start = BUSINESS_START + days(
        np.where(keys < every, keys % 20, chance.between("campaign start", keys, 0, span + 25))
    )
    end = start + days(np.where(keys < every, 2000, chance.between("campaign length", keys, 1, 120)))
    created = office_hours(
        company,
        "campaign",
        keys,
        np.maximum(
            np.minimum(start, company.today - days(1)) - days(chance.pick("campaign plan", keys, 30)), BUSINESS_START
        ),
    )
    modified, stamp = changed_since(company, "campaign", keys, created)
    parent = np.where((keys >= every) & chance.happens("in a programme", keys, 0.3), currency * SELLING + brand, NONE)
    company.campaigns.append(
        n,
        brand=brand,
        currency=currency,
        kind=chance.pick("campaign kind", keys, len(CAMPAIGN_KINDS)),
        parent=parent,
        start=start,
        end=end,
        budget=chance.between("budget", keys, 10, 600) * 10_000,
        owner=company.sellers("campaign owner", keys, brand),
        created=created,
        modified=modified,
        stamp=stamp,
    )


def members(company: Company) -> None:
    """Leads are in the campaign that brought them; contacts were invited to some campaigns of their account's brand."""
    leads, contacts, chance = company.leads, company.contacts, company.chance
    invited = np.flatnonzero(leads["campaign"] >= 0)
    person, campaign = _invitations(company, company.count(2300))
    lead = np.concatenate([invited, np.full(len(person), NONE)])
    contact = np.concatenate([np.full(len(invited), NONE), person])
    campaign = np.concatenate([leads["campaign"][invited], campaign])
    base = np.maximum(
        company.campaigns["created"][campaign],
        np.where(lead >= 0, leads["created"][lead] if len(leads) else company.now, contacts["created"][contact]),
    )
    keys = np.arange(len(lead), dtype=np.int64)
    ends = np.minimum(company.campaigns["end"][campaign].astype("M8[s]"), company.now - seconds(7200))
    room = np.maximum((ends - base).astype(np.int64), 0)
    created = base + seconds(np.where(lead >= 0, 0, (chance.uniform("invited", keys) * room).astype(np.int64)))
    order = np.argsort(created, kind="stable")
    add_members(company, campaign[order], lead[order], contact[order], created[order])


def _invitations(company: Company, n: int) -> tuple[Indexes, Indexes]:
    """Distinct (contact, campaign) pairs of equal brand."""
    contacts, chance = company.contacts, company.chance
    if not len(contacts):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    keys = np.arange(n, dtype=np.int64)
    person = chance.pick("invited contact", keys, len(contacts))
    brand = company.accounts["brand"][contacts["account"][person]]
    campaign = np.full(n, NONE, np.int64)
    for one in range(SELLING):
        mine = np.flatnonzero(brand == one)
        choice = np.flatnonzero(company.campaigns["brand"] == one)
        campaign[mine] = choice[chance.pick("invited to", keys[mine], len(choice))]
    fits = (
        (campaign >= 0)
        & (company.campaigns["end"][campaign] > contacts["created"][person])
        & (company.campaigns["created"][campaign] < company.now - days(2))
    )
    pairs = np.unique(np.stack([person[fits], campaign[fits]], axis=1), axis=0)
    return pairs[:, 0], pairs[:, 1]


def add_members(company: Company, campaign: Indexes, lead: Indexes, contact: Indexes, created: np.ndarray) -> Indexes:
    """Add members as invited at `created`; some have answered since."""
    chance = company.chance
    keys = len(company.members) + np.arange(len(campaign), dtype=np.int64)
    status = chance.weighted("member status", keys, (0.45, 0.25, 0.12, 0.1, 0.08))
    modified, stamp = changed_since(company, "member", keys, created)
    responded = np.where(status >= RESPONDED, modified.astype("M8[D]"), NO_DATE)
    owner = np.where(lead >= 0, company.leads["owner"][lead], company.contacts["owner"][contact])
    return company.members.append(
        len(campaign),
        campaign=campaign,
        lead=lead,
        contact=contact,
        status=status,
        responded=responded,
        owner=owner,
        created=created,
        modified=modified,
        stamp=stamp,
    )
