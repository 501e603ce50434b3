"""The state of the business: one frame per kind of thing, the books, and the clock."""

from __future__ import annotations

import numpy as np

from sandbox.model.brands import SELLING
from sandbox.model.calendar import DAY_ONE
from sandbox.model.chance import Chance
from sandbox.model.codes import CANCELED, NEW, NEW_BUSINESS, NEW_LEAD, POSTED, PROCESSED, PROSPECT
from sandbox.model.frame import NO_DATE, NO_STAMP, NONE, Frame, Indexes
from sandbox.model.journal import Journal

_REF = ("i4", NONE)
_CODE = ("i1", NONE)
_DATE = ("M8[D]", NO_DATE)
_STAMP = ("M8[s]", NO_STAMP)
_CENTS = ("i8", 0)
_FLAG = ("?", False)
_CRM = {"owner": _REF, "created": _STAMP, "modified": _STAMP, "stamp": _STAMP, "deleted": _FLAG, "gone": _STAMP}
"""What every Salesforce row has; `gone` is when it was deleted for good."""


class Company:
    """Everything there is, as of `now`. Money is in integer cents, references are row indexes.

    Args:
        scale: 1.0 is the demo with about 1,200 Salesforce accounts.
        seed: equal seeds give equal companies.
    """

    def __init__(self, scale: float, seed: int) -> None:
        self.scale = scale
        self.chance = Chance(seed)
        self.now = DAY_ONE
        self.journal = Journal()
        self.users = Frame(
            brand=_CODE,
            role=_CODE,
            manager=_REF,
            active=("?", True),
            quota=_CENTS,
            created=_STAMP,
            stamp=_STAMP,
            gone=_STAMP,
        )
        self.accounts = Frame(
            firm=("i8", 0),
            brand=_CODE,
            other_brand=_CODE,
            place=("i2", 0),
            parent=_REF,
            status=("i1", PROSPECT),
            since=_DATE,
            active_on=_DATE,
            master=_REF,
            twin=_REF,
            **_CRM,
        )
        self.contacts = Frame(
            account=_REF, person=("i8", 0), primary=_FLAG, master=_REF, active_on=_DATE, opted_out=_FLAG, **_CRM
        )
        self.leads = Frame(
            brand=_CODE,
            person=("i8", 0),
            company=("i8", 0),
            place=("i2", 0),
            status=("i1", NEW_LEAD),
            converted=_DATE,
            account=_REF,
            contact=_REF,
            deal=_REF,
            campaign=_REF,
            active_on=_DATE,
            **_CRM,
        )
        self.campaigns = Frame(
            brand=_CODE, currency=("i1", 0), kind=("i1", 0), parent=_REF, start=_DATE, end=_DATE, budget=_CENTS, **_CRM
        )
        self.members = Frame(campaign=_REF, lead=_REF, contact=_REF, status=("i1", 0), responded=_DATE, **_CRM)
        self.deals = Frame(
            account=_REF,
            brand=_CODE,
            currency=("i1", 0),
            kind=("i1", NEW_BUSINESS),
            stage=("i1", 0),
            close=_DATE,
            amount=_CENTS,
            priced=("?", True),
            lines=("i2", 0),
            quantity=("i8", 0),
            arr=_CENTS,
            term=("i2", 12),
            campaign=_REF,
            contact=_REF,
            subscription=_REF,
            clone_of=_REF,
            pushes=("i2", 0),
            stage_changed=_STAMP,
            active_on=_DATE,
            **_CRM,
        )
        self.lines = Frame(
            deal=_REF,
            product=("i2", 0),
            quantity=("i8", 0),
            unit=("i8", 0),
            discount=("i2", 0),
            subtotal=_CENTS,
            total=_CENTS,
            order=("i1", 0),
            **_CRM,
        )
        self.billing_accounts = Frame(
            account=_REF,
            brand=_CODE,
            currency=("i1", 0),
            place=("i2", 0),
            cycle_day=("i1", 1),
            terms=("i2", 30),
            auto_pay=_FLAG,
            exempt=_FLAG,
            balance=_CENTS,
            mrr=_CENTS,
            last_invoice=_DATE,
            created=_STAMP,
            stamp=_STAMP,
            gone=_STAMP,
        )
        self.customers = Frame(
            billing_account=_REF,
            account=_REF,
            brand=_CODE,
            currency=("i1", 0),
            place=("i2", 0),
            created=_STAMP,
            stamp=_STAMP,
            gone=_STAMP,
        )
        self.subscriptions = Frame(
            billing_account=_REF,
            effective=_DATE,
            period=("i1", 1),
            auto_renew=("?", True),
            term=("i2", 12),
            latest=_REF,
            cancelled=_DATE,
            renewals=("i2", 0),
            first_bill=_DATE,
            created=_STAMP,
            synced=_STAMP,
            stamp=_STAMP,
            gone=_STAMP,
        )
        self.versions = Frame(
            subscription=_REF,
            number=("i2", 1),
            change=("i1", NEW),
            booked=_DATE,
            mrr=_CENTS,
            deal=_REF,
            previous=_REF,
            term_start=_DATE,
            term_end=_DATE,
            current_term=("i2", 12),
            cancelled=_DATE,
            latest=("?", True),
            created=_STAMP,
            stamp=_STAMP,
            gone=_STAMP,
        )
        self.plans = Frame(
            version=_REF,
            slot=("i1", 0),
            product=("i2", 0),
            quantity=("i8", 0),
            unit=("i8", 0),
            mrr=_CENTS,
            first=_REF,
            created=_STAMP,
            stamp=_STAMP,
            gone=_STAMP,
        )
        self.invoices = Frame(
            billing_account=_REF,
            subscription=_REF,
            date=_DATE,
            due=_DATE,
            service_start=_DATE,
            service_end=_DATE,
            net=_CENTS,
            tax=_CENTS,
            exempt=_CENTS,
            one_time=_FLAG,
            usage=_FLAG,
            status=("i1", POSTED),
            paid=_CENTS,
            refunded=_CENTS,
            closed=_DATE,
            posted=_STAMP,
            created=_STAMP,
            stamp=_STAMP,
            mirrored=_STAMP,
            mirror_stamp=_STAMP,
            gone=_STAMP,
        )
        self.payments = Frame(
            invoice=_REF,
            date=_DATE,
            amount=_CENTS,
            refunded=_CENTS,
            status=("i1", PROCESSED),
            created=_STAMP,
            stamp=_STAMP,
            mirrored=_STAMP,
            mirror_stamp=_STAMP,
            gone=_STAMP,
        )
        self.products = Frame(brand=_CODE, created=_STAMP, stamp=_STAMP, gone=_STAMP)
        self.deletions = Frame(customer=_REF, created=_STAMP, stamp=_STAMP, gone=_STAMP)

    @property
    def today(self) -> np.datetime64:
        """The date of `now`."""
        return self.now.astype("M8[D]")

    def settled(self) -> None:
        """Regard every row as known."""
        for frame in vars(self).values():
            if isinstance(frame, Frame):
                frame.settled()

    def count(self, at_scale_one: float, at_least: int = 1) -> int:
        """How many of something this company has, given how many the demo has."""
        return max(at_least, round(at_scale_one * self.scale))

    def firms(self, accounts: Indexes) -> Indexes:
        """The key of each account's company name."""
        return self.accounts["firm"][accounts]

    def sellers(self, purpose: str, keys: Indexes, brands: Indexes) -> Indexes:
        """A user of the brand (or of Corporate, for keys without a brand) per key."""
        out = np.zeros(len(keys), np.int64)
        active = self.users["active"]
        for brand in [NONE, *range(SELLING)]:
            mine = brands == brand
            if mine.any():
                staff = np.flatnonzero((self.users["brand"] == (SELLING if brand == NONE else brand)) & active)
                out[mine] = staff[self.chance.pick(purpose, keys[mine], len(staff))]
        return out

    def balance(self, invoices: Indexes) -> np.ndarray:
        """What is owed on posted and draft invoices, in cents. A refund is matched by a credit, so it owes nothing."""
        i = self.invoices
        owed = i["net"][invoices] + i["tax"][invoices] - i["paid"][invoices]
        return np.where(i["status"][invoices] == CANCELED, 0, owed)
