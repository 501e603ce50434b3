"""Oracle's date formats in the terms of `strftime`."""

from __future__ import annotations

import re

from sandbox.netsuite.errors import invalid_query

_TOKENS = {
    "YYYY": "%Y", "YY": "%y", "MONTH": "%B", "MON": "%b", "MM": "%m", "DDD": "%j", "DD": "%d", "DAY": "%A", "DY": "%a",
    "HH24": "%H", "HH12": "%I", "HH": "%I", "MI": "%M", "SS": "%S", "FF3": "%g", "FF6": "%f", "FF": "%f", "AM": "%p",
    "PM": "%p",
}  # fmt: skip
_ELEMENTS = [*sorted(_TOKENS, key=len, reverse=True), r"TZH:TZM", r'"[^"%]*"', r"[-/,.;: ]"]
_PIECE = re.compile("|".join(_ELEMENTS), re.IGNORECASE)


def strftime_format(oracle: str, *, utc_offset: str | None = None) -> str:
    """`YYYY-MM-DD HH24:MI:SS` as `%Y-%m-%d %H:%M:%S`.

    Args:
        utc_offset: written in place of TZH:TZM; None where a value has no zone.

    Raises:
        RestError: an element is unknown (Oracle's ORA-01821).
    """
    pieces: list[str] = []
    at = 0
    while at < len(oracle):
        match = _PIECE.match(oracle, at)
        if match is None:
            raise invalid_query("ORA-01821: date format not recognized")
        piece = match[0]
        if piece.startswith('"'):
            pieces.append(piece[1:-1])
        elif piece.upper() == "TZH:TZM":
            if utc_offset is None:
                raise invalid_query("ORA-01821: date format not recognized")
            pieces.append(utc_offset)
        else:
            pieces.append(_TOKENS.get(piece.upper(), piece))
        at = match.end()
    return "".join(pieces)
