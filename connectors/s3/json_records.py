"""JSON lines while they stream by: every record is looked at, for its fields may be in that one alone."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from connectors.contract import Table
from connectors.s3.csv_text import BOM, LONGEST_LINE
from connectors.s3.reading import Content, NotAsDeclaredError, doubled, missing_keys

_LINES = "Ask the sender for JSON lines: one record a line, no brackets or commas around. The others are loaded."

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


class JsonRecords:
    """Reads one file of JSON lines; see `Reader`. Empty lines are nothing."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._names: dict[str, None] = {}
        self._parse = json.JSONDecoder(parse_constant=_refuse_constant).decode
        self._tail = b""
        self._line = 0
        self._rows = 0

    @property
    def fields(self) -> tuple[str, ...]:
        """Names that occurred so far."""
        return tuple(self._names)

    def feed(self, piece: bytes) -> None:
        """Look at the next bytes."""
        *lines, self._tail = (self._tail + piece).split(b"\n")
        if len(self._tail) > LONGEST_LINE:
            raise NotAsDeclaredError("has no line end in 16 MB", _LINES)
        for line in lines:
            self._take(line)

    def finish(self) -> Content:
        """Say what the file held."""
        if self._tail.strip():
            self._take(self._tail, cut=True)
        if again := doubled(self._names):
            raise NotAsDeclaredError(f"spells fields in more than one way: {', '.join(again)}")
        return Content(self.fields, self._rows)

    def _take(self, line: bytes, *, cut: bool = False) -> None:
        self._line += 1
        if self._line == 1 and line.startswith(BOM):  # RFC 8259, section 8.1; the warehouse's reader refuses it
            raise NotAsDeclaredError("begins with a byte order mark, which JSON does not allow", _LINES)
        if not line.strip():
            return
        record = self._record(line, cut=cut)
        if not self._rows and (missing := missing_keys(self._table, record)):
            raise NotAsDeclaredError(f"lacks the key fields {', '.join(missing)} in its first record")
        self._rows += 1
        if not record.keys() <= self._names.keys():
            self._names |= dict.fromkeys(record)

    def _record(self, line: bytes, *, cut: bool) -> dict[str, Any]:
        try:
            record = self._parse(line.decode())
            if _SURROGATE.search(line):
                json.dumps(record, ensure_ascii=False).encode()  # half a pair is no text
        except UnicodeError:
            raise NotAsDeclaredError(f"is not UTF-8 text in line {self._line}") from None
        except (ValueError, RecursionError) as error:
            text = line[:120].decode(errors="replace").lstrip()
            if cut and self._rows:
                raise NotAsDeclaredError("ends in the middle of a record: its delivery was cut off") from None
            if self._rows:
                raise NotAsDeclaredError(f"is broken in line {self._line} ({error}); it begins with {text!r}") from None
            raise self._no_lines(text) from None
        if not isinstance(record, dict):
            raise self._no_lines(line[:120].decode(errors="replace").lstrip())
        return record  # pyright: ignore[reportUnknownVariableType]

    def _no_lines(self, text: str) -> NotAsDeclaredError:
        if "\0" in text:
            return NotAsDeclaredError("is not UTF-8 text (it looks like UTF-16)")
        array = text.startswith("[")
        what = "a JSON array, not one record a line" if array else "not one record a line"
        return NotAsDeclaredError(f"is {what}; line {self._line} begins with {text!r}", _LINES)
