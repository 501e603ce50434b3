"""What a job asks for, read from the posted JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sandbox.zuora.errors import ApiError, AquaError

MOST_QUERIES = 50
LONGEST_NAME = 32
_FORMATS = ("csv", "gzip", "zip")


@dataclass(frozen=True)
class DeletedColumn:
    """The column that flags deleted rows, as true/false or 1/0."""

    column: str
    format: Literal["Boolean", "Numeric"]


@dataclass(frozen=True)
class QueryRequest:
    """One query of a job."""

    name: str
    query: str
    type: Literal["zoql", "zoqlexport"]
    deleted: DeletedColumn | None = None
    api_version: str | None = None


@dataclass(frozen=True)
class JobRequest:
    """One job, checked as far as that goes without looking at the queries' text."""

    queries: tuple[QueryRequest, ...]
    name: str
    format: Literal["csv", "gzip", "zip"]
    version: str
    use_query_labels: bool
    date_time_utc: bool
    null_replacement: str

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> JobRequest:
        """Read a job.

        Raises:
            AquaError: 90004, 90005, 90009, 90015 or 90016.
            ApiError: a field has an impossible value.
        """
        queries = body.get("queries") or []
        if not queries:
            raise AquaError(90016)
        if len(queries) > MOST_QUERIES:
            raise AquaError(90004)
        if body.get("partner") and body.get("project"):
            raise AquaError(90009, "The partner is not registered with this tenant: stateful mode is not available.")
        if body.get("incrementalTime"):
            raise AquaError(90015)
        wanted = str(body.get("format", "csv")).lower()
        name = str(body.get("name") or "")
        if wanted not in _FORMATS:
            raise ApiError(400, 53000020, f"'format' value should be one of: {', '.join(_FORMATS)}")
        if len(name) > LONGEST_NAME:
            raise ApiError(400, 53000020, f"'name' has a maximum of {LONGEST_NAME} characters")
        if str(body.get("encrypted") or "none") != "none":
            raise ApiError(400, 53000020, "'encrypted' value should be: none")
        return cls(
            tuple(_query(item) for item in queries),
            name,
            wanted,  # type: ignore[arg-type]
            str(body.get("version") or "1.0"),
            _flag(body.get("useQueryLabels")),
            _flag(body.get("dateTimeUtc")),
            str(body.get("nullReplacement") or ""),
        )


def _query(item: Any) -> QueryRequest:
    if not isinstance(item, Mapping) or not isinstance(item.get("query"), str):
        raise AquaError(90005)
    kind = str(item.get("type") or "zoql")
    if kind not in ("zoql", "zoqlexport"):
        raise ApiError(400, 53000020, "'type' value should be one of: zoql, zoqlexport")
    deleted = item.get("deleted")
    return QueryRequest(
        str(item.get("name") or ""),
        item["query"],
        kind,  # type: ignore[arg-type]
        _deleted(deleted) if deleted else None,
        str(item["apiVersion"]) if item.get("apiVersion") else None,
    )


def _deleted(item: Mapping[str, Any]) -> DeletedColumn:
    written = str(item.get("format") or "Boolean")
    if written not in ("Boolean", "Numeric"):
        raise ApiError(400, 53000020, "'deleted.format' value should be one of: Boolean, Numeric")
    return DeletedColumn(str(item.get("column") or "Deleted"), written)  # type: ignore[arg-type]


def _flag(value: Any) -> bool:
    return str(value).lower() == "true"
