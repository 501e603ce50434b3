"""ZOQL: a small parser, and its translation to DuckDB SQL."""

from __future__ import annotations

from sandbox.zuora.zoql.parse import parse
from sandbox.zuora.zoql.syntax import Query
from sandbox.zuora.zoql.translate import Dialect, Plan, translate

__all__ = ["Dialect", "Plan", "Query", "parse", "translate"]
