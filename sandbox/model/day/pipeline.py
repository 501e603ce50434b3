"""Open deals: new ones, moves from stage to stage, losses."""

from __future__ import annotations

import numpy as np

from sandbox.model.calendar import days, seconds
from sandbox.model.codes import EXPANSION, LOST, NEW_BUSINESS, PLACE_CURRENCY, PROSPECT, WON
from sandbox.model.day.clock import Day
from sandbox.model.day.leads import add_deals, price
from sandbox.model.frame import Indexes
from sandbox.model.operations.deals import deal_campaigns, primary_contacts


def open_deals(day: Day) -> Indexes:
    """Deals that are open, older than today, and untouched today."""
    d = day.company.deals
    rows = np.flatnonzero((d["stage"] < WON) & ~d["deleted"] & np.isnat(d["gone"]) & (d["created"] < day.start))
    return day.untouched(d, rows)


def new_deals(day: Day) -> None:
    """Deals at existing accounts."""
    company, a = day.company, day.company.accounts
    usable = np.flatnonzero((a["brand"] >= 0) & ~a["deleted"] & (a["created"] < day.start))
    account = day.pick("new deal", usable, day.count(4, at_least=3))
    stamps = day.office("new deal", len(account))
    brand = a["brand"][account].astype(np.int64)
    kinds = np.where(a["status"][account] == PROSPECT, NEW_BUSINESS, EXPANSION)
    for kind in (NEW_BUSINESS, EXPANSION):
        some = kinds == kind
        campaign = deal_campaigns(
            company,
            f"deal {day.date}",
            keys=account[some],
            brand=brand[some],
            currency=PLACE_CURRENCY[a["place"][account[some]]],
            created=stamps[some],
        )
        deals = add_deals(
            day,
            account[some],
            brand[some],
            kind,
            stamps[some],
            campaign=campaign,
            contact=primary_contacts(company, account[some]),
        )
        day.credited.append(campaign[campaign >= 0])
        offered = company.chance.happens("has lines", deals, 0.75)
        price(company, deals[offered], stamps[some][offered] + seconds(600))


def moves(day: Day) -> None:
    """Deals advance a stage; some are pushed out instead."""
    d = day.company.deals
    early = np.intersect1d(open_deals(day), np.flatnonzero(d["stage"] < WON - 1))
    moved = day.pick("moved", early, day.count(7, at_least=4))
    stamps = day.office("moved", len(moved))
    day.change(d, moved, stamps, stage=d["stage"][moved] + 1, stage_changed=stamps, active_on=day.date)
    pushed = day.pick("pushed", open_deals(day), day.count(3, at_least=2))
    stamps = day.office("pushed", len(pushed))
    day.change(
        d, pushed, stamps, pushes=d["pushes"][pushed] + 1, close=np.maximum(d["close"][pushed], day.date) + days(30)
    )


def losses(day: Day) -> None:
    """Deals are lost."""
    d = day.company.deals
    lost = day.pick("lost", open_deals(day), day.count(2, at_least=2))
    stamps = day.office("lost", len(lost))
    day.change(d, lost, stamps, stage=LOST, stage_changed=stamps, close=stamps.astype("M8[D]"))
    day.credited.append(d["campaign"][lost][d["campaign"][lost] >= 0].astype(np.int64))
