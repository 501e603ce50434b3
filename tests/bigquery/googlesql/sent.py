"""All that one project of the emulator was asked, put through Google's analyzer from the first job to the last.

The catalog knows a table from the load job that filled it, or from the statement that made it, as BigQuery would.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from google.cloud.bigquery import Client, LoadJob, QueryJob, SchemaField

from tests.bigquery.emulators import install
from tests.bigquery.googlesql.client import GoogleSql, Refused

PROJECT = "mg-dw-workbench"
"""The analyzer's default project, which a path without one means."""
_REST_NAMES = {"INTEGER": "INT64", "BOOLEAN": "BOOL", "FLOAT": "FLOAT64"}
_COMMENT = re.compile(r"^\s*/\*.*?\*/", re.DOTALL)
"""Says of which run a statement of dbt is."""
_OF_A_TABLE = (("table_catalog", "STRING"), ("table_schema", "STRING"), ("table_name", "STRING"))
_OF_EVERY_DATASET = {
    "__TABLES__": (
        ("project_id", "STRING"), ("dataset_id", "STRING"), ("table_id", "STRING"), ("creation_time", "INT64"),
        ("last_modified_time", "INT64"), ("row_count", "INT64"), ("size_bytes", "INT64"), ("type", "INT64"),
    ),
    "INFORMATION_SCHEMA.MATERIALIZED_VIEWS": _OF_A_TABLE,
    "INFORMATION_SCHEMA.TABLE_OPTIONS": (
        *_OF_A_TABLE, ("option_name", "STRING"), ("option_type", "STRING"), ("option_value", "STRING"),
    ),
    "INFORMATION_SCHEMA.COLUMNS": (
        *_OF_A_TABLE, ("column_name", "STRING"), ("ordinal_position", "INT64"), ("is_nullable", "STRING"),
        ("data_type", "STRING"), ("is_partitioning_column", "STRING"), ("clustering_ordinal_position", "INT64"),
    ),
    "INFORMATION_SCHEMA.COLUMN_FIELD_PATHS": (
        *_OF_A_TABLE, ("column_name", "STRING"), ("field_path", "STRING"), ("data_type", "STRING"),
        ("description", "STRING"),
    ),
}  # fmt: skip
"""BigQuery's own views, with what the BigQuery documentation says of the columns that dbt reads."""


@dataclass
class Answers:
    """What the analyzer said of a project's jobs.

    Attributes:
        kinds: how many statements there were of each kind, as the analyzer calls them.
        refused: statements that it refused, each with the reason.
        failed: why jobs failed when they ran. What such a job asked says nothing, and is not analyzed.
    """

    kinds: Counter[str] = field(default_factory=Counter[str])
    refused: dict[str, str] = field(default_factory=dict[str, str])
    failed: list[str] = field(default_factory=list[str])


def analyzed(client: Client, datasets: Iterable[str], *, but: str = "") -> Answers:
    """Analyze what the client's project was asked, in the order in which the jobs were created, each text once.

    Args:
        but: leave out jobs with this label `step`.
    """
    answers = Answers()
    known: set[str] = set()
    with GoogleSql(install.python()) as google_sql:
        for dataset, view in itertools.product(datasets, _OF_EVERY_DATASET):
            google_sql.table(f"{PROJECT}.{dataset}.{view}", _OF_EVERY_DATASET[view])
        for job in sorted(client.list_jobs(), key=lambda job: job.created):
            if job.error_result:
                answers.failed.append(job.error_result["message"])
            elif isinstance(job, LoadJob):
                to = f"{PROJECT}.{job.destination.dataset_id}.{job.destination.table_id}"
                google_sql.table(to, [(column.name, type_of(column)) for column in job.schema])
            elif isinstance(job, QueryJob) and not (but and job.labels.get("step") == but):
                sql = _COMMENT.sub("", str(job.query)).replace(client.project, PROJECT)
                if sql not in known:
                    known.add(sql)
                    _analyze(google_sql, sql, answers)
    return answers


def _analyze(google_sql: GoogleSql, sql: str, answers: Answers) -> None:
    try:
        answers.kinds.update(google_sql.kinds(sql))
    except Refused as refused:
        answers.refused[sql] = str(refused)


def type_of(column: SchemaField) -> str:
    """The column's type as it is written in SQL."""
    name = _REST_NAMES.get(column.field_type, column.field_type)
    return f"ARRAY<{name}>" if column.mode == "REPEATED" else name
