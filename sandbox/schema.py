"""The tables of the sandbox's database: the contract's fields with native types, and a few it does not name."""

from __future__ import annotations

import duckdb

from connectors.contract import Column, DataType, load_contract
from sandbox.model.tables import PROJECTIONS

_TYPES = {
    DataType.STRING: "VARCHAR", DataType.INT64: "BIGINT", DataType.NUMERIC: "DECIMAL(18,2)", DataType.BOOL: "BOOLEAN",
    DataType.DATE: "DATE", DataType.TIMESTAMP: "TIMESTAMP",
}  # fmt: skip
_FINE = {
    "Quantity", "UnitPrice", "ListPrice", "TotalOpportunityQuantity", "Quantity__c", "Unit_Price__c", "List_Price__c",
    "exchangerate", "custitem_base_price", "Health_Score__c", "Probability", "Discount", "ExpectedResponse",
    "NumberSent",
}  # fmt: skip
"""Numbers that are no money: prices per unit, quantities, rates."""
_EXTRA = {
    "salesforce.Account": {"CleanStatus": "VARCHAR"},
    "netsuite.transaction": {"type": "VARCHAR"},
    "netsuite.DeletedRecord": {
        "recordid": "BIGINT", "recordtypeid": "BIGINT", "type": "VARCHAR", "name": "VARCHAR",
        "deleteddate": "TIMESTAMP", "deletedby": "BIGINT",
    },
}  # fmt: skip


def table_columns() -> dict[str, dict[str, str]]:
    """DuckDB type per field, per `schema.table`."""
    contract = load_contract()
    tables: dict[str, dict[str, str]] = {}
    for projection in PROJECTIONS:
        columns = tables.setdefault(projection.name, {})
        if projection.contract:
            columns.update({c.field: _type(c) for c in contract.table(projection.contract).columns})
        columns.update(_EXTRA.get(projection.name, {}))
    for columns in tables.values():
        columns["_deleted_at"] = "TIMESTAMP"
    return tables


def _type(column: Column) -> str:
    return "DECIMAL(38,9)" if column.field in _FINE else _TYPES[column.type]


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create every schema and table, empty."""
    for name, columns in table_columns().items():
        schema, table = name.split(".")
        connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        listed = ", ".join(f'"{field}" {kind}' for field, kind in columns.items())
        connection.execute(f'CREATE TABLE "{schema}"."{table}" ({listed})')
