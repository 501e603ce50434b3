"""The dialect lint: models may call only functions that both warehouses know and that mean the same in both.

What a macro of `dbt/macros/cross_db/` writes is another matter: it knows which warehouse it writes for. So the source
of a model is held to `COMMON`, and what comes out for a warehouse to that and what the macros write for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path

COMMON = {
    "cast", "coalesce", "concat", "count", "extract", "lag", "lead", "least", "lower", "max", "min", "row_number",
    "sum", "upper",
}  # fmt: skip
"""Functions that mean the same in both warehouses (`least` where no argument can be NULL)."""
WRITTEN_BY_MACROS = {
    "duckdb": {
        "chr", "date_diff", "date_trunc", "generate_series", "greatest", "isodow", "last_day", "md5",
        "nullif", "replace", "round", "series", "strftime", "string_agg", "string_split", "strpos", "trim", "unnest",
    },
    "bigquery": {
        "date_add", "date_diff", "date_trunc", "format_date", "generate_date_array", "greatest", "last_day", "md5",
        "mod", "replace", "round", "safe_divide", "split", "string_agg", "strpos", "to_hex", "trim",
        "unnest",
    },
}  # fmt: skip
"""Functions that the macros write, by warehouse."""
INSTEAD = {
    "date_trunc": "month_start, week_start or quarter_start (Monday is a week's first day only there)",
    "date_diff": "days_between (the order of its arguments differs)", "datediff": "days_between",
    "date_add": "next_month", "dateadd": "next_month", "date": "to_date", "last_day": "month_end",
    "strftime": "month_name, weekday_name or date_key", "format_date": "month_name, weekday_name or date_key",
    "isodow": "iso_weekday", "dayofweek": "iso_weekday", "weekday": "iso_weekday",
    "round": "cents or ratio (halves of floats go either way)", "safe_divide": "ratio",
    "greatest": "greatest_known (a NULL wins in BigQuery and loses in DuckDB)", "ifnull": "coalesce", "nvl": "coalesce",
    "trim": "trimmed (BigQuery trims tabs and line ends, too)", "strpos": "list_contains", "contains": "list_contains",
    "split": "split_list", "string_split": "split_list", "unnest": "split_list or date_spine",
    "generate_series": "date_spine", "generate_date_array": "date_spine",
    "string_agg": "joined_list", "listagg": "joined_list", "md5": "surrogate_key", "hash": "surrogate_key",
    "farm_fingerprint": "surrogate_key", "if": "case when", "iff": "case when",
}  # fmt: skip
"""What to write in the place of a function: a macro where there is one."""
_NOT_FUNCTIONS = {
    "as", "and", "or", "in", "on", "over", "by", "when", "then", "else", "select", "where", "not", "is", "from", "join",
    "exists", "using", "union", "all", "with", "filter", "values", "decimal", "numeric", "varchar",
}  # fmt: skip
_SILENT = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`", re.DOTALL)
_CALL = re.compile(r"\b([A-Za-z_]\w*)\s*\(|(::)")
_NAMED = re.compile(r"\b(\w+)\s+as\s+(?:not\s+materialized\s+)?\(", re.IGNORECASE)


@dataclass(frozen=True)
class Problem:
    """A function where it must not be."""

    path: Path
    line: int
    function: str

    def __str__(self) -> str:
        """`models/ods/ods_invoice.sql:12: date_trunc( …`, with what to write instead."""
        if self.function == "::":
            return f"{self.path}:{self.line}: `::` is DuckDB's alone. Write cast(… as …)."
        macro = INSTEAD.get(self.function)
        instead = (
            f"Write {macro}."
            if macro
            else "Add a macro to dbt/macros/cross_db/ with a test of what it answers on both."
        )
        return f"{self.path}:{self.line}: {self.function}( is not the same in both warehouses. {instead}"


def in_source(path: Path, text: str) -> list[Problem]:
    """Functions that a model's own text calls and that are not `COMMON`, in the order of their lines."""
    return [Problem(path, line, name) for name, line in _calls(text) if name not in COMMON]


def in_compiled(path: Path, text: str, warehouse: str) -> list[Problem]:
    """The same for what dbt made of a model or test for a warehouse: `duckdb` or `bigquery`."""
    allowed = COMMON | WRITTEN_BY_MACROS[warehouse]
    return [Problem(path, line, name) for name, line in _calls(text) if name not in allowed and name != "::"]


def functions(text: str) -> Set[str]:
    """Every function that the text calls."""
    return {name for name, _ in _calls(text)}


def _calls(text: str) -> Iterator[tuple[str, int]]:
    # Blanks in the place of what is no SQL keep the lines where they are.
    plain = _SILENT.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)
    named = {name.lower() for name in _NAMED.findall(plain)}
    for found in _CALL.finditer(plain):
        name = (found[1] or found[2]).lower()
        if name not in _NOT_FUNCTIONS | named:
            yield name, plain.count("\n", 0, found.start()) + 1
