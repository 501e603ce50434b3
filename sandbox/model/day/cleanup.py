"""What people tidy up: duplicates merged, rows deleted, fields corrected; and transactions that commit late."""

from __future__ import annotations

import numpy as np

from sandbox.model.calendar import seconds
from sandbox.model.codes import CONVERTED, MEMBER_STATUS, RESPONDED, WON
from sandbox.model.day.clock import Day
from sandbox.model.day.leads import add_leads
from sandbox.model.frame import Indexes
from sandbox.model.operations.customers import add_lone_customers, lone_customer_candidates
from sandbox.model.operations.deals import delete_deals

LATE_BY = 1700
"""Seconds before the old now that a late row may be stamped: less than the connectors' overlap of 30 minutes."""


def merges(day: Day) -> None:
    """An account that was entered twice goes into the older one; its contacts and deals move."""
    company, a = day.company, day.company.accounts
    known = (a["twin"] >= 0) & ~a["deleted"] & (a["created"] < day.start) & (a["status"] == 0)
    losers = np.setdiff1d(
        np.flatnonzero(known), np.concatenate([company.billing_accounts["account"], company.customers["account"]])
    )
    losers = losers[~a["deleted"][a["twin"][losers]]]
    for loser in losers[: day.count(0.5)]:
        winner, stamp = int(a["twin"][loser]), day.office(f"merge {loser}", 1)[0]
        for frame in (company.contacts, company.deals, company.leads):
            mine = np.flatnonzero(frame["account"] == loser)
            day.change(frame, mine, stamp, account=winner)
        day.change(a, np.flatnonzero(a["parent"] == loser), stamp, parent=winner)
        day.change(a, np.array([winner]), stamp)
        day.change(a, np.array([loser]), stamp, deleted=True, master=winner)
        day.merged.append((int(loser), winner))


def deletions(day: Day) -> None:
    """Into the recycle bin go a contact, a lead, an open deal and a double; for good a contact, a lead, a customer."""
    company, d = day.company, day.company.deals
    for name, frame, free in (
        ("contact", company.contacts, _free_contacts(day)),
        ("lead", company.leads, _free_leads(day)),
    ):
        binned = day.pick(f"{name} deleted", free, day.count(1))
        day.change(frame, binned, day.office(f"{name} deleted", len(binned)), deleted=True)
        _remove_members(day, name, binned)
        member = company.members[name]
        lonely = np.setdiff1d(np.setdiff1d(free, binned), member)
        purged = day.pick(f"{name} purged", lonely, day.count(0.5))
        frame.update(purged, gone=day.office(f"{name} purged", len(purged)))
    stale = np.flatnonzero((d["stage"] < WON) & ~d["deleted"] & (d["created"] < day.start))
    stale = np.setdiff1d(day.untouched(d, stale), company.leads["deal"])
    binned = day.pick("deal deleted", stale, day.count(1))
    delete_deals(company, binned, day.office("deal deleted", len(binned)), booked=True)
    doubles = np.flatnonzero((d["clone_of"] >= 0) & ~d["deleted"] & (d["created"] < day.start))
    delete_deals(company, doubles, day.office("double deleted", len(doubles)), booked=True)
    day.credited.append(d["campaign"][binned][d["campaign"][binned] >= 0].astype(np.int64))
    _customers_without_transactions(day)


def _free_contacts(day: Day) -> Indexes:
    """Contacts nothing else points to."""
    company, c = day.company, day.company.contacts
    rows = np.flatnonzero(~c["deleted"] & np.isnat(c["gone"]) & ~c["primary"] & (c["created"] < day.start))
    return day.untouched(c, np.setdiff1d(rows, np.concatenate([company.deals["contact"], company.leads["contact"]])))


def _free_leads(day: Day) -> Indexes:
    """Leads that were not converted."""
    x = day.company.leads
    return day.untouched(
        x,
        np.flatnonzero((x["status"] < CONVERTED) & ~x["deleted"] & np.isnat(x["gone"]) & (x["created"] < day.start)),
    )


def _remove_members(day: Day, name: str, rows: Indexes) -> None:
    """Members go with their lead or contact."""
    members = day.company.members
    mine = np.flatnonzero(np.isin(members[name], rows) & ~members["deleted"])
    when = day.company.leads["stamp"] if name == "lead" else day.company.contacts["stamp"]
    day.change(members, mine, when[members[name][mine]], deleted=True)
    day.credited.append(members["campaign"][mine].astype(np.int64))


def _customers_without_transactions(day: Day) -> None:
    """NetSuite: customers entered by hand come, and go with a deleted-record note."""
    company, c = day.company, day.company.customers
    alone = np.flatnonzero((c["billing_account"] < 0) & np.isnat(c["gone"]) & (c["created"] < day.start))
    removed = day.pick("customer removed", alone, day.count(0.3))
    stamps = day.office("customer removed", len(removed))
    c.update(removed, gone=stamps)
    company.deletions.append(len(removed), customer=removed, created=stamps, stamp=stamps)
    account = day.pick("customer by hand", lone_customer_candidates(company), day.count(0.5))
    add_lone_customers(company, account, day.office("customer by hand", len(account)))


def edits(day: Day) -> None:
    """People change owners, contacts and leads, members answer, and a job touches many accounts in the same second."""
    company, a, x = day.company, day.company.accounts, day.company.leads
    live = day.untouched(a, np.flatnonzero(~a["deleted"] & (a["brand"] >= 0)))
    moved = day.pick("owner", live, day.count(4, at_least=3))
    owner = company.sellers(f"new owner {day.date}", moved, a["brand"][moved])
    day.change(a, moved, day.office("owner", len(moved)), owner=owner, active_on=day.date)
    contacts = _free_contacts(day)
    corrected = day.pick("contact edited", contacts, day.count(4, at_least=3))
    day.change(
        company.contacts,
        corrected,
        day.office("contact edited", len(corrected)),
        opted_out=~company.contacts["opted_out"][corrected],
        active_on=day.date,
    )
    worked = day.pick("lead worked", _free_leads(day), day.count(6, at_least=4))
    status = (x["status"][worked] + 1) % CONVERTED
    day.change(x, worked, day.office("lead worked", len(worked)), status=status, active_on=day.date)
    m = company.members
    silent = day.untouched(m, np.flatnonzero((m["status"] < RESPONDED) & ~m["deleted"]))
    answering = day.pick("answer", silent, day.count(3, at_least=2))
    day.change(m, answering, day.office("answer", len(answering)), status=len(MEMBER_STATUS) - 1, responded=day.date)
    day.credited.append(m["campaign"][answering].astype(np.int64))
    staff = day.pick("employee", np.flatnonzero(company.users["active"])[1:], 1)
    company.users.update(staff, stamp=day.office("employee", 1), quota=company.users["quota"][staff] + 500_000)
    enriched = day.pick("enriched", day.untouched(a, np.flatnonzero(~a["deleted"])), day.count(12, at_least=5))
    a.update(enriched, stamp=day.tonight(3 * 3600))


def late_rows(day: Day) -> None:
    """A long transaction commits only now: a new lead and a changed account carry stamps of before the old now."""
    company, a, chance = day.company, day.company.accounts, day.company.chance
    ago = chance.between(f"late {day.date}", np.arange(2), 60, LATE_BY)
    stamps = day.start - seconds(ago)
    lead = add_leads(day, day.keys(1) + (1 << 23), stamps[:1])
    company.leads.update(lead, campaign=-1)
    quiet = day.untouched(a, np.flatnonzero(~a["deleted"] & (a["stamp"] < stamps[1]) & (a["brand"] >= 0)))
    account = day.pick("late account", quiet, 1)
    owner = company.sellers(f"late owner {day.date}", account, a["brand"][account])
    day.change(a, account, stamps[1], owner=owner)
    day.late += [("leads", int(lead[0])), *(("accounts", int(row)) for row in account)]
