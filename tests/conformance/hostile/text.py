"""How the hostile servers write values: their own CSV and texts, made by nobody else's writer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from tests.conformance.ware import Value, Wire


def text_of(value: Value, *, yes: str = "true", no: str = "false") -> str | None:
    """A value in characters; None for NULL."""
    match value:
        case Wire():
            return value.text
        case None | str():
            return value
        case bool():
            return yes if value else no
        case int():
            return str(value)
        case Decimal():
            return format(value, "f")
        case datetime():
            plain = value.astimezone(UTC) if value.tzinfo else value
            return plain.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
        case date():
            return value.isoformat()


def csv_text(
    header: Sequence[str],
    rows: Iterable[Sequence[str | None]],
    *,
    null: str = "",
    line_end: str = "\n",
    quote_all: bool = True,
    bom: bool = False,
) -> bytes:
    """A CSV file. NULL is written as `null` without quotes, everything else as itself."""

    def cell(text: str | None) -> str:
        if text is None:
            return null
        plain = not quote_all and text not in ("", null) and not any(c in text for c in '",\r\n')
        return text if plain else '"' + text.replace('"', '""') + '"'

    lines = [",".join(cell(name) for name in header), *(",".join(cell(text) for text in row) for row in rows)]
    return (("\ufeff" if bom else "") + "".join(line + line_end for line in lines)).encode("utf-8", "surrogateescape")
