"""Usage of the sending platforms by account and day, as the products deliver it: one file per platform and day."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.contract import DataType, load_contract
from sandbox.model.arrow import digits, join
from sandbox.model.brands import BRANDS, CHEETAH, CM, EMMA, SAIL
from sandbox.model.calendar import at, days, month_of
from sandbox.model.company import Company
from sandbox.model.frame import Indexes
from sandbox.model.tables.zuora import account_numbers

HISTORY_DAYS = 45
ARRIVAL = 3 * 3600 + 900
"""When a day's file arrives on the next day, in seconds after midnight UTC."""


@dataclass(frozen=True)
class Feed:
    """One platform's files. `guest` is another brand some of whose accounts send through this platform."""

    name: str
    table: str
    brand: int
    guest: int
    suffix: str
    measures: tuple[str, ...]
    plans: tuple[str | None, ...]

    def key(self, day: np.datetime64) -> str:
        """The object key of a day's file."""
        return f"{self.name}/usage/dt={day}/{self.name}_usage_{day}.{self.suffix}"


FEEDS = (
    Feed(
        "cm",
        "s3_cm_usage_data",
        CM,
        CHEETAH,
        "csv.gz",
        ("emails_sent", "emails_delivered"),
        ("lite", "essentials", "premier", None),
    ),
    Feed(
        "emma",
        "s3_emma_usage_data",
        EMMA,
        SAIL,
        "jsonl.gz",
        ("mailings_sent", "emails_sent", "emails_delivered"),
        ("Pro", "Teams", "Corporate", None),
    ),
)


@dataclass(frozen=True)
class Delivery:
    """What a file holds: the accounts in it, and how often each account's numbers were corrected."""

    feed: Feed
    day: np.datetime64
    arrived: np.datetime64
    accounts: Indexes
    corrections: np.ndarray


class Usage:
    """All deliveries, and the books they add up to."""

    def __init__(self, company: Company) -> None:
        self._company = company
        self._deliveries: dict[str, Delivery] = {}

    def deliver_history(self) -> None:
        """The files of the last weeks before the first day."""
        for day in np.arange(self._company.today - days(HISTORY_DAYS), self._company.today):
            self.deliver(day)

    def deliver(self, day: np.datetime64) -> list[str]:
        """Each platform's file of one day. Returns the keys."""
        keys: list[str] = []
        for feed in FEEDS:
            accounts = self._senders(feed, day)
            delivery = Delivery(feed, day, at(day + days(1), ARRIVAL), accounts, np.zeros(len(accounts), np.int64))
            self._deliveries[feed.key(day)] = delivery
            self._post(delivery, +1)
            keys.append(feed.key(day))
        return keys

    def redeliver(self, key: str, arrived: np.datetime64) -> None:
        """Deliver a file again: about a third of its accounts with corrected numbers, and one account gone."""
        old = self._deliveries[key]
        chance, purpose = self._company.chance, f"correction {arrived}"
        kept = old.accounts != self._company.chance.sample(f"gone {purpose}", old.accounts, 1)
        accounts, corrections = old.accounts[kept], old.corrections[kept].copy()
        corrected = chance.happens(purpose, accounts, 0.35)
        corrected[:1] = True
        corrections[corrected] += 1
        new = replace(old, arrived=arrived, accounts=accounts, corrections=corrections)
        self._post(old, -1)
        self._post(new, +1)
        self._deliveries[key] = new

    def keys(self, since: np.datetime64 | None = None) -> list[str]:
        """The keys of all files, or of those for days from `since` on, sorted."""
        return sorted(key for key, d in self._deliveries.items() if since is None or d.day >= since)

    def arrived(self, key: str) -> np.datetime64:
        """When the file's latest delivery arrived."""
        return self._deliveries[key].arrived

    def body(self, key: str) -> bytes:
        """The file as gzip, without a time stamp inside: equal content gives equal bytes."""
        delivery = self._deliveries[key]
        columns = load_contract().table(delivery.feed.table).columns
        values = self._columns(delivery)
        write = _csv if delivery.feed.suffix == "csv.gz" else _json_lines
        return gzip.compress(write(columns, values).encode(), compresslevel=6, mtime=0)

    def _senders(self, feed: Feed, day: np.datetime64) -> Indexes:
        s, b, chance = self._company.subscriptions, self._company.billing_accounts, self._company.chance
        in_force = (s["effective"] <= day) & ~(s["cancelled"] <= day)
        active = np.zeros(len(b), bool)
        active[s["billing_account"][in_force]] = True
        here = (b["brand"] == feed.brand) | ((b["brand"] == feed.guest) & chance.happens("guest", b.rows, 0.15))
        weekend = int(day.astype("M8[D]").astype(int) + 3) % 7 >= 5
        return np.flatnonzero(active & here & chance.happens(f"sends {day}", b.rows, 0.45 if weekend else 0.85))

    def _numbers(self, delivery: Delivery) -> dict[str, np.ndarray]:
        chance = self._company.chance
        owner = delivery.accounts.astype(np.int64)
        keys = (owner << 20) + delivery.day.astype("M8[D]").astype(np.int64) + (delivery.corrections << 50)
        size = np.exp(chance.uniform("list size", owner) * 4.5 + 5.5)
        mailings = chance.between("mailings", keys, 1, 4)
        sent = (size * mailings * (0.4 + 0.6 * chance.uniform("reach", keys))).astype(np.int64) + 1
        hard, soft = sent * chance.pick("hard", keys, 12) // 1000, sent * chance.pick("soft", keys, 25) // 1000
        delivered = sent - hard - soft
        opens = delivered * chance.between("opens", keys, 80, 450) // 1000
        return {
            "mailings_sent": mailings,
            "campaigns_sent": mailings,
            "emails_sent": sent,
            "emails_delivered": delivered,
            "hard_bounces": hard,
            "soft_bounces": soft,
            "bounces": hard + soft,
            "unique_opens": opens,
            "opens": opens * 13 // 10,
            "unique_clicks": opens * chance.between("clicks", keys, 20, 250) // 1000,
            "clicks": opens * chance.between("clicks", keys, 25, 300) // 1000,
            "unsubscribes": delivered // 900,
            "opt_outs": delivered // 900,
            "spam_complaints": delivered // 25_000,
            "complaints": delivered // 25_000,
            "automations_triggered": chance.pick("automations", keys, 60),
            "automations_active": chance.pick("active automations", owner, 12),
            "active_subscribers": size.astype(np.int64) * 2,
            "active_contacts": size.astype(np.int64) * 2,
            "list_count": chance.between("lists", owner, 1, 40),
            "audience_count": chance.between("lists", owner, 1, 25),
            "api_calls": chance.pick("api calls", keys, 4000),
        }

    def _columns(self, delivery: Delivery) -> dict[str, pa.Array]:
        """Every column as text; NULL where the product does not know it."""
        chance, b = self._company.chance, self._company.billing_accounts
        owner = delivery.accounts.astype(np.int64)
        keys = (owner << 20) + delivery.day.astype("M8[D]").astype(np.int64)
        plan = chance.weighted("usage plan", owner, (0.5, 0.3, 0.17, 0.03))
        last = at(delivery.day, chance.pick("last event", keys, 86_400))
        codes = pa.array([brand.code for brand in BRANDS])
        storage = _decimal_text(chance.between("storage", keys, 500, 900_000))
        overage = _decimal_text(
            np.where(chance.happens("overage", keys, 0.04), chance.between("overage amount", keys, 50, 20_000), 0)
        )
        plans = pa.array(delivery.feed.plans, pa.string()).take(pa.array(plan))
        text = {name: digits(values) for name, values in self._numbers(delivery).items()}
        return text | {
            "usage_date": pa.repeat(str(delivery.day), len(owner)),
            "account_number": account_numbers(owner),
            "brand_code": codes.take(pa.array(b["brand"][owner].astype(int))),
            "plan_code": plans,
            "plan_tier": plans,
            "overage_amount": overage,
            "storage_mb": pc.if_else(
                pa.array(chance.happens("storage unknown", keys, 0.05)), pa.scalar(None, pa.string()), storage
            ),
            "last_event_at": pc.strftime(pa.array(last.astype(np.int64)).cast(pa.timestamp("s")), "%Y-%m-%dT%H:%M:%SZ"),
        }

    def _post(self, delivery: Delivery, sign: int) -> None:
        numbers = self._numbers(delivery)
        brands = self._company.billing_accounts["brand"][delivery.accounts]
        month: date = month_of(delivery.day).item()
        for brand in (delivery.feed.brand, delivery.feed.guest):
            mine = brands == brand
            for measure in delivery.feed.measures:
                self._company.journal.post_usage(brand, month, measure, sign * int(numbers[measure][mine].sum()))


def _decimal_text(cents: np.ndarray) -> pa.Array:
    return join(digits(cents // 100), ".", digits(cents % 100, 2))


def _csv(columns: Any, values: dict[str, pa.Array]) -> str:
    cells = [pc.fill_null(values[c.field], "") for c in columns]
    lines = pc.binary_join_element_wise(*cells, ",").to_pylist()
    return "\n".join([",".join(c.field for c in columns), *lines, ""])


def _json_lines(columns: Any, values: dict[str, pa.Array]) -> str:
    cells = []
    for c in columns:
        bare = c.type in (DataType.INT64, DataType.NUMERIC)
        cells.append(join(f'"{c.field}":', values[c.field]) if bare else join(f'"{c.field}":"', values[c.field], '"'))
    bodies = pc.binary_join_element_wise(*cells, ",", null_handling="skip")
    return "\n".join([*join("{", bodies, "}").to_pylist(), ""])
