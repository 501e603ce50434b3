"""SuiteQL: parsed by sqlglot, checked against the account's schema, written anew as DuckDB SQL."""

from __future__ import annotations

from sandbox.netsuite.suiteql.parse import parse
from sandbox.netsuite.suiteql.query import Query
from sandbox.netsuite.suiteql.session import Session
from sandbox.netsuite.suiteql.translate import translate

__all__ = ["Query", "Session", "parse", "translate"]
