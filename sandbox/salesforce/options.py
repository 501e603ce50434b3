"""What a real org's edition and set-up decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class SalesforceOptions:
    """Limits and sizes of one org.

    Attributes:
        session_seconds: life of an access token, on the real clock.
        daily_api_requests: calls allowed; there is no way to get more within a sandbox's life.
        bulk_page_rows: rows of a result page when the client does not ask for fewer.
        bulk_workers: jobs that are worked on at once.
        share_results: equal bulk queries share one set of result files as long as the business clock stands.
            Only for callers that change the model by `advance` alone.
        gzip_ahead: compress result pages before a job is complete, not when they are first asked for.
        open_cursors: REST query cursors kept per user; the oldest goes first.
        latest_version: newest API version served.
    """

    session_seconds: float = 7200.0
    daily_api_requests: int = 100_000
    daily_bulk_query_jobs: int = 10_000
    daily_bulk_query_megabytes: int = 976_562
    bulk_page_rows: int = 50_000
    bulk_workers: int = 2
    share_results: bool = False
    gzip_ahead: bool = False
    open_cursors: int = 50
    unsupported_by_bulk: frozenset[str] = frozenset()
    """Objects that only REST can query."""
    hidden: frozenset[str] = frozenset()
    """Objects (`Lead`) and fields (`Account.Sic`) that field-level security keeps from the integration user."""
    picklists: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Values that a picklist (`Account.Type`) offers, as describe tells them."""
    unreplicated: frozenset[str] = frozenset()
    """Objects that `updated` and `deleted` do not serve."""
    most_rows_in_time: int | None = None
    """Queries for more rows than this time out: a bulk job fails, a REST query is refused."""
    replication_ids: int = 600_000
    """Most ids in one answer of `updated` and `deleted`."""
    longest_request: int = 16_384
    """Bytes of address and headers together."""
    latest_version: float = 68.0
