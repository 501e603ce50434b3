"""Google's SQL analyzer as a process that answers questions: JSON lines in, JSON lines out.

Runs in the emulators' environment (`python server.py`), apart from the tests, which use `client.py`. One catalog lives
as long as the process: tables are put in by `table`, and by the CREATE and DROP statements that `analyze` sees.

    {"do": "table", "name": "project.STG.orders", "columns": [["id", "INT64"], …]}
    {"do": "analyze", "sql": "…", "parameters": {"day": "DATE"}}  statement or script; types of the last query's columns
    {"do": "fill", "name": "project.STG.orders", "rows": [[1, …], …]}
    {"do": "evaluate", "sql": "…", "keep": "project.ODS.orders"}  Google's own answer to a query, made a table if wanted

A refused question is answered with {"error": "…"}, which carries the analyzer's message and position.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from dialect import SYSTEM_VARIABLES, UNKNOWN_TO_BIGQUERY
from module import Module
from script import casts_with_digits, leaves
from values import to_json, to_message, type_name
from zetasql.core.exceptions import ServerError
from zetasql.wasi._pb2.zetasql.local_service import local_service_pb2 as service
from zetasql.wasi._pb2.zetasql.proto import options_pb2, simple_catalog_pb2
from zetasql.wasi._pb2.zetasql.public import options_pb2 as public_options_pb2
from zetasql.wasi._pb2.zetasql.public import value_pb2

PROJECT = "mg-dw-workbench"


class Refused(Exception):
    """BigQuery would refuse the statement; the message says why."""


class Analyzer:
    """The catalog and the questions about it."""

    def __init__(self) -> None:
        self.module = Module()
        self.tables: dict[str, list[tuple[str, Any]]] = {}
        self.contents: dict[str, Any] = {}
        self.constants: dict[str, Any] = {}
        self.language = self._language()
        self.types: dict[str, Any] = {}
        self.registered: tuple[frozenset[str], int] | None = None

    def _language(self) -> Any:
        everything = service.LanguageOptionsRequest(maximum_features=True)
        language = self.module.call("GetLanguageOptions", everything, options_pb2.LanguageOptionsProto)
        language.product_mode = public_options_pb2.PRODUCT_EXTERNAL
        del language.supported_statement_kinds[:]
        name = public_options_pb2.LanguageFeature.Name
        known = [
            f
            for f in language.enabled_language_features
            if (text := name(f).removeprefix("FEATURE_")) not in UNKNOWN_TO_BIGQUERY
            and not text.startswith(("SQL_GRAPH", "PROTO_"))
        ]
        known.append(public_options_pb2.FEATURE_ALTER_COLUMN_SET_DATA_TYPE)
        del language.enabled_language_features[:]
        language.enabled_language_features.extend(known)
        return language

    def _bare_options(self) -> Any:
        options = options_pb2.AnalyzerOptionsProto(default_timezone="UTC")
        options.language_options.CopyFrom(self.language)
        return options

    def _options(self, parameters: dict[str, str]) -> Any:
        options = self._bare_options()
        for name, type_ in parameters.items():
            parameter = options.query_parameters.add(name=name)
            parameter.type.CopyFrom(self._type(type_))
        for name, type_ in SYSTEM_VARIABLES.items():
            variable = options.system_variables.add(name_path=name.split("."))
            variable.type.CopyFrom(self._type(type_))
        return options

    def _type(self, text: str) -> Any:
        """The message of a type written in SQL: the analyzer itself reads it."""
        if text not in self.types:
            catalog = simple_catalog_pb2.SimpleCatalogProto(name="types")
            catalog.builtin_function_options.language_options.CopyFrom(self.language)
            question = service.AnalyzeRequest(
                options=self._bare_options(), simple_catalog=catalog, sql_statement=f"select cast(null as {text}) as x"
            )
            answer = self.module.call("Analyze", question, service.AnalyzeResponse)
            self.types[text] = answer.resolved_statement.resolved_query_stmt_node.output_column_list[0].column.type
        return self.types[text]

    def _named_in(self, sql: str) -> frozenset[str]:
        """The tables whose name occurs in the text. A catalog of these alone is made much faster than one of all."""
        text = sql.lower()
        return frozenset(full for full in self.tables if full.rpartition(".")[2].lower() in text)

    def _catalog(self, tables: frozenset[str]) -> Any:
        """The tables under each way to write their path: `p`.`d`.`t`, `p.d.t`, `p.d`.`t`, d.t and `d.t`."""
        catalog = simple_catalog_pb2.SimpleCatalogProto(name="warehouse")
        catalog.builtin_function_options.language_options.CopyFrom(self.language)
        inner: dict[tuple[str, ...], Any] = {(): catalog}

        def within(path: tuple[str, ...]) -> Any:
            if path not in inner:
                inner[path] = within(path[:-1]).catalog.add(name=path[-1])
            return inner[path]

        for full in sorted(tables):
            columns = self.tables[full]
            project, *rest = full.split(".", 1)
            ways: list[tuple[str, ...]] = [(full,)]
            if rest:
                dataset, name = rest[0].split(".", 1)
                ways += [(project, dataset, *name.split(".")), (f"{project}.{dataset}", name)]
                if project == PROJECT:
                    ways += [(dataset, *name.split(".")), (rest[0],)]
            for *path, name in ways:
                table = within(tuple(path)).table.add(name=name, full_name=full)
                for column, type_ in columns:
                    made = table.column.add(name=column, is_writable_column=True)
                    made.type.CopyFrom(type_)
        for name, type_ in self.constants.items():
            constant = catalog.constant.add(name_path=[name])
            constant.type.CopyFrom(type_)
            constant.value.CopyFrom(value_pb2.ValueProto())
        return catalog

    def _catalog_id(self, sql: str) -> int:
        tables = self._named_in(sql)
        if self.registered is None or self.registered[0] != tables:
            self._changed()
            request = service.RegisterCatalogRequest(simple_catalog=self._catalog(tables))
            answer = self.module.call("RegisterCatalog", request, service.RegisterResponse)
            self.registered = tables, answer.registered_id
        return self.registered[1]

    def _changed(self) -> None:
        if self.registered is not None:
            self.module.call_grpc_func(
                "ZetaSqlLocalService_UnregisterCatalog", service.UnregisterRequest(registered_id=self.registered[1])
            )
        self.registered = None

    def table(self, name: str, columns: list[tuple[str, str]] | None) -> None:
        """Put a table into the catalog, or take it out (`columns` None)."""
        if columns is None:
            self.tables.pop(name, None)
            self.contents.pop(name, None)
        else:
            self.tables[name] = [(column, self._type(type_)) for column, type_ in columns]
        self._changed()

    def analyze(self, sql: str, parameters: dict[str, str]) -> dict[str, Any]:
        """Analyze a statement or script. What it creates is known to the statements after it."""
        request = service.ParseRequest(sql_statement=sql, options=self.language, allow_script=True)
        script = self.module.call("Parse", request, service.ParseResponse).parsed_script
        if casts_with_digits(script):
            raise Refused("A CAST cannot have type parameters; name the type alone")
        kinds: list[str] = []
        columns: list[list[str]] = []
        self.constants = {}
        for leaf in leaves(script, sql):
            kinds.append(leaf.kind)
            if leaf.declares:
                type_ = self._type(leaf.type) if leaf.type else self._query_types(leaf.sql, parameters)[0][1]
                self.constants |= dict.fromkeys(leaf.declares, type_)
                self._changed()
            if leaf.sql:
                columns = self._statement(leaf.sql, parameters) or columns
        if self.constants:
            self.constants = {}
            self._changed()
        return {"kinds": kinds, "columns": columns}

    def _query_types(self, sql: str, parameters: dict[str, str]) -> list[tuple[str, Any]]:
        node = self._resolve(sql, parameters)
        return [(c.name, c.column.type) for c in node.output_column_list]

    def _resolve(self, sql: str, parameters: dict[str, str]) -> Any:
        request = service.AnalyzeRequest(
            options=self._options(parameters), registered_catalog_id=self._catalog_id(sql), sql_statement=sql
        )
        node = self.module.call("Analyze", request, service.AnalyzeResponse).resolved_statement
        self._same_case(sql)
        while (kind := node.WhichOneof("node") if "node" in node.DESCRIPTOR.oneofs_by_name else None) is not None:
            node = getattr(node, kind)
        return node

    def _same_case(self, sql: str) -> None:
        """Names of datasets and tables have a case in BigQuery; the analyzer looks them up without."""
        request = service.ExtractTableNamesFromStatementRequest(sql_statement=sql, options=self.language)
        answer = self.module.call(
            "ExtractTableNamesFromStatement", request, service.ExtractTableNamesFromStatementResponse
        )
        known = {name.lower(): name for name in self.tables}
        for found in answer.table_name:
            path = ".".join(found.table_name_segment)
            for full in (path.lower(), f"{PROJECT}.{path}".lower()):
                if full in known and not known[full].endswith(path):
                    raise Refused(f"Table not found: {path}; did you mean {known[full]}?")

    def _statement(self, sql: str, parameters: dict[str, str]) -> list[list[str]]:
        node = self._resolve(sql, parameters)
        name = type(node).__name__.removeprefix("Resolved").removesuffix("Proto")
        if name == "QueryStmt":
            return [[c.name, type_name(c.column.type)] for c in node.output_column_list]
        if name.startswith("Create") and (made := _created(node)) is not None:
            path, columns = made
            self.tables[self._full(path)] = columns
            self._changed()
            return [[column, type_name(type_)] for column, type_ in columns]
        if name == "DropStmt":
            self.tables.pop(self._full(list(node.name_path)), None)
            self._changed()
        return []

    def _full(self, path: list[str]) -> str:
        name = ".".join(path)
        return f"{PROJECT}.{name}" if name.count(".") == 1 else name

    def fill(self, name: str, rows: list[list[Any]]) -> None:
        """Give a table its rows."""
        types = [type_name(type_) for _, type_ in self.tables[name]]
        content = service.TableContent()
        for row in rows:
            cells = [to_message(value, type_) for value, type_ in zip(row, types, strict=True)]
            content.table_data.row.add(cell=cells)
        self.contents[name] = content

    def evaluate(self, sql: str, keep: str | None) -> list[list[Any]]:
        """Run a query in Google's reference implementation; its tables are written `p`.`d`.`t` and have been filled.

        `keep` is the table that the answer becomes.
        """
        sql = re.sub(r"`([^`.]+)`\.`([^`.]+)`\.`([^`.]+)`", r"`\1.\2.\3`", sql)
        columns = self._query_types(sql, {})
        request = service.EvaluateQueryRequest(sql=sql, options=self._bare_options())
        request.simple_catalog.CopyFrom(self._catalog(self._named_in(sql)))
        for name, content in self.contents.items():
            if f"`{name}`" in sql:
                request.table_content[name].CopyFrom(content)
        answer = self.module.call("EvaluateQuery", request, service.EvaluateQueryResponse)
        if keep is not None:
            self.tables[keep] = columns
            self.contents[keep] = answer.content
            self._changed()
        types = [type_ for _, type_ in columns]
        return [
            [to_json(cell, type_) for cell, type_ in zip(row.cell, types, strict=True)]
            for row in answer.content.table_data.row
        ]


def _created(node: Any) -> tuple[list[str], list[tuple[str, Any]]] | None:
    """Path and columns of the table or view that a resolved CREATE statement makes."""
    columns: list[tuple[str, Any]] | None = None
    while node is not None:
        fields = node.DESCRIPTOR.fields_by_name
        if "column_definition_list" in fields and len(node.column_definition_list):
            columns = [(c.name, c.type) for c in node.column_definition_list]
        elif "output_column_list" in fields and len(node.output_column_list):
            columns = [(c.name, c.column.type) for c in node.output_column_list]
        if "name_path" in fields:
            return (list(node.name_path), columns) if columns is not None else None
        node = node.parent if "parent" in fields else None
    return None


def main() -> None:
    """Answer until the input ends."""
    analyzer = Analyzer()
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer: Any
            if question["do"] == "table":
                answer = analyzer.table(question["name"], question["columns"])
            elif question["do"] == "analyze":
                answer = analyzer.analyze(question["sql"], question["parameters"])
            elif question["do"] == "fill":
                answer = analyzer.fill(question["name"], question["rows"])
            else:
                answer = analyzer.evaluate(question["sql"], question["keep"])
        except ServerError as error:
            answer = {"error": error.message}
        except Refused as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
