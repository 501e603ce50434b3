"""One more day of business, from one 06:00 UTC to the next."""

from __future__ import annotations

from sandbox.model.company import Company
from sandbox.model.day import billing, cleanup, contracts, leads, pipeline, rollups
from sandbox.model.day.clock import Day


def run_day(company: Company) -> Day:
    """Move the company on by a day. Every kind of change happens at least once."""
    day = Day(company)
    leads.new_accounts(day)
    leads.new_leads(day)
    leads.conversions(day)
    pipeline.new_deals(day)
    pipeline.moves(day)
    contracts.wins(day)
    contracts.changes(day)
    pipeline.losses(day)
    billing.drafts(day)
    billing.bill_run(day)
    billing.collections(day)
    cleanup.merges(day)
    cleanup.deletions(day)
    cleanup.edits(day)
    rollups.roll_up(day)
    cleanup.late_rows(day)
    return day


__all__ = ["Day", "run_day"]
