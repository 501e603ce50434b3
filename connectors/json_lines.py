"""JSON pages to JSON lines without a Python object per row: the record array is cut out of its envelope by bytes."""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass
from typing import Any

_SPACE = re.compile(r"[ \t\n\r]*")


@dataclass(frozen=True)
class Page:
    """One page of an API, cut.

    Attributes:
        lines: the records, one a line, each ended by a line feed; values as they were sent.
        rows: how many.
        last: the last record as objects; None on an empty page.
        envelope: everything around the records.
    """

    lines: bytes
    rows: int
    last: dict[str, Any] | None
    envelope: dict[str, Any]

    def records(self) -> list[dict[str, Any]]:
        """The records as objects: for pages of a few."""
        return [json.loads(line) for line in self.lines.split(b"\n")[:-1]]


def cut(body: bytes, *, records: str, opening: str) -> Page:
    """Cut a page apart.

    Args:
        body: a JSON object, UTF-8.
        records: key of the record array in it.
        opening: how the API starts every record, for example `{"links":`. It only makes the cut fast: a page that
            does not fit (other first key, objects inside records, braces in texts, line breaks) is read by a slower,
            exact way.

    Raises:
        ValueError: `body` is not such an object.
    """
    body = body.removeprefix(codecs.BOM_UTF8)
    return _cut_by_bytes(body, records, opening.encode()) or _cut_by_parsing(body, records)


def _cut_by_bytes(body: bytes, records: str, opening: bytes) -> Page | None:
    """The page, or None where bytes alone do not prove the cut right.

    The proof: inside a JSON text a quote is always escaped, so `},` + opening stands between two objects. Objects
    of a nested array would need a first one, whose brace follows `[` or a value: then there are more braces than the
    openings explain. The envelope without its records and the last line must be JSON by themselves.
    """
    marker = f'"{records}":['.encode()
    found = body.find(marker)
    start, end = found + len(marker), body.rfind(b"}]") + 1
    if found < 0 or end <= start:
        return None
    array = body[start:end]
    if not array.startswith(opening) or b"\n" in array or b"\r" in array:
        return None
    lines = array.replace(b"}," + opening, b"}\n" + opening)
    rows = lines.count(b"\n") + 1
    if array.count(b"{") != rows * opening.count(b"{"):
        return None
    try:
        envelope = json.loads(body[:start] + body[end:])
        last = json.loads(lines[lines.rfind(b"\n") + 1 :])
    except ValueError:
        return None
    if envelope.pop(records, None) != []:
        return None
    return Page(lines + b"\n", rows, last, envelope)


def _cut_by_parsing(body: bytes, records: str) -> Page:
    text = body.decode()
    decode = json.JSONDecoder().raw_decode
    envelope: dict[str, Any] = {}
    lines: list[str] | None = None
    last: Any = None
    at = _after(text, 0, "{")
    while not text.startswith("}", at):
        key, at = decode(text, at)
        at = _after(text, at, ":")
        if key == records:
            lines, last, at = _elements(text, at)
        else:
            envelope[key], at = decode(text, at)
        at = _after(text, at, ",", unless="}")
    if lines is None or text[at + 1 :].strip():
        raise ValueError(f"no JSON object with an array {records!r}")
    if any(not line.startswith("{") for line in lines):
        raise ValueError(f"{records!r} holds something else than objects")
    return Page("".join(f"{line}\n" for line in lines).encode(), len(lines), last, envelope)


def _elements(text: str, at: int) -> tuple[list[str], Any, int]:
    """The array's elements as they are written (line breaks between tokens become spaces), the last one, the end."""
    decode = json.JSONDecoder().raw_decode
    lines: list[str] = []
    value: Any = None
    at = _after(text, at, "[")
    while not text.startswith("]", at):
        value, end = decode(text, at)
        lines.append(text[at:end].replace("\n", " ").replace("\r", " "))
        at = _after(text, end, ",", unless="]")
    return lines, value, at + 1


def _after(text: str, at: int, mark: str, *, unless: str = "") -> int:
    """Where the token after `mark` starts; where `unless` starts if that comes instead."""
    at = _SPACE.match(text, at).end()  # type: ignore[union-attr]  # matches the empty text too
    if unless and text.startswith(unless, at):
        return at
    if not text.startswith(mark, at):
        raise ValueError(f"expected {mark!r} at character {at}")
    return _SPACE.match(text, at + 1).end()  # type: ignore[union-attr]
