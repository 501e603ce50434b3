"""New names: accounts, contacts, leads, campaign members, and leads that become customers-to-be."""

from __future__ import annotations

import numpy as np

from sandbox.model.brands import BRANDS, SELLING
from sandbox.model.calendar import Dates, seconds
from sandbox.model.codes import CONVERTED, NEW_BUSINESS, PLACE_CURRENCY, PROSPECT, WORKING
from sandbox.model.company import Company
from sandbox.model.day.clock import Day
from sandbox.model.frame import NONE, Indexes
from sandbox.model.operations.deals import add_lines, drawn
from sandbox.model.vocabulary import PLACES
from sandbox.model.words import STRANGER

_WEIGHTS = tuple(b.weight for b in BRANDS[:SELLING])


def new_accounts(day: Day) -> None:
    """Accounts with a first contact; one of them had been entered before."""
    company, chance = day.company, day.company.chance
    n = day.count(3, at_least=3)
    stamps = day.office("new account", n)
    keys = day.keys(n)
    brand = chance.weighted("account brand", keys, _WEIGHTS)
    place = chance.weighted("account place", keys, tuple(p.weight for p in PLACES))
    rows = add_accounts(company, brand, place, len(company.accounts) + np.arange(n, dtype=np.int64), stamps)
    _enter_twice(day, rows[-1])
    add_contacts(company, rows, stamps + seconds(120), primary=True)
    known = np.flatnonzero((company.accounts["brand"] >= 0) & ~company.accounts["deleted"])
    extra = day.pick("new contact", known, day.count(3, at_least=2))
    add_contacts(company, extra, day.office("new contact", len(extra)), primary=False)
    _invite(day)


def add_accounts(company: Company, brand: Indexes, place: Indexes, firm: Indexes, stamps: Dates) -> Indexes:
    """Prospects."""
    keys = len(company.accounts) + np.arange(len(brand), dtype=np.int64)
    return company.accounts.append(
        len(brand),
        firm=firm,
        brand=brand,
        place=place,
        status=PROSPECT,
        owner=company.sellers("account owner", keys, brand),
        created=stamps,
        modified=stamps,
        stamp=stamps,
        active_on=stamps.astype("M8[D]"),
    )


def add_contacts(
    company: Company, account: Indexes, stamps: Dates, *, primary: bool, person: Indexes | None = None
) -> Indexes:
    """People at accounts."""
    keys = (len(company.contacts) + np.arange(len(account), dtype=np.int64)) * 16 + (1 << 45)
    return company.contacts.append(
        len(account),
        account=account,
        person=keys if person is None else person,
        primary=primary,
        owner=company.accounts["owner"][account],
        created=stamps,
        modified=stamps,
        stamp=stamps,
    )


def _enter_twice(day: Day, row: np.int64) -> None:
    """Make one of the new accounts the double of an older prospect of the same brand."""
    a = day.company.accounts
    same = (
        (a["brand"] == a["brand"][row]) & (a["status"] == PROSPECT) & ~a["deleted"] & (a["twin"] < 0) & (a.rows < row)
    )
    originals = day.pick("entered twice", np.flatnonzero(same), 1)
    if len(originals):
        a.update(row, twin=originals[0], firm=a["firm"][originals[0]], place=a["place"][originals[0]])


def _invite(day: Day) -> None:
    """Contacts are invited to campaigns of their brand."""
    company, c, m = day.company, day.company.contacts, day.company.members
    live = np.flatnonzero(~c["deleted"] & np.isnat(c["gone"]))
    for contact in day.pick("invited", live, day.count(4, at_least=2)):
        brand = company.accounts["brand"][c["account"][contact]]
        running = np.flatnonzero(
            (company.campaigns["brand"] == brand)
            & (company.campaigns["end"] > day.date)
            & (company.campaigns["start"] <= day.date)
        )
        running = np.setdiff1d(running, m["campaign"][m["contact"] == contact])
        chosen = day.pick(f"invited to {contact}", running, 1)
        _join(
            day,
            chosen,
            np.full(len(chosen), NONE),
            np.full(len(chosen), contact),
            day.office(f"invited {contact}", len(chosen)),
        )


def _join(day: Day, campaign: Indexes, lead: Indexes, contact: Indexes, stamps: Dates) -> None:
    company = day.company
    owner = np.where(lead >= 0, company.leads["owner"][lead], company.contacts["owner"][contact])
    company.members.append(
        len(campaign),
        campaign=campaign,
        lead=lead,
        contact=contact,
        status=0,
        owner=owner,
        created=stamps,
        modified=stamps,
        stamp=stamps,
    )
    day.credited.append(campaign)


def new_leads(day: Day) -> None:
    """Leads, most of them from a running campaign, of which they become members."""
    n = day.count(5, at_least=4)
    rows = add_leads(day, day.keys(n), day.office("new lead", n))
    from_campaign = rows[day.company.leads["campaign"][rows] >= 0]
    campaign = day.company.leads["campaign"][from_campaign].astype(np.int64)
    _join(
        day,
        campaign,
        from_campaign,
        np.full(len(campaign), NONE),
        day.company.leads["created"][from_campaign] + seconds(5),
    )


def add_leads(day: Day, keys: Indexes, stamps: Dates) -> Indexes:
    """New leads with the given creation stamps."""
    company, chance = day.company, day.company.chance
    brand = chance.weighted("lead brand", keys, _WEIGHTS)
    campaign = np.full(len(keys), NONE, np.int64)
    for position, one in enumerate(brand):
        running = np.flatnonzero(
            (company.campaigns["brand"] == one)
            & (company.campaigns["start"] <= day.date)
            & (company.campaigns["end"] > day.date)
        )
        if len(running) and chance.happens("from a campaign", keys[position : position + 1], 0.6)[0]:
            campaign[position] = running[chance.pick("lead campaign", keys[position : position + 1], len(running))[0]]
    return company.leads.append(
        len(keys),
        brand=brand,
        person=keys + STRANGER * 2,
        company=keys + STRANGER * 2,
        campaign=campaign,
        place=chance.weighted("lead place", keys, tuple(p.weight for p in PLACES)),
        owner=company.sellers("lead owner", keys, brand),
        created=stamps,
        modified=stamps,
        stamp=stamps,
        active_on=stamps.astype("M8[D]"),
    )


def conversions(day: Day) -> None:
    """Leads become an account, its primary contact and a deal, all in the same second."""
    company, x, chance = day.company, day.company.leads, day.company.chance
    usable = (
        (x["status"] <= WORKING) & (x["brand"] >= 0) & ~x["deleted"] & np.isnat(x["gone"]) & (x["created"] < day.start)
    )
    lead = day.pick("converted", np.flatnonzero(usable), day.count(1.5, at_least=2))
    stamps = day.office("converted", len(lead))
    brand, place = x["brand"][lead].astype(np.int64), x["place"][lead].astype(np.int64)
    account = add_accounts(company, brand, place, x["company"][lead], stamps)
    contact = add_contacts(company, account, stamps, primary=True, person=x["person"][lead])
    currency = PLACE_CURRENCY[place]
    campaign = x["campaign"][lead].astype(np.int64)
    campaign = np.where((campaign >= 0) & (company.campaigns["currency"][campaign] == currency), campaign, NONE)
    deal = add_deals(day, account, brand, NEW_BUSINESS, stamps, campaign=campaign, contact=contact)
    day.change(
        x, lead, stamps, status=CONVERTED, converted=stamps.astype("M8[D]"), account=account, contact=contact, deal=deal
    )
    day.credited += [campaign[campaign >= 0], x["campaign"][lead][x["campaign"][lead] >= 0].astype(np.int64)]
    offered = deal[chance.happens("has lines", deal, 0.6)]
    price(company, offered, stamps[np.searchsorted(deal, offered)] + seconds(240))


def add_deals(
    day: Day,
    account: Indexes,
    brand: Indexes,
    kind: int,
    stamps: Dates,
    *,
    campaign: Indexes | int = NONE,
    contact: Indexes | int = NONE,
) -> Indexes:
    """Open deals in the first stage, without an amount yet."""
    company, a = day.company, day.company.accounts
    keys = len(company.deals) + np.arange(len(account), dtype=np.int64)
    expected = day.date + company.chance.between("expected close", keys, 14, 120).astype("m8[D]")
    return company.deals.append(
        len(account),
        account=account,
        brand=brand,
        currency=PLACE_CURRENCY[a["place"][account]],
        kind=kind,
        stage=0,
        close=expected,
        priced=False,
        campaign=campaign,
        contact=contact,
        owner=company.sellers("deal owner", keys, brand),
        created=stamps,
        modified=stamps,
        stamp=stamps,
        active_on=stamps.astype("M8[D]"),
    )


def price(company: Company, deals: Indexes, stamps: Dates) -> None:
    """Give deals what they offer."""
    offer = drawn(company, deals)
    add_lines(company, offer, stamps[np.searchsorted(deals, offer.deal)])
    company.deals.update(deals, modified=stamps, stamp=stamps)
