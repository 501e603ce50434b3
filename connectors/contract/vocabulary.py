"""The keys a contract file may use. What dbt allows and we do not read is listed too: anything else is a typo."""

from __future__ import annotations

FILE = {"version", "sources"}

SOURCE = {
    "name", "description", "schema", "config", "tables",
    "database", "loader", "quoting", "tags", "freshness", "loaded_at_field", "loaded_at_query", "data_tests",
}  # fmt: skip
SOURCE_CONFIG = {"enabled", "event_time", "freshness", "loaded_at_field", "loaded_at_query", "tags"}

TABLE = {
    "name", "description", "config", "columns",
    "identifier", "loader", "quoting", "tags", "freshness", "loaded_at_field", "loaded_at_query", "external",
    "data_tests",
}  # fmt: skip
TABLE_CONFIG = {*SOURCE_CONFIG, "meta"}
TABLE_META = {
    "object", "prefix", "format", "primary_key", "cursor", "deleted_flag", "filter", "partition_by", "cluster_by",
    "quality", "delimiter", "encoding", "complete_when", "expected", "after_load",
}  # fmt: skip
FILES_ONLY = ("prefix", "format", "delimiter", "encoding", "complete_when", "expected", "after_load")
"""Keys of a table's meta that have a meaning for file sources alone."""
COMPLETE_WHEN = ("marker", "manifest")
EXPECTED = {"every", "date", "grace_days", "gap_days"}
EVERY = ("day", "weekday")
AFTER_LOAD = {"archive", "days"}
PARTITION = {"column", "granularity"}
RULE = {"name", "expression"}

COLUMN = {"name", "data_type", "description", "config", "data_tests", "quote", "tags", "policy_tags"}
COLUMN_CONFIG = {"meta", "tags"}
COLUMN_META = {"field"}

FRESHNESS = {"warn_after", "error_after", "filter"}
AGE = {"count", "period"}
PERIODS = ("minute", "hour", "day")

GRANULARITIES = {"DATE": ("day", "month", "year"), "TIMESTAMP": ("hour", "day", "month", "year")}
"""What BigQuery can partition by, per column type."""
MOST_CLUSTER_COLUMNS = 4
FORMATS = ("csv", "jsonl", "parquet")
DELIMITERS = (",", ";", "|", "\t")
ENCODINGS = ("utf-8", "latin-1")
FILE_SOURCES = {"s3"}
"""Sources whose tables are files below a key prefix."""
SOURCES = ("salesforce", "netsuite", "zuora", "s3")


def field_name(source: str, column: str) -> str:
    """The source's name for a column, where the contract gives none: `account_id` is Salesforce's `AccountId`."""
    match source:
        case "salesforce" | "zuora":
            return "".join(part[:1].upper() + part[1:] for part in column.split("_"))
        case "netsuite":
            return column.replace("_", "")
        case _:
            return column
