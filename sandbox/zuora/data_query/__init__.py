"""Data Query: SQL queries (Trino's dialect), each a job whose result is a file at a presigned address."""

from __future__ import annotations

from sandbox.zuora.data_query.jobs import DataQueryJobs

__all__ = ["DataQueryJobs"]
