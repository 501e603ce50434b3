"""AQuA, the aggregate query API: jobs of up to 50 queries that see one snapshot, and their result files."""

from __future__ import annotations

from sandbox.zuora.aqua.jobs import AquaJobs
from sandbox.zuora.aqua.request import JobRequest

__all__ = ["AquaJobs", "JobRequest"]
