"""The three error shapes of Zuora: HTTP status with reasons, CRUD style, and AQuA's errors inside HTTP 200."""

from __future__ import annotations

import uuid

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class ApiError(Exception):
    """An error of the v1 API: a status and reasons with eight-digit codes (developer.zuora.com, "Error codes")."""

    def __init__(self, status: int, code: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers

    def response(self) -> Response:
        """The answer as Zuora words it."""
        body = {
            "success": False,
            "processId": uuid.uuid4().hex[:16].upper(),
            "reasons": [{"code": self.code, "message": self.message}],
            "requestId": str(uuid.uuid4()),
        }
        return JSONResponse(body, self.status, self.headers)


class GrantError(Exception):
    """An error of the token endpoint."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status}: {reason}")
        self.status = status
        self.reason = reason

    def response(self) -> Response:
        """The answer as Zuora words it."""
        return JSONResponse({"reason": self.reason}, self.status)


class ActionError(Exception):
    """An error of the action calls."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message

    def response(self) -> Response:
        """The answer as Zuora words it."""
        return JSONResponse({"Errors": [{"Code": self.code, "Message": self.message}], "Success": False}, 400)


class AquaError(Exception):
    """An error of AQuA: HTTP 200, and the error in the body (docs.zuora.com, "AQuA API error codes")."""

    def __init__(self, code: int, detail: str = "") -> None:
        self.code = code
        self.message = AQUA_MESSAGES[code] + (f" {detail}" if detail else "")
        super().__init__(f"{code}: {self.message}")

    def response(self) -> Response:
        """The answer as Zuora words it."""
        return JSONResponse({"status": "error", "errorCode": str(self.code), "message": self.message, "batches": []})


class QueryError(Exception):
    """A query that cannot be run: bad syntax, unknown object or field, a value that does not fit."""


AQUA_MESSAGES = {
    # Zuora documents the limit of concurrent jobs, but neither code nor words: 90018 is ours.
    90002: "Invalid Job Id.",
    90003: "Invalid Job Id for job cancellation.",
    90004: "Invalid number of queries allowed. A maximum of 50 queries are supported in an AQuA request.",
    90005: "There is a syntax error in one of the queries in the AQuA input",
    90007: "The query execution has been aborted.",
    90009: "User is not authorized.",
    90010: "Internal Server Error.",
    90012: "Stateless AQuA does not support deleted columns.",
    90015: "The incremental timestamp is invalid.",
    90016: "There are no queries included in the AQuA version 1.0 request.",
    90017: "The object does not support the querying of deleted records:",
    90018: "The maximum number of concurrent stateless AQuA jobs has been reached.",
}


def not_signed_in() -> ApiError:
    """401 for a missing, unknown or expired access token."""
    return ApiError(401, 90000011, "this resource is protected, please sign in first")


def too_many_requests(seconds: int) -> ApiError:
    """429 when the tenant's calls of this minute are used up."""
    return ApiError(429, 50000070, "Request exceeded limit", {"Retry-After": str(seconds)})


async def answer_error(request: Request, error: Exception) -> Response:
    """Exception handler of the app."""
    assert isinstance(error, (ApiError, GrantError, ActionError, AquaError))
    return error.response()
