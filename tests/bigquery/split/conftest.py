"""Google's analyzer, one process for these tests."""

from __future__ import annotations

from tests.bigquery.googlesql.conftest import google_sql

__all__ = ["google_sql"]
