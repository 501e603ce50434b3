"""Three years of business up to the first day, in stages that build on each other."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.model.company import Company
from sandbox.model.history import billing, campaigns, contracts, customers, deals, people

STAGES: dict[str, Callable[[Company], None]] = {
    "users": customers.users,
    "products": customers.products,
    "accounts": customers.accounts,
    "campaigns": campaigns.campaigns,
    "contracts": contracts.contracts,
    "contacts": people.contacts,
    "deals": deals.deals,
    "leads": people.leads,
    "members": campaigns.members,
    "billing": billing.billing,
    "duplicates": customers.duplicates,
}
"""In the order in which they run; a stage may use everything before it."""


def fill(company: Company, last: str = "duplicates") -> None:
    """Run the stages up to and including `last`, and regard the result as settled."""
    for name, stage in STAGES.items():
        stage(company)
        if name == last:
            break
