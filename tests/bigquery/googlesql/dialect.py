"""Which of GoogleSQL BigQuery understands: the analyzer knows the SQL of all of Google's products.

`UNKNOWN_TO_BIGQUERY` are the language features that are switched off, so that a statement that uses one is refused
here as it would be there. Source: the BigQuery documentation's GoogleSQL reference (query syntax, data types, DDL, DML,
procedural language), in which these do not occur.

What BigQuery refuses all the same, and the analyzer does not see:

- digits or a length in a CAST, such as `cast(x as numeric(38, 9))`: `script.py` finds them in the parsed tree;
- another case in the name of a dataset or table (names of columns have none): `server.py` compares them itself;
- partitioning by anything but DATE, DATE_TRUNC, TIMESTAMP_TRUNC, DATETIME_TRUNC or RANGE_BUCKET of one column, more
  than four clustering columns, types that cannot cluster, options that a table, view or column does not have;
- the variable of a FOR loop is not known here, though BigQuery knows it;
- a query without the filter that `require_partition_filter` asks for, a MERGE with two sources for one row, a NULL in
  a required column, a value out of range: only shown when the statement runs;
- quotas, sizes, permissions, regions, and whether a table is there.
"""

UNKNOWN_TO_BIGQUERY = frozenset(
    {
        "AGGREGATE_FILTERING",  # sum(x) filter (where …)
        "ALLOW_SLASH_PATHS",
        "BARE_ARRAY_ACCESS",  # a[1] without OFFSET or ORDINAL
        "BRACED_PROTO_CONSTRUCTORS",
        "CHECK_CONSTRAINT",
        "CREATE_TABLE_FIELD_ANNOTATIONS",
        "DML_RETURNING",  # insert … then return
        "ENABLE_MEASURES",
        "EXPERIMENTAL_MODULES",
        "EXTENDED_TYPES",
        "FIRST_AND_LAST_N",
        "FOR_UPDATE",
        "GENERATED_BY_DEFAULT",
        "GENERATED_COLUMNS",
        "IDENTITY_COLUMNS",
        "INSERT_ON_CONFLICT_CLAUSE",
        "LATERAL_COLUMN_REFERENCES",  # select a as b, b + 1
        "LATERAL_JOIN",
        "LIMIT_OFFSET_EXPRESSIONS",
        "LITERAL_CONCATENATION",  # 'a' 'b'
        "MAP_TYPE",
        "MULTILEVEL_AGGREGATION",  # sum(max(x) group by y)
        "MULTILEVEL_AGGREGATION_ON_UDAS",
        "MULTIWAY_UNNEST",
        "MULTI_GROUPING_SETS",
        "NESTED_UPDATE_DELETE_WITH_OFFSET",
        "STRUCT_POSITIONAL_ACCESSOR",
        "TIMESTAMP_NANOS",  # a TIMESTAMP has microseconds
        "TIMESTAMP_PICOS",
        "TIMESTAMP_PRECISION",
        "UUID_TYPE",
    }
)

SYSTEM_VARIABLES = {
    "dataset_id": "STRING",
    "dataset_project_id": "STRING",
    "error.message": "STRING",
    "error.statement_text": "STRING",
    "last_job_id": "STRING",
    "project_id": "STRING",
    "query_label": "STRING",
    "row_count": "INT64",
    "script.bytes_billed": "INT64",
    "script.bytes_processed": "INT64",
    "script.job_id": "STRING",
    "script.num_child_jobs": "INT64",
    "script.slot_ms": "INT64",
    "time_zone": "STRING",
    "transaction_id": "STRING",
}
"""BigQuery's system variables (`@@name`) that a script may read, with their types."""
