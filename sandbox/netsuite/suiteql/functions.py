"""The functions SuiteQL may call here, each with its DuckDB expression."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sandbox.netsuite.errors import RestError, invalid_query
from sandbox.netsuite.schema import Kind
from sandbox.netsuite.suiteql.formats import strftime_format
from sandbox.netsuite.suiteql.query import Value, as_text, quoted
from sandbox.netsuite.suiteql.session import Session

Function = Callable[[Sequence[Value], Session], Value]

_TRUNCATIONS = {"DD": "day", "MM": "month", "MONTH": "month", "YYYY": "year", "YEAR": "year", "Q": "quarter"}


def call(name: str, args: Sequence[Value], session: Session) -> Value:
    """The value of `name(args)`.

    Raises:
        RestError: the function is not on the list, or its arguments do not fit.
    """
    entry = _FUNCTIONS.get(name.upper())
    if entry is None:
        raise invalid_query(f"Invalid or unsupported search: function '{name.upper()}' is not supported.")
    function, least, most = entry
    if not least <= len(args) <= most:
        raise invalid_query(f"Invalid number of arguments for function '{name.upper()}'.")
    value = function(args, session)
    return Value(value.sql, value.kind, aggregate=value.aggregate or any(arg.aggregate for arg in args))


def common_kind(values: Sequence[Value]) -> Kind:
    """The kind that can hold all the values; NULL fits anywhere. Raises RestError when there is none."""
    kinds = {value.kind for value in values if value.sql != "NULL"} or {Kind.TEXT}
    if len(kinds) == 1:
        return kinds.pop()
    if all(kind.is_number for kind in kinds):
        return Kind.DECIMAL
    if all(kind.is_text for kind in kinds):
        return Kind.TEXT
    if all(kind.is_time for kind in kinds):
        return Kind.DATETIME
    raise invalid_query("ORA-00932: inconsistent datatypes")


def _text(value: Value, session: Session) -> str:
    return as_text(value.sql, value.kind, session.date_format)


def _number(value: Value) -> str:
    if not value.kind.is_number:
        raise _mismatch("NUMBER", value)
    return value.sql


def _whole(value: Value) -> str:
    return f"CAST({_number(value)} AS BIGINT)"


def _format(value: Value) -> str:
    if value.literal is None:
        raise invalid_query("Invalid or unsupported search: a format is a string literal.")
    return value.literal


def _mismatch(expected: str, value: Value) -> RestError:
    return invalid_query(f"ORA-00932: inconsistent datatypes: expected {expected} got {value.kind.upper()}")


def _to_char(args: Sequence[Value], session: Session) -> Value:
    if len(args) == 1:
        return Value(_text(args[0], session), Kind.TEXT)
    if not args[0].kind.is_time:
        raise _mismatch("DATE", args[0])
    offset = session.utc_offset if args[0].kind is Kind.ZONED else None
    oracle = _format(args[1])
    text = f"strftime({args[0].sql}, {quoted(strftime_format(oracle, utc_offset=offset))})"
    names = {"MON", "MONTH", "DY", "DAY"} & set(oracle.replace("-", " ").replace("/", " ").split())
    return Value(f"upper({text})" if names else text, Kind.TEXT)


def _to_time(args: Sequence[Value], session: Session) -> Value:
    if not args[0].kind.is_text:
        raise _mismatch("CHAR", args[0])
    wanted = strftime_format(_format(args[1])) if len(args) == 2 else session.date_format.replace("%-", "%")
    return Value(f"CAST(strptime({args[0].sql}, {quoted(wanted)}) AS TIMESTAMP)", Kind.DATETIME)


def _extract_utc(args: Sequence[Value], session: Session) -> Value:
    if args[0].kind is not Kind.ZONED:
        raise invalid_query("ORA-30175: invalid type given for an argument")
    return Value(session.utc_now, Kind.DATETIME)


def _trunc(args: Sequence[Value], session: Session) -> Value:
    if args[0].kind.is_time:
        unit = _TRUNCATIONS.get(_format(args[1]).upper()) if len(args) == 2 else "day"
        if unit is None:
            raise invalid_query("ORA-01898: too many precision specifiers")
        return Value(f"CAST(date_trunc('{unit}', {args[0].sql}) AS TIMESTAMP)", Kind.DATETIME)
    if len(args) == 1:
        return Value(f"trunc({_number(args[0])})", args[0].kind)
    scale = f"CAST(pow(10, {_whole(args[1])}) AS BIGINT)"
    return Value(f"trunc({_number(args[0])} * {scale}) / {scale}", Kind.DECIMAL)


def _first_known(args: Sequence[Value], session: Session) -> Value:
    return Value(f"coalesce({', '.join(arg.sql for arg in args)})", common_kind(args))


def _choose(args: Sequence[Value], session: Session) -> Value:
    known, unknown = args[1], args[2]
    return Value(f"CASE WHEN {args[0].sql} IS NOT NULL THEN {known.sql} ELSE {unknown.sql} END", common_kind(args[1:]))


def _null_if(args: Sequence[Value], session: Session) -> Value:
    common_kind(args)
    return Value(f"nullif({args[0].sql}, {args[1].sql})", args[0].kind)


def _extreme(name: str) -> Function:
    def function(args: Sequence[Value], session: Session) -> Value:
        # Oracle answers NULL as soon as one argument is NULL; DuckDB skips NULLs.
        nulls = " OR ".join(f"{arg.sql} IS NULL" for arg in args)
        inner = f"{name}({', '.join(arg.sql for arg in args)})"
        return Value(f"CASE WHEN {nulls} THEN NULL ELSE {inner} END", common_kind(args))

    return function


def _on_text(template: str, kind: Kind = Kind.TEXT) -> Function:
    def function(args: Sequence[Value], session: Session) -> Value:
        listed = [_text(args[0], session), *(_whole(arg) for arg in args[1:])]
        return Value(template.format(", ".join(listed)), kind)

    return function


def _replace(args: Sequence[Value], session: Session) -> Value:
    # The empty string is NULL to Oracle, and as a replacement it means removal.
    text, old, *new = (_text(arg, session) for arg in args)
    return Value(f"replace({text}, {old}, coalesce({new[0] if new else 'NULL'}, ''))", Kind.TEXT)


def _on_number(name: str) -> Function:
    def function(args: Sequence[Value], session: Session) -> Value:
        digits = "".join(f", CAST({_number(arg)} AS INTEGER)" for arg in args[1:])
        return Value(f"{name}({_number(args[0])}{digits})", args[0].kind)

    return function


def _to_number(args: Sequence[Value], session: Session) -> Value:
    return Value(f"CAST({_text(args[0], session)} AS DECIMAL(38, 9))", Kind.DECIMAL)


def _concat(args: Sequence[Value], session: Session) -> Value:
    return Value(f"nullif(concat({', '.join(_text(arg, session) for arg in args)}), '')", Kind.TEXT)


def _sum(args: Sequence[Value], session: Session) -> Value:
    return Value(f"sum({_number(args[0])})", args[0].kind, aggregate=True)


def _aggregate(name: str) -> Function:
    def function(args: Sequence[Value], session: Session) -> Value:
        return Value(f"{name}({args[0].sql})", args[0].kind, aggregate=True)

    return function


def _count(args: Sequence[Value], session: Session) -> Value:
    return Value(f"count({args[0].sql})", Kind.INTEGER, aggregate=True)


_FUNCTIONS: dict[str, tuple[Function, int, int]] = {
    "ABS": (_on_number("abs"), 1, 1),
    "BUILTIN.DF": (lambda args, session: Value(args[0].display or _text(args[0], session), Kind.TEXT), 1, 1),
    "COALESCE": (_first_known, 2, 99),
    "CONCAT": (_concat, 2, 2),
    "COUNT": (_count, 1, 1),
    "GREATEST": (_extreme("greatest"), 1, 99),
    "LEAST": (_extreme("least"), 1, 99),
    "LENGTH": (_on_text("length({})", Kind.INTEGER), 1, 1),
    "LOWER": (_on_text("lower({})"), 1, 1),
    "MAX": (_aggregate("max"), 1, 1),
    "MIN": (_aggregate("min"), 1, 1),
    "MOD": (lambda args, session: Value(f"{_number(args[0])} % {_number(args[1])}", common_kind(args)), 2, 2),
    "NULLIF": (_null_if, 2, 2),
    "NVL": (_first_known, 2, 2),
    "NVL2": (_choose, 3, 3),
    "REPLACE": (_replace, 2, 3),
    "ROUND": (_on_number("round"), 1, 2),
    "SUBSTR": (_on_text("substr({})"), 2, 3),
    "SUM": (_sum, 1, 1),
    "SYS_EXTRACT_UTC": (_extract_utc, 1, 1),
    "TO_CHAR": (_to_char, 1, 2),
    "TO_DATE": (_to_time, 1, 2),
    "TO_NUMBER": (_to_number, 1, 1),
    "TO_TIMESTAMP": (_to_time, 1, 2),
    "TRIM": (_on_text("trim({})"), 1, 1),
    "TRUNC": (_trunc, 1, 2),
    "UPPER": (_on_text("upper({})"), 1, 1),
}
"""Name -> expression, least and most number of arguments."""
