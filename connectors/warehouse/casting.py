"""Text to typed values, exactly or not at all.

DuckDB's own TRY_CAST is too kind for a warehouse: it rounds `1.5` to 2 and the tenth decimal away, drops the time of
day from a date and the offset from a timestamp, and reads `infinity`, `epoch`, `0x10` and `1_000`. Each rule here lets
a value through only when nothing is lost; everything else becomes NULL, which the caller reports as a misfit.
"""

from __future__ import annotations

from connectors.contract import DataType
from connectors.warehouse.sql import text as literal

DUCKDB_TYPES = {
    DataType.STRING: "VARCHAR",
    DataType.INT64: "BIGINT",
    DataType.NUMERIC: "DECIMAL(38,9)",
    DataType.BOOL: "BOOLEAN",
    DataType.DATE: "DATE",
    DataType.TIMESTAMP: "TIMESTAMP",
}

EXPECTED = {
    DataType.STRING: "text",
    DataType.INT64: "a whole number of at most 64 bits",
    DataType.NUMERIC: "a number of at most 29 digits before and 9 after the point",
    DataType.BOOL: "true or false",
    DataType.DATE: "a date YYYY-MM-DD",
    DataType.TIMESTAMP: "a time YYYY-MM-DDTHH:MM:SS, with or without offset",
}
"""What a reader of the quarantine is told."""

_INTEGER = r"[+-]?(\d+|\d{1,15}\.0*)"
_NUMERIC = r"[+-]?(\d+(\.\d{0,9}0*)?|\.\d{1,9}0*)"
_SCIENTIFIC = r"[+-]?\d+(\.\d*)?[eE][+-]?\d{1,2}"
_YEAR = r"([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_DAY = _YEAR + r"-[0-9]{2}-[0-9]{2}"
_MIDNIGHT = _DAY + r"[T ]00:00(:00(\.0*)?)?(Z|[+-]00:?00)?"
_CLOCK = r"([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{0,6}0*)?)?"
_NAIVE_OR_UTC = _DAY + _CLOCK + r"Z?)?"
_WITH_OFFSET = _DAY + _CLOCK + r"[+-](0[0-9]|1[0-5]):?[0-5][0-9])"


def exact(text: str, to: DataType, midnight_zone: str | None = None) -> str:
    """A DuckDB expression that is the value of the VARCHAR expression `text` as type `to`.

    NULL when `text` is NULL and when the value does not fit exactly. TIMESTAMP is the UTC instant, whatever the
    session's time zone; a value without offset is UTC already, but a bare date is midnight in `midnight_zone`.
    """
    match to:
        case DataType.STRING:
            return text
        case DataType.INT64:
            return f"CASE WHEN {_full(text, _INTEGER)} THEN TRY_CAST({text} AS BIGINT) END"
        case DataType.NUMERIC:
            return (
                f"CASE WHEN {_full(text, _NUMERIC)} THEN TRY_CAST({text} AS DECIMAL(38,9)) "
                f"WHEN {_full(text, _SCIENTIFIC)} AND {_decimals(text)} <= 9 THEN TRY_CAST({text} AS DECIMAL(38,9)) END"
            )
        case DataType.BOOL:
            return (
                f"CASE WHEN {text} = 'true' THEN TRUE WHEN {text} = 'false' THEN FALSE "
                f"WHEN lower({text}) IN ('true', 't', '1') THEN TRUE "
                f"WHEN lower({text}) IN ('false', 'f', '0') THEN FALSE END"
            )
        case DataType.DATE:
            return f"CASE WHEN {_full(text, f'{_DAY}|{_MIDNIGHT}')} THEN TRY_CAST({text} AS DATE) END"
        case DataType.TIMESTAMP:
            instant = f"timezone('UTC', TRY_CAST({text} AS TIMESTAMPTZ))"
            midnight = f"timezone('UTC', timezone({literal(midnight_zone or 'UTC')}, TRY_CAST({text} AS TIMESTAMP)))"
            bare = f"WHEN {_full(text, _DAY)} THEN {midnight} " if midnight_zone else ""
            return (
                f"CASE {bare}WHEN {_full(text, _NAIVE_OR_UTC)} THEN TRY_CAST({text} AS TIMESTAMP) "
                f"WHEN {_full(text, _WITH_OFFSET)} AND year({instant}) BETWEEN 1 AND 9999 THEN {instant} END"
            )


def _full(text: str, pattern: str) -> str:
    return f"regexp_full_match({text}, {literal(pattern)})"


def _decimals(text: str) -> str:
    """Digits after the point that `1.50E-3` needs: 1 in the mantissa plus 3."""
    mantissa = f"strlen(rtrim(regexp_extract({text}, '\\.(\\d*)', 1), '0'))"
    exponent = f"CAST(regexp_extract({text}, '[eE]\\+?(-?\\d+)', 1) AS INTEGER)"
    return f"{mantissa} - {exponent}"
