"""SuiteQL over REST: parameters, paging, and the answer's envelope (Oracle NetSuite Help, section 157909186990)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from sandbox.netsuite.account import NetSuiteAccount
from sandbox.netsuite.errors import RestError, invalid_parameter, invalid_query
from sandbox.netsuite.suiteql import parse, translate

LARGEST_PAGE = 1_000
MOST_PAGES = 1_000
MOST_ROWS = 100_000


@dataclass(frozen=True)
class PageRequest:
    """Which rows of the result are asked for."""

    limit: int
    offset: int

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> PageRequest:
        """Read `limit` and `offset`. Raises RestError 400 for values out of range."""
        limit = _whole(parameters, "limit", LARGEST_PAGE)
        offset = _whole(parameters, "offset", 0)
        if not 1 <= limit <= LARGEST_PAGE:
            raise invalid_parameter("limit", f"Invalid value for limit. Provide a value between 1 and {LARGEST_PAGE}.")
        if offset % limit:
            raise invalid_parameter("offset", "Invalid value for offset. Provide a value divisible by limit.")
        if offset + limit > MOST_ROWS or offset // limit >= MOST_PAGES:
            raise invalid_parameter(
                "offset",
                f"Invalid value for offset. A query can return at most {MOST_PAGES:,} pages and {MOST_ROWS:,} rows.",
            )
        return cls(limit, offset)


def check_prefer(prefer: str) -> None:
    """Raises RestError 400 unless the call says `Prefer: transient`."""
    if "transient" not in {part.strip().lower() for part in prefer.split(",")}:
        raise RestError(
            400,
            "INVALID_HEADER",
            "The required request header 'Prefer' is missing or has an invalid value. Provide 'transient'.",
            where=("o:errorHeader", "Prefer"),
        )


def query_of(body: bytes) -> str:
    """The query text in a request body. Raises RestError 400."""
    try:
        text = json.loads(body)["q"]
    except (ValueError, KeyError, TypeError):
        text = None
    if not isinstance(text, str):
        raise RestError(400, "INVALID_CONTENT", "Invalid content in the request body. Provide an object with 'q'.")
    return text


def answer(account: NetSuiteAccount, text: str, page: PageRequest, url: str) -> bytes:
    """Run a query and write one page of its result. `url` is the endpoint's, for the links.

    Raises:
        RestError: the query cannot be run.
    """
    with account.world.lock:
        session = account.session()
        query = translate(parse(text), session)
        try:
            rows = account.world.sql(query.page(page.limit, page.offset, session.date_format)).fetchall()
            total: int = rows[0][1] if rows else account.world.sql(query.count()).fetchall()[0][0]
        except duckdb.Error as error:
            raise invalid_query(_oracle_words(error)) from None
    head = {
        "links": _links(url, page, total),
        "count": len(rows),
        "hasMore": page.offset + len(rows) < total,
    }
    tail = {"offset": page.offset, "totalResults": total}
    items = ",".join(item for item, _ in rows)
    return f'{json.dumps(head)[:-1]},"items":[{items}],{json.dumps(tail)[1:]}'.encode()


def _links(url: str, page: PageRequest, total: int) -> list[dict[str, str]]:
    last = (total - 1) // page.limit * page.limit if total else 0
    offsets = {"self": page.offset, "first": 0, "last": last}
    if page.offset + page.limit < total:
        offsets["next"] = page.offset + page.limit
    if page.offset:
        offsets["previous"] = page.offset - page.limit
    return [{"rel": rel, "href": f"{url}?limit={page.limit}&offset={offset}"} for rel, offset in offsets.items()]


def _whole(parameters: Mapping[str, str], name: str, default: int) -> int:
    text = parameters.get(name)
    if text is None:
        return default
    if not text.isdecimal() or not text.isascii() or len(text) > 9:
        raise invalid_parameter(name, f"Invalid value for {name}. Provide a whole number.")
    return int(text)


def _oracle_words(error: duckdb.Error) -> str:
    if isinstance(error, (duckdb.ConversionException, duckdb.InvalidInputException)):
        return "ORA-01722: invalid number, or ORA-01861: literal does not match format string"
    if isinstance(error, duckdb.BinderException) and "GROUP BY" in str(error):
        return "ORA-00979: not a GROUP BY expression"
    return "Invalid or unsupported search"
