"""SOQL: parsed by a small grammar of its own and compiled to DuckDB SQL with bound values."""
