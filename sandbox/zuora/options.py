"""What a tenant's set-up decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass
class ZuoraOptions:
    """Fields may be changed while the server runs.

    Attributes:
        time_zone: the tenant's IANA zone: datetimes without offset are read in it, and shown in it unless a job says
            `dateTimeUtc`.
        header_style: CSV header when a job says `useQueryLabels`: `Id` or `Account.Id`; tenants differ.
        system_zone: Zuora's own zone.
        bare_midnights: a datetime at midnight in Zuora's own zone is printed as a bare date
            (docs.zuora.com, "Export ZOQL" under the datetime field behaviour).
        stateless_deletes: jobs without partner and project may ask for deleted rows; else they get error 90012.
        undeletable: objects of which no deleted rows can be had.
        refused: fields (`Payment.Gateway`) that are described, but that no query may name.
        judged: when a query that cannot be run is found out: the job is refused, or taken and the query aborted.
        jobs_at_once: jobs that may be submitted or executing; more are refused.
        segment_rows: a result of more rows comes in several files; None for always one.
        polls_until_done: how many status calls still say `executing`.
        aqua_allowed: False answers every job with 90009.
        data_query_allowed: False refuses every data query.
        data_queries_at_once: data queries that may be in progress; more get 429.
        hidden: objects (`Payment`) and fields (`Payment.Gateway`) without permission. A query on such an object is
            left out of the job without a word.
        requests_per_minute: API calls of the tenant; more get 429 with Retry-After.
    """

    time_zone: str = "America/Los_Angeles"
    header_style: Literal["plain", "prefixed"] = "plain"
    system_zone: str = "America/Los_Angeles"
    bare_midnights: bool = True
    stateless_deletes: bool = True
    undeletable: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    judged: Literal["on submission", "when run"] = "on submission"
    jobs_at_once: int = 50
    segment_rows: int | None = 500_000
    polls_until_done: int = 0
    aqua_allowed: bool = True
    data_query_allowed: bool = True
    data_queries_at_once: int = 5
    hidden: frozenset[str] = frozenset()
    requests_per_minute: int = 50_000
