"""Values that break loaders, by column type, each with what STG must hold for it.

Kinds name what is hostile; the results file counts by them.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from connectors.contract import DataType
from tests.conformance.ware import MISFIT, Value, Wire

LONG_TEXT = 5_000_000
"""Characters."""


def _same(*texts: str) -> list[Value]:
    return list(texts)


def _as(value: object, *texts: str, bare: bool = False, or_refused: bool = False) -> list[Value]:
    return [Wire(text, value, bare, or_refused) for text in texts]


def _refused(*texts: str, bare: bool = False) -> list[Value]:
    return _as(MISFIT, *texts, bare=bare)


TEXTS: dict[str, list[Value]] = {
    "right to left": _same("שלום עולם", "مرحبا \u202eabc\u202c", "\u200fנ"),
    "emoji": _same("👩‍👩‍👧‍👦", "🏳️‍🌈 café ☕", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢"),
    "combining": _same("e\u0301", "é", "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢", "\u0301"),
    "invisible": _same("a\u200bb", "\u200b", "\u00a0", "\u00ad", "\ufeff", "\ufefflead", "trail\ufeff", "\u2060"),
    "line ends": _same("a\nb", "a\r\nb", "a\rb", "\n", "\r\n", "\r", "a\n\n\nb\n", "\na", "a\u2028b\u2029c\u0085d"),
    "quotes": _same('"', '""', '"a"', "'", "a\"b'c`d", '","', '"\n"', '\\"', '"' * 7, "“”«»"),
    "delimiters": _same(",", ",,,", ";|\t^~", "a,b", "\ta", "x\ty"),
    "backslashes": _same("\\", "\\\\", "\\n", "\\t", "C:\\new\\table", "\\u0041", "\\x00"),
    "words for nothing": _same(
        "NA", "N/A", "null", "NULL", "Null", "None", "nil", "NaN", "nan", "#N/A", "\\N", "-", "undefined",
    ),
    "words for truth": _same("true", "false", "TRUE", "t", "f", "yes"),
    "blanks": _same(" ", "   ", " lead", "trail ", "  both  ", "\t", "a  b"),
    "looks like another type": _same(
        "007", "1e5", "1.0", "2026-02-29", "0x10", "+1", "12:00", "{}", "[1]", '{"a":1}', "<b>&amp;</b>",
    ),
    "formulas and code": _same("=1+1", "@SUM(A1)", "'; DROP TABLE x; --", "${HOME}", "{{ x }}", "%s%n", "a=b&c=d"),
    "control characters": _same("\x01", "a\x1fb", "\x7f", "\x1b[31m", "\x0b\x0c"),
    "empty": _as(None, ""),
}  # fmt: skip

NUMBERS: dict[str, list[Value]] = {
    "38 digits": [
        *_as(Decimal("99999999999999999999999999999.999999999"), "99999999999999999999999999999.999999999"),
        *_as(Decimal("-99999999999999999999999999999.999999999"), "-99999999999999999999999999999.999999999"),
        *_as(Decimal("12345678901234567890123456789.123456789"), "12345678901234567890123456789.123456789"),
        *_as(Decimal("0.000000001"), "0.000000001", ".000000001", "1E-9", "0.1e-8"),
        *_as(Decimal("-0.000000001"), "-0.000000001"),
    ],
    "too many digits": _refused(
        "100000000000000000000000000000", "0.0000000001", "-1.0000000001", "1E29", "1E-10", "1E99", "1e400",
    ),
    "exponents": [
        *_as(Decimal(1000), "1E3", "1e+3", "1.0E+03", "10000e-1"),
        *_as(Decimal("0.0015"), "1.5e-3", "15E-4"),
        *_as(Decimal("-1E28"), "-1E28"),
        *_as(Decimal(12345678901234567890123456789), "1.2345678901234567890123456789E28", or_refused=True),
    ],
    "odd spellings": [
        *_as(Decimal("5.5"), "+5.5", "005.5", "5.5000000000000"),
        *_as(Decimal(5), "5.", "5.0"),
        *_as(Decimal(0), "-0", "0.0", "-0.000", "0E5"),
    ],
    "no numbers": _refused(
        "NaN", "Infinity", "-inf", "0x1F", "1_000", "1,000.5", "1,5", " 5", "5 ", "--5", "5e", "e5", "٥", "null",
        "N/A", "$5", "1/2", "true",
    ),
}  # fmt: skip

INTEGERS: dict[str, list[Value]] = {
    "ends of the range": [
        *_as(2**63 - 1, "9223372036854775807"), *_as(-(2**63), "-9223372036854775808"),
        *_as(2**53 + 1, "9007199254740993"), *_as(-(2**53) - 1, "-9007199254740993"),
    ],
    "beyond the range": _refused("9223372036854775808", "-9223372036854775809", "1" + "0" * 30),
    "odd spellings": [
        *_as(7, "007", "+7", "7.0", "7.000"),
        *_as(0, "-0", "0", "0.0"),
        *_as(1000, "1e3", or_refused=True),
    ],
    "no integers": _refused("1.5", "0x10", "1_000", "1,000", " 5", "5 ", "٥", "NaN", "null", "true", "7.0000001", "½"),
}  # fmt: skip

TRUTHS: dict[str, list[Value]] = {
    "true and false": [True, False, *_as(True, "true", "True", "TRUE", "t", "T", "1"), *_as(False, "false", "F", "0")],
    "neither": _refused("yes", "no", "2", "-1", "on", " true", "null", "wahr", "tru", "01"),
}

DATES: dict[str, list[Value]] = {
    "ends of the calendar": _as(date(1, 1, 1), "0001-01-01") + _as(date(9999, 12, 31), "9999-12-31"),
    "leap days": _as(date(2024, 2, 29), "2024-02-29") + _as(date(2000, 2, 29), "2000-02-29"),
    "midnights": _as(date(2026, 6, 15), "2026-06-15T00:00:00Z", "2026-06-15 00:00:00", "2026-06-15T00:00:00.000Z"),
    "no days": _refused(
        "2023-02-29", "1900-02-29", "2026-13-01", "2026-00-10", "2026-04-31", "0000-01-01", "10000-01-01", "20260615",
        "15.06.2026", "6/15/2026", "2026-6-5", "2026-06-15 (BC)", "epoch", "today", "infinity", " 2026-06-15",
        "-0001-01-01", "٢٠٢٦-06-15",
    ),
    "times of day": _refused("2026-06-15T10:00:00Z", "2026-06-15 23:59:59", "2026-06-15T00:00:00.001Z"),
}  # fmt: skip

TIMES: dict[str, list[Value]] = {
    "offsets": [
        *_as(datetime(2026, 5, 31, 18, 30), "2026-06-01T00:00:00+05:30", "2026-06-01T00:00:00+0530"),
        *_as(datetime(2026, 6, 1, 8), "2026-06-01T00:00:00-08:00", "2026-06-01 00:00:00-08:00"),
        *_as(datetime(2026, 6, 1), "2026-06-01T00:00:00Z", "2026-06-01T00:00:00+00:00", "2026-06-01T00:00:00-00:00"),
        *_as(datetime(2026, 5, 31, 10), "2026-06-01T00:00:00+14:00"),
    ],
    "fractions": [
        *_as(datetime(2026, 6, 1, 0, 0, 0, 123456), "2026-06-01T00:00:00.123456Z", "2026-06-01T00:00:00.1234560Z"),
        *_as(datetime(2026, 6, 1, 0, 0, 0, 1), "2026-06-01T00:00:00.000001Z"),
        *_refused("2026-06-01T00:00:00.1234567Z", "2026-06-01T00:00:00.0000001Z"),
    ],
    "ends of the calendar": [
        *_as(datetime(1, 1, 1), "0001-01-01T00:00:00Z"),
        *_as(datetime(9999, 12, 31, 23, 59, 59, 999999), "9999-12-31T23:59:59.999999Z"),
        *_as(datetime(2024, 2, 29, 23, 59, 59), "2024-02-29T23:59:59Z"),
        *_refused("0001-01-01T00:00:00+05:30", "9999-12-31T23:59:59-08:00", "0000-12-31T23:59:59Z"),
    ],
    "change of clocks": [
        *_as(datetime(2026, 3, 8, 10, 30), "2026-03-08T02:30:00-08:00"),
        *_as(datetime(2026, 11, 1, 8, 30), "2026-11-01T01:30:00-07:00"),
        *_as(datetime(2026, 11, 1, 9, 30), "2026-11-01T01:30:00-08:00"),
        *_as(datetime(2026, 3, 29, 1, 30), "2026-03-29T01:30:00Z"),
    ],
    "leap seconds": _refused("2026-06-30T23:59:60Z", "2016-12-31T23:59:60Z", "2026-06-30T23:59:60+00:00"),
    "no times": _refused(
        "2026-02-30T00:00:00Z", "2026-06-01T24:00:00Z", "2026-06-01T25:00:00Z", "2026-06-01T00:60:00Z", "infinity",
        "epoch", "now", "1767225600", "06/15/2026 10:00", " 2026-06-01T00:00:00Z", "2026-06-01T00:00:00 UTC",
        "2026-06-01T00:00:00+25:00", "2026-06-01T00:00:00 America/New_York", "2026-W23-1", "2026-06-01T10:00 PM",
    ),
}  # fmt: skip

VALUES: dict[DataType, dict[str, list[Value]]] = {
    DataType.STRING: TEXTS,
    DataType.NUMERIC: NUMBERS,
    DataType.INT64: INTEGERS,
    DataType.BOOL: TRUTHS,
    DataType.DATE: DATES,
    DataType.TIMESTAMP: TIMES,
}

BARE: dict[DataType, dict[str, list[Value]]] = {
    DataType.NUMERIC: {
        "JSON numbers": [
            *_as(Decimal("0.1"), "0.1", bare=True),
            *_as(Decimal("-1234.5678"), "-1234.5678", bare=True),
            *_as(Decimal("0.000000001"), "0.000000001", "1e-9", bare=True, or_refused=True),
            *_as(Decimal(1000), "1e3", "1E+3", "1000.0", bare=True, or_refused=True),
            *_as(Decimal(2**53 + 1), "9007199254740993", bare=True, or_refused=True),
            *_as(Decimal("123456789.123456789"), "123456789.123456789", bare=True, or_refused=True),
            *_as(Decimal("99999999999999999999999999999.999999999"), "99999999999999999999999999999.999999999",
                 bare=True, or_refused=True),
            *_as(Decimal("1234567890123456.75"), "1234567890123456.75", bare=True, or_refused=True),
            *_as(Decimal(0), "-0", "0.0", "-0.0", bare=True),
            *_refused("0.30000000000000004", "1e-10", "1e30", "true", "[1]", '{"a":1}', bare=True),
        ],
    },
    DataType.INT64: {
        "JSON numbers": [
            *_as(2**53 + 1, "9007199254740993", bare=True),
            *_as(2**63 - 1, "9223372036854775807", bare=True),
            *_as(-(2**63), "-9223372036854775808", bare=True),
            *_as(5, "5", bare=True), *_as(5, "5.0", "5e0", bare=True, or_refused=True),
            *_refused("9223372036854775808", "18446744073709551616", "1.5", "true", "[1]", '{"a":1}', bare=True),
            *_refused("9223372036854775807.5", "9007199254740993.5", bare=True),
        ],
    },
    DataType.STRING: {
        "JSON that is no text": [
            *_as("5", "5", bare=True), *_as("true", "true", bare=True), *_as(None, "null", bare=True),
            *_as("9007199254740993", "9007199254740993", bare=True),
            *_as("A", '"\\u0041"', bare=True), *_as("😀", '"\\ud83d\\ude00"', bare=True), *_as("/", '"\\/"', bare=True),
            *_as("12345678901234567890123", "12345678901234567890123", bare=True, or_refused=True),
            *_as("0.1234567890123456789", "0.1234567890123456789", bare=True, or_refused=True),
            *_as("1.5", "1.5", bare=True),
        ],
    },
    DataType.BOOL: {
        "JSON that is no truth": [
            *_as(True, "true", bare=True), *_as(False, "false", bare=True), *_as(True, "1", bare=True),
            *_refused("2", "1.5", "[true]", bare=True),
        ],
    },
}  # fmt: skip
"""What only JSON can say: values without quotes."""

UNSPEAKABLE: dict[str, str] = {
    "NUL alone": "\x00",
    "NUL inside": "before\x00after",
    "NUL at the end": "end\x00",
    "bytes that are no UTF-8": "caf\udce9 \udcff",
}
"""Texts that may not be representable: `\\udcXX` stands for the byte XX (PEP 383)."""
