"""Which modules are changed, and the tests that have to notice."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Module:
    """A module to be changed.

    Attributes:
        tests: files and folders, below the root; their slow tests are left out.
        sql: whether its texts are SQL, and changed too.
        only: class or function names that a place has to start with; empty for all.
    """

    path: str
    tests: tuple[str, ...]
    sql: bool = False
    only: tuple[str, ...] = ()


_C = "tests/connectors"
_WAREHOUSE = tuple(
    f"{_C}/warehouse/test_{t}.py"
    for t in (
        "merge", "merge_against_model", "absent_columns", "files", "files_against_model", "shared_rows", "keys",
        "replay", "quarantine", "conform",
    )
)  # fmt: skip
MODULES = (
    Module("connectors/window.py", (f"{_C}/test_window.py",)),
    Module("connectors/drift.py", (f"{_C}/test_drift.py",)),
    Module("connectors/batch.py", (f"{_C}/test_batch.py",)),
    Module("connectors/http.py", (f"{_C}/test_http.py",)),
    Module("connectors/answers.py", (f"{_C}/test_answers.py",)),
    Module("connectors/warehouse/merge.py", _WAREHOUSE, sql=True),
    Module("connectors/netsuite/ranges.py", (f"{_C}/netsuite/test_pages.py",)),
    Module("connectors/netsuite/pages.py", (f"{_C}/netsuite/test_pages.py",), only=("ProvenPages", "keys_of")),
    Module("connectors/zuora/csv_file.py", (f"{_C}/zuora/test_csv_file.py",)),
    Module("connectors/salesforce/pages.py", (f"{_C}/salesforce/test_pages.py",)),
    Module("connectors/salesforce/page.py", (f"{_C}/salesforce/test_page.py",)),
    Module("connectors/salesforce/result.py", (f"{_C}/salesforce/test_pages.py", f"{_C}/salesforce/test_bulk_jobs.py")),
    Module("connectors/salesforce/soql.py", (f"{_C}/salesforce/test_soql.py",)),
    Module("connectors/salesforce/deletes.py", (f"{_C}/salesforce/test_delete_log.py",)),
    Module("connectors/salesforce/bulk.py", (f"{_C}/salesforce/test_bulk_jobs.py",)),
    Module("connectors/salesforce/quota.py", (f"{_C}/salesforce/test_quota_counts.py",)),
    Module("connectors/zuora/download.py", (f"{_C}/zuora/test_download.py",)),
    Module("connectors/sync.py", (f"{_C}/test_sync.py",)),
    Module("connectors/lake/local.py", (f"{_C}/lake/test_local.py", f"{_C}/lake/test_local_disk.py")),
)
