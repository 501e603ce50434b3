"""dbt in a process of its own: reads a JSON request a line, answers a JSON line; what dbt prints goes elsewhere.

Started by `split.dbt.process`; importing dbt takes seconds, so that one process serves all builds of a comparison.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import duckdb

from split.verify.data_set import quoted

PROFILE = "split"
_FILE = re.compile(r"\(([^()\s]+\.(?:sql|py|ya?ml|csv|md))\)|: ([^\s:()]+\.ya?ml)\b")
_LINE = re.compile(r"\bline (\d+)\b", re.IGNORECASE)
Reply = dict[str, Any]


def main() -> None:
    """Serve until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        reply = parse(request) if request["command"] == "parse" else build(request)
        answers.write(json.dumps(reply, default=str) + "\n")
        answers.flush()


def parse(request: Reply) -> Reply:
    """What the project has. A model that dbt cannot parse is set aside, and those that need it after it."""
    project = Path(request["project"])
    failures: list[Reply] = []
    _profile(request, [])
    while True:
        result = _dbt(request, "parse")
        if result.exception is None:
            return {"failures": failures, **_content(result.result)}
        failure = _parse_failure(str(result.exception))
        failures.append(failure)
        file = project / failure["path"]
        if not failure["path"].endswith((".sql", ".py")) or not file.is_file():
            return {"failures": failures, "nodes": [], "sources": [], "whole": False}
        file.unlink()  # of the copy


def build(request: Reply) -> Reply:
    """Give the sources their rows, build, and copy what was built into the results file, a table for each node."""
    home = Path(request["home"])
    databases = sorted({r["database"] for r in request["relations"].values()} - {"warehouse"})
    _profile(request, databases)
    with duckdb.connect() as connection:
        _attach(connection, home, databases)
        connection.execute(f"ATTACH '{request['input']}' AS given (READ_ONLY)")
        given = {row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        for name, place in request["sources"].items():
            if name in given:
                target = _made(connection, place)
                connection.execute(f"CREATE TABLE {target} AS FROM given.main.{quoted(name)}")
        for database, schema in {(r["database"], r["schema"]) for r in request["relations"].values()}:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(database)}.{quoted(schema)}")
    result = _dbt(request, *request["arguments"])
    if result.result is None:
        return {"failures": [_parse_failure(str(result.exception))], "compiled": {}}
    found = [_outcome(r) for r in result.result]
    compiled = {r.node.name: r.node.compiled_code for r in result.result if getattr(r.node, "compiled_code", None)}
    failures = [f for f in found if f is not None]
    with duckdb.connect(request["results"]) as connection:
        _attach(connection, home, databases)
        for name, place in request["relations"].items():
            relation = ".".join(quoted(place[part]) for part in ("database", "schema", "name"))
            if name not in request["sources"] and _exists(connection, place):
                connection.execute(f"CREATE TABLE {quoted(name)} AS FROM {relation}")
        for failure in failures:
            failure["message"] = _explained(connection, compiled.get(failure["model"]), failure["message"])
    return {"failures": failures, "compiled": compiled}


def _dbt(request: Reply, *arguments: str) -> Any:
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    home = request["home"]
    result = dbtRunner().invoke(
        [
            "--quiet", "--no-use-colors", "--no-send-anonymous-usage-stats", "--no-version-check", *arguments,
            "--project-dir", request["project"], "--profiles-dir", home, "--profile", PROFILE,
            "--target-path", f"{home}/target", "--log-path", f"{home}/logs",
        ]
    )  # fmt: skip
    # The adapter keeps the database of its last run open for the next one in the same process.
    if (opened := DuckDBConnectionManager._ENV) is not None:  # pyright: ignore[reportPrivateUsage]
        opened.close()
        DuckDBConnectionManager.close_all_connections()
    return result


def _profile(request: Reply, databases: list[str]) -> None:
    home = Path(request["home"])
    attached = [{"path": str(home / f"{n}.duckdb"), "alias": n} for n in databases]
    output = {"type": "duckdb", "path": str(home / "warehouse.duckdb"), "threads": 2, "attach": attached}
    content = {PROFILE: {"target": "split", "outputs": {"split": output}}}
    (home / "profiles.yml").write_text(json.dumps(content), encoding="utf-8")


def _content(manifest: Any) -> Reply:
    """Nodes, sources and what makes their rows unique."""
    keys: dict[str, list[list[str]]] = {}
    for node in manifest.nodes.values():
        about = getattr(node, "test_metadata", None)
        tested = [n for n in node.depends_on.nodes if not n.startswith("macro.")] if about is not None else []
        if len(tested) != 1 or about is None:
            continue
        if about.name == "unique" and about.kwargs.get("column_name"):
            keys.setdefault(tested[0], []).append([str(about.kwargs["column_name"])])
        elif about.name == "unique_combination_of_columns":
            columns = about.kwargs.get("combination_of_columns") or ()
            keys.setdefault(tested[0], []).append([str(c) for c in columns])
    described = [
        {
            "id": i,
            "name": n.name,
            "path": n.original_file_path,
            "resource": n.resource_type.value,
            "materialized": n.config.materialized,
            "raw": n.raw_code,
            "upstream": list(getattr(n.depends_on, "nodes", ())),
            "place": {"database": n.database, "schema": n.schema, "name": n.alias},
            "keys": keys.get(i, []),
            "owner": str(n.config.meta.get("owner") or ""),
        }
        for i, n in manifest.nodes.items()
        if n.resource_type.value in ("model", "seed", "snapshot")
    ]
    sources = [
        {
            "id": i,
            "name": f"{s.source_name}.{s.name}",
            "columns": {c.name: c.data_type for c in s.columns.values()},
            "place": {"database": s.database, "schema": s.schema, "name": s.identifier},
            "keys": keys.get(i, []),
        }
        for i, s in manifest.sources.items()
    ]
    return {"nodes": described, "sources": sources, "whole": True}


def _parse_failure(message: str) -> Reply:
    found = _FILE.search(message)
    path = (found.group(1) or found.group(2)) if found else ""
    line = _LINE.search(message)
    return {"model": Path(path).stem, "path": path, "line": int(line.group(1)) if line else 0, "message": message}


def _outcome(result: Any) -> Reply | None:
    if result.status in ("success", "pass") or result.node.resource_type.value not in ("model", "seed", "snapshot"):
        return None
    message = str(result.message or "not built: a model that it reads failed")
    line = _LINE.search(message) if "Compilation Error" in message else None
    path = result.node.original_file_path
    return {"model": result.node.name, "path": path, "line": int(line.group(1)) if line else 0, "message": message}


def _attach(connection: duckdb.DuckDBPyConnection, home: Path, databases: list[str]) -> None:
    for name in ["warehouse", *databases]:
        connection.execute(f"ATTACH '{home / f'{name}.duckdb'}' AS {quoted(name)}")


def _made(connection: duckdb.DuckDBPyConnection, place: dict[str, str]) -> str:
    schema = f"{quoted(place['database'])}.{quoted(place['schema'])}"
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    return f"{schema}.{quoted(place['name'])}"


def _exists(connection: duckdb.DuckDBPyConnection, place: dict[str, str]) -> bool:
    query = (
        "SELECT 1 FROM information_schema.tables"
        " WHERE lower(table_catalog) = lower(?) AND lower(table_schema) = lower(?) AND lower(table_name) = lower(?)"
    )
    return bool(connection.execute(query, [place["database"], place["schema"], place["name"]]).fetchall())


def _explained(connection: duckdb.DuckDBPyConnection, compiled: str | None, message: str) -> str:
    """The message with the line of the compiled SQL that DuckDB points to; dbt leaves it out."""
    if compiled is None:
        return message
    try:
        connection.execute(f"EXPLAIN {compiled}")
    except duckdb.Error as error:
        return str(error)
    return message


if __name__ == "__main__":
    main()
