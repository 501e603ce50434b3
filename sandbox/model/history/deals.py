"""Opportunities of the past: won with each contract, lost, or still open."""

from __future__ import annotations

import numpy as np

from sandbox.model.calendar import days, seconds
from sandbox.model.codes import (
    EXPANSION,
    LOST,
    NEW,
    NEW_BUSINESS,
    PLACE_CURRENCY,
    PROSPECT,
    RENEWAL,
    RENEWAL_DEAL,
    UPGRADE,
    WON,
)
from sandbox.model.company import Company
from sandbox.model.frame import NO_STAMP, NONE, Indexes
from sandbox.model.history.stamps import changed_since
from sandbox.model.operations.deals import (
    Offer,
    add_lines,
    clone_deals,
    deal_campaigns,
    delete_deals,
    drawn,
    primary_contacts,
    sold,
)


def deals(company: Company) -> None:
    """All deals in order of creation, with line items, credited campaigns, and the bookings they brought."""
    version = np.flatnonzero(np.isin(company.versions["change"], (NEW, UPGRADE, RENEWAL)))
    won = _won(company, version)
    other = _others(company)
    columns = {name: np.concatenate([won[name], other[name]]) for name in won}
    order = np.argsort(columns["created"], kind="stable")
    rows = company.deals.append(len(order), **{name: values[order] for name, values in columns.items()})
    place = np.empty(len(order), np.int64)
    place[order] = rows
    _tie_versions(company, version, place[: len(version)])
    _price(company, version, place[: len(version)], place[len(version) :])
    _post_bookings(company, place[: len(version)])
    _entered_twice(company, place[: len(version)])


def _won(company: Company, version: Indexes) -> dict[str, np.ndarray]:
    v, s, b, chance = company.versions, company.subscriptions, company.billing_accounts, company.chance
    owner = s["billing_account"][v["subscription"][version]]
    account, brand = b["account"][owner].astype(np.int64), b["brand"][owner]
    closed = v["created"][version] - seconds(1800)
    wanted = closed - days(chance.between("time to close", version, 4, 80))
    created = np.maximum(wanted, company.accounts["created"][account] + seconds(120))
    kind = np.select(
        [v["change"][version] == NEW, v["change"][version] == UPGRADE], [NEW_BUSINESS, EXPANSION], RENEWAL_DEAL
    )
    return _common(
        company, version * 2, account=account, brand=brand, currency=b["currency"][owner], created=created
    ) | {
        "kind": kind,
        "stage": np.full(len(version), WON),
        "close": closed.astype("M8[D]"),
        "stage_changed": closed,
        "modified": closed,
        "subscription": v["subscription"][version].astype(np.int64),
        "term": v["current_term"][version],
        "stamp": np.maximum(closed, changed_since(company, "won deal", version, closed)[1]),
    }


def _others(company: Company) -> dict[str, np.ndarray]:
    """Lost and open deals on accounts of a known brand."""
    a, chance = company.accounts, company.chance
    usable = np.flatnonzero((a["brand"] >= 0) & (a["created"] < company.now - days(6)))
    n = company.count(1250)
    keys = np.arange(n, dtype=np.int64)
    account = usable[chance.pick("deal account", keys, len(usable))]
    brand = np.where(
        (a["other_brand"][account] >= 0) & chance.happens("deal for other brand", keys, 0.4),
        a["other_brand"][account],
        a["brand"][account],
    )
    lost = chance.happens("deal lost", keys, 0.66)
    age = (company.now - a["created"][account]).astype(np.int64) - 86_400
    reach = np.where(lost, age, np.minimum(age, 86_400 * 150))
    created = company.now - seconds(86_400 + (chance.uniform("deal age", keys) * (reach - 3600)).astype(np.int64))
    length = days(chance.between("lost after", keys, 5, 120)).astype("m8[s]")
    closed = np.minimum(created + length, company.now - seconds(7200 + chance.pick("lost hour", keys, 14_000)))
    due = company.today + days(chance.between("expected close", keys, -6, 130))
    stage = np.where(lost, LOST, chance.weighted("open stage", keys, (0.3, 0.3, 0.22, 0.18)))
    moved = created + seconds(
        (chance.uniform("stage moved", keys) * ((company.now - created).astype(np.int64) - 3600)).astype(np.int64)
    )
    changed = np.where(lost, closed, np.where(stage == 0, NO_STAMP, moved))
    modified = np.where(np.isnat(changed), created, changed)
    return _common(
        company,
        keys * 2 + 1,
        account=account,
        brand=brand,
        currency=PLACE_CURRENCY[a["place"][account]],
        created=created,
    ) | {
        "kind": np.where(a["status"][account] == PROSPECT, NEW_BUSINESS, EXPANSION),
        "stage": stage,
        "close": np.where(lost, closed.astype("M8[D]"), due),
        "stage_changed": changed,
        "modified": modified,
        "subscription": np.full(n, NONE),
        "term": np.full(n, 12),
        "stamp": np.maximum(modified, changed_since(company, "deal", keys, modified)[1]),
    }


def _common(
    company: Company, keys: Indexes, *, account: Indexes, brand: np.ndarray, currency: np.ndarray, created: np.ndarray
) -> dict[str, np.ndarray]:
    contact = primary_contacts(company, account)
    known = contact >= 0
    known[known] &= company.contacts["created"][contact[known]] <= created[known]
    return {
        "account": account,
        "brand": brand,
        "currency": currency,
        "created": created,
        "contact": np.where(known, contact, NONE),
        "owner": company.sellers("deal owner", keys, brand),
        "campaign": deal_campaigns(company, "deal", keys=keys, brand=brand, currency=currency, created=created),
        "pushes": company.chance.weighted("pushes", keys, (0.6, 0.2, 0.12, 0.08)),
        "active_on": created.astype("M8[D]"),
    }


def _tie_versions(company: Company, version: Indexes, deal: Indexes) -> None:
    """Versions name the deal that made them; downgrades and cancellations keep the deal of the version before."""
    v = company.versions
    v.update(version, deal=deal)
    missing = np.flatnonzero(v["deal"] < 0)
    while len(missing):
        v.update(missing, deal=v["deal"][v["previous"][missing]])
        missing = np.flatnonzero(v["deal"] < 0)


def _price(company: Company, version: Indexes, won: Indexes, others: Indexes) -> None:
    d, chance = company.deals, company.chance
    offered = chance.happens("has lines", others, 0.88)
    both = zip(sold(company, version, won), drawn(company, others[offered]), strict=True)
    offer = Offer.ordered(*(np.concatenate(columns) for columns in both))
    add_lines(company, offer, d["created"][offer.deal] + seconds(300))
    bare = others[~offered]
    known = chance.happens("amount guessed", bare, 0.7)
    d.update(bare, amount=np.where(known, chance.between("guess", bare, 8, 400) * 25_000, 0), priced=known)
    d.update(bare, arr=d["amount"][bare])


def _post_bookings(company: Company, won: Indexes) -> None:
    d = company.deals
    company.journal.post("bookings", d["close"][won], d["brand"][won], d["currency"][won], d["amount"][won])


def _entered_twice(company: Company, won: Indexes) -> None:
    """A few won deals were cloned by mistake; the clone was found and deleted, so it never stays in the bookings."""
    old = won[company.deals["created"][won] < company.now - days(60)]
    chosen = company.chance.sample("cloned deal", old, company.count(4, at_least=2))
    clones = clone_deals(company, chosen, company.deals["stage_changed"][chosen] + seconds(600))
    gone = company.deals["created"][clones] + days(company.chance.between("clone found", clones, 1, 20))
    delete_deals(company, clones, gone, booked=False)
