"""GoogleSQL: quoting, types, and the statements that both warehouses share, said in GoogleSQL.

The statements that decide what happens to a row (`merge`, `bury`, `quarantine`, `ledger`) are written once, in forms
that both engines understand. What is left differs only in spelling: quotes, the escaping of text, the zone of an
instant, names of types and of temporary tables. `spoken` changes exactly that, token by token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from connectors.contract import DataType

BIGQUERY_TYPES = {of: str(of) for of in DataType}

_TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|[^'"]+""")
_WORD = re.compile(r"temp\.\w+|\browid\b|\bVARCHAR\b|\bBOOLEAN\b|\bBIGINT\b")
_WORDS = {"rowid": "_row", "VARCHAR": "STRING", "BOOLEAN": "BOOL", "BIGINT": "INT64"}
_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\0": "\\0"}


def name(identifier: str) -> str:
    """An identifier, quoted."""
    return "`" + identifier.replace("\\", "\\\\").replace("`", "\\`") + "`"


def text(value: str | None) -> str:
    """A string literal, or NULL."""
    return "NULL" if value is None else "'" + "".join(_ESCAPES.get(c, c) for c in value) + "'"


def spoken(sql: str, *, dataset: str, relations: Mapping[str, str] | None = None) -> str:
    """The statement in GoogleSQL.

    Args:
        dataset: the dataset in the place of the schema STG.
        relations: what stands for a temporary table (`temp.batch_stage`), where it is no temporary table.
    """
    said: list[str] = []

    def word(found: re.Match[str]) -> str:
        token = found[0]
        if token.startswith("temp."):
            return (relations or {}).get(token) or token.removeprefix("temp.")
        return _WORDS[token]

    for token in _TOKEN.findall(sql):
        if token[0] == '"':
            inner = token[1:-1].replace('""', '"')
            said.append(name(dataset if inner == "STG" else inner))
        elif token[0] == "'":
            instant = bool(said) and said[-1].endswith("TIMESTAMP ")
            said.append(text(token[1:-1].replace("''", "'") + ("+00" if instant else "")))
        else:
            said.append(_WORD.sub(word, token))
    return "".join(said)
