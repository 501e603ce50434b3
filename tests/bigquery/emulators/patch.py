"""Edits to local-bigquery 0.4.0 (MIT): it runs on Python 3.11 and serves dbt-bigquery.

Each edit names its reason and replaces a text that must be there exactly once, so that another release is refused
rather than half changed. Run by the emulators' own interpreter: `python patch.py`.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass
from pathlib import Path

RELEASE = "0.4.0"
BRACKETS = "Python 3.11 has no type parameters in brackets"
CATALOG = "DuckDB's own lists go through all tables of all projects: seconds for each query, after some tests"
SECRET = "DuckDB refuses one of two CREATE SECRET IF NOT EXISTS at the same time, and with it a load job"
QUOTES = "Python 3.11 has no quotes of the same kind inside an f-string"


@dataclass(frozen=True)
class Edit:
    """One replacement in one file of the package."""

    file: str
    why: str
    old: str
    new: str
    times: int = 1

    def apply(self, package: Path) -> None:
        """Rewrite the file. Raises SystemExit when the text is not there as often as expected."""
        path = package / self.file
        text = path.read_text()
        if text.count(self.old) != self.times:
            raise SystemExit(f"local-bigquery: {self.file} has not what is to be changed ({self.why}): {self.old!r}")
        path.write_text(text.replace(self.old, self.new))


EDITS = (
    Edit(
        "catalog/metadata.py",
        BRACKETS,
        "[R: Resource](",
        "(",
        times=3,
    ),
    Edit(
        "catalog/metadata.py",
        BRACKETS,
        "\nclass Index(Resource):",
        '\nR = typing.TypeVar("R", bound=Resource)\n\n\nclass Index(Resource):',
    ),
    Edit(
        "catalog/metadata.py",
        BRACKETS,
        "import time\n",
        "import time\nimport typing\n",
    ),
    Edit(
        "engine/results.py",
        QUOTES,
        """error('{message.replace("'", "''")}')""",
        """error('{message}')""",
    ),
    Edit(
        "engine/results.py",
        QUOTES,
        'error in writing field {column}"\n',
        'error in writing field {column}".replace("\'", "\'\'")\n',
    ),
    Edit(
        "jobs/merge.py",
        "a MERGE inside BEGIN TRANSACTION: a second BEGIN would abort the first",
        """    try:
        cur.execute("BEGIN")
        owned = True
    except duckdb.TransactionException:
        owned = False
""",
        """    owned = not context.settings.get("in_transaction")
    if owned:
        cur.execute("BEGIN")
""",
    ),
    Edit(
        "jobs/query.py",
        "a MERGE inside BEGIN TRANSACTION has to know of it",
        "    statistics = _ddl(tree, context) if isinstance(tree, DDL) else JobStatistics2()\n",
        """    if isinstance(tree, (exp.Transaction, exp.Commit, exp.Rollback)):
        context.settings["in_transaction"] = isinstance(tree, exp.Transaction)
    statistics = _ddl(tree, context) if isinstance(tree, DDL) else JobStatistics2()
""",
    ),
    Edit(
        "errors.py",
        "of two transactions that change one table BigQuery aborts one in these words; a client may try again",
        '    first = message.split("\\n")[0]\n    line, column = _position(message)\n',
        """    first = message.split("\\n")[0]
    line, column = _position(message)
    aborted = ("Failed to commit", "Transaction conflict", "Conflict on update", "violates primary key constraint")
    if any(words in first for words in aborted):
        return BigQueryError("backendError", "Transaction is aborted due to concurrent update against a table")
""",
    ),
    Edit(
        "errors.py",
        "the status of what a client may try again",
        '    "dontRetry": (500, "INTERNAL"),\n',
        '    "dontRetry": (500, "INTERNAL"),\n    "backendError": (503, "UNAVAILABLE"),\n',
    ),
    Edit(
        "jobs/query.py",
        "dbt reads the job's destination after CREATE TABLE AS SELECT",
        "    if not scripted:\n        return (children[0] if children else JobStatistics2()), [], result\n",
        """    if not scripted:
        only = children[0] if children else JobStatistics2()
        if only.statementType == "CREATE_TABLE_AS_SELECT" and only.ddlTargetTable:
            result = only.ddlTargetTable
        return only, [], result
""",
    ),
    Edit(
        "engine/database.py",
        CATALOG,
        ") -> list[tuple[str, str, int]]:\n    return fetch(\n",
        """) -> list[tuple[str, str, int]]:
    if project_id == "emulator" and table_id:
        try:
            [(rows,)] = fetch(f"SELECT count(*) FROM {quote(project_id, dataset_id, table_id)}")
        except duckdb.CatalogException:
            return []
        return [(table_id, "TABLE", rows)]
    if project_id in _attached:
        of = quote(f"__ducklake_metadata_{project_id}")
        here = (
            f"JOIN {of}.ducklake_schema AS s ON s.schema_id = o.schema_id AND s.end_snapshot IS NULL "
            "AND s.schema_name = $1"
        )
        return fetch(
            f"SELECT o.table_name, 'TABLE', coalesce(n.record_count, 0)::BIGINT FROM {of}.ducklake_table AS o {here} "
            f"LEFT JOIN {of}.ducklake_table_stats AS n ON n.table_id = o.table_id "
            "WHERE o.end_snapshot IS NULL AND o.table_name = coalesce($2, o.table_name) "
            f"UNION ALL SELECT o.view_name, 'VIEW', 0 FROM {of}.ducklake_view AS o {here} "
            "WHERE o.end_snapshot IS NULL AND o.view_name = coalesce($2, o.view_name) ORDER BY 1",
            [dataset_id, table_id],
        )
    return fetch(
""",
    ),
    Edit(
        "catalog/datasets.py",
        CATALOG,
        "def exists(project_id: str, dataset_id: str) -> bool:\n",
        """def exists(project_id: str, dataset_id: str) -> bool:
    if project_id in database._attached:
        return bool(
            database.fetch(
                f"SELECT 1 FROM {quote(f'__ducklake_metadata_{project_id}')}.ducklake_schema "
                "WHERE end_snapshot IS NULL AND schema_name = ?",
                [dataset_id],
            )
        )
""",
    ),
    Edit(
        "catalog/tables.py",
        CATALOG,
        """    required = database.fetch(
        "SELECT column_name FROM duckdb_columns() WHERE database_name = ? "
        "AND schema_name = ? AND table_name = ? AND NOT is_nullable",
        list(physical(project_id, dataset_id, table_id)),
    )
    required = {column for (column,) in required}
    with database.cursor() as cur:
        try:
""",
        """    with database.cursor() as cur:
        try:
            described = f"SELECT column_name FROM (DESCRIBE {table}) WHERE \\"null\\" = 'NO'"
            required = {column for (column,) in cur.execute(described).fetchall()}
""",
    ),
    Edit(
        "sql/rules/partitions.py",
        CATALOG,
        """    return bool(
        database.fetch(
            "SELECT 1 FROM duckdb_columns() WHERE database_name = ? AND schema_name = ? "
            "AND table_name = ? AND column_name = ?",
            [table.catalog, table.db, table.name, tables.INGESTION_TIME],
        )
    )
""",
        """    with database.cursor() as cur:
        try:
            return tables.INGESTION_TIME in cur.sql(f"SELECT * FROM {table_name(table)} LIMIT 0").columns
        except Exception:
            return False


def table_name(table: exp.Table) -> str:
    return database.quote(table.catalog, table.db, table.name)
""",
    ),
    Edit(
        "jobs/query.py",
        CATALOG,
        """    temporary = cur.sql("SELECT table_name FROM duckdb_tables() WHERE temporary")
""",
        """    listed = "SELECT table_name FROM duckdb_tables() WHERE temporary" if session else "SELECT '' LIMIT 0"
    temporary = cur.sql(listed)
""",
    ),
    Edit(
        "jobs/query.py",
        "a query for every description of a column is a sixth of all the work",
        "    def evaluate(node: exp.Expression):\n",
        """    def evaluate(node: exp.Expression):
        if isinstance(node, exp.Literal) and node.is_string:
            return node.this
""",
    ),
    Edit(
        "jobs/storage.py",
        SECRET,
        "import re\n",
        "import re\nimport threading\n",
    ),
    Edit(
        "jobs/storage.py",
        SECRET,
        "def paths(cur: duckdb.DuckDBPyConnection, uri: str) -> list[str]:\n",
        """_creating = threading.Lock()


def paths(cur: duckdb.DuckDBPyConnection, uri: str) -> list[str]:
""",
    ),
    Edit(
        "jobs/storage.py",
        SECRET,
        """    cur.execute(
        "CREATE SECRET IF NOT EXISTS gcs_emulator (TYPE gcs, KEY_ID '', SECRET '', "
        f"ENDPOINT {literal(host.netloc)}, URL_STYLE 'path', "
        f"USE_SSL {str(host.scheme == 'https').lower()})"
    )
""",
        """    with _creating:
        cur.execute(
            "CREATE SECRET IF NOT EXISTS gcs_emulator (TYPE gcs, KEY_ID '', SECRET '', "
            f"ENDPOINT {literal(host.netloc)}, URL_STYLE 'path', "
            f"USE_SSL {str(host.scheme == 'https').lower()})"
        )
""",
    ),
    Edit(
        "sql/script.py",
        "dbt's insert_overwrite assigns a list of variables at once: SET (a, b) = (SELECT AS STRUCT ...)",
        "            target, value = item.this.this, item.this.expression\n",
        """            target, value = item.this.this, item.this.expression
            if isinstance(target, (exp.Tuple, exp.Paren)):
                variables = target.expressions if isinstance(target, exp.Tuple) else [target.this]
                query = value.this if isinstance(value, (exp.Subquery, exp.Paren)) else value
                if isinstance(query, exp.Select):
                    for variable, column in zip(variables, query.expressions):
                        one = query.copy()
                        one.set("kind", None)
                        one.set("expressions", [(column.this if isinstance(column, exp.Alias) else column).copy()])
                        self.assign(self.variable(variable.name), exp.Subquery(this=one))
                    continue
""",
    ),
)


def main() -> None:
    """Change the installed package."""
    found = importlib.metadata.version("local-bigquery")
    if found != RELEASE:
        raise SystemExit(f"local-bigquery {found} is installed; these edits are for {RELEASE}")
    spec = importlib.util.find_spec("local_bigquery")
    assert spec is not None and spec.origin is not None
    for edit in EDITS:
        edit.apply(Path(spec.origin).parent)


if __name__ == "__main__":
    main()
