"""The errors NetSuite's REST services answer with (Oracle NetSuite Help, "REST Web Services Error Handling")."""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

_SECTIONS = {
    400: ("10.4.1", "Bad Request"), 401: ("10.4.2", "Unauthorized"), 403: ("10.4.4", "Forbidden"),
    404: ("10.4.5", "Not Found"), 405: ("10.4.6", "Method Not Allowed"), 429: ("10.4", "Too Many Requests"),
    500: ("10.5.1", "Internal Server Error"),
}  # fmt: skip
_INVALID_QUERY = "Invalid search query. Detailed unprocessed description follows. Search error occurred: "


class RestError(Exception):
    """An error of the REST services.

    Args:
        where: the entry that points at the cause, e.g. `("o:errorQueryParam", "limit")`.
        headers: headers of the answer besides its type.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        where: tuple[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.where = where
        self.headers = headers or {}

    def response(self) -> Response:
        """The answer as NetSuite words it."""
        section, title = _SECTIONS[self.status]
        details = {"detail": self.detail, "o:errorCode": self.code}
        if self.where:
            details[self.where[0]] = self.where[1]
        body = {
            "type": f"https://www.w3.org/Protocols/rfc2616/rfc2616-sec10.html#sec{section}",
            "title": title,
            "status": self.status,
            "o:errorDetails": [details],
        }
        media_type = "application/vnd.oracle.resource+json; type=error"
        return Response(json.dumps(body), self.status, self.headers, media_type)


class GrantError(Exception):
    """An error of the token endpoint, worded as OAuth 2.0 asks. The answer tells nothing but the code."""

    def __init__(self, error: str, reason: str) -> None:
        super().__init__(f"{error}: {reason}")
        self.error = error

    def response(self) -> Response:
        """400 with the bare code."""
        return JSONResponse({"error": self.error}, status_code=400, headers={"Cache-Control": "no-store"})


def invalid_query(reason: str) -> RestError:
    """400 INVALID_PARAMETER for a query that cannot be run."""
    return RestError(400, "INVALID_PARAMETER", _INVALID_QUERY + reason)


def invalid_parameter(name: str, detail: str) -> RestError:
    """400 INVALID_PARAMETER for a parameter of the URL."""
    return RestError(400, "INVALID_PARAMETER", detail, where=("o:errorQueryParam", name))


def invalid_login() -> RestError:
    """401 for a missing, unknown or expired access token."""
    return RestError(
        401,
        "INVALID_LOGIN",
        "Invalid login attempt. For more details, see the Login Audit Trail in the NetSuite UI at Setup > Users/Roles "
        "> User Management > View Login Audit Trail.",
        headers={"WWW-Authenticate": 'Bearer realm="sandbox", error="invalid_token"'},
    )


async def answer_error(request: Request, error: Exception) -> Response:
    """Exception handler of the app."""
    assert isinstance(error, (RestError, GrantError))
    return error.response()
