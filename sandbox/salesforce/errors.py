"""The errors Salesforce answers with."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class ApiError(Exception):
    """An error of the data APIs: a status and a JSON array with one code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message

    def response(self) -> Response:
        """The answer as Salesforce words it."""
        return JSONResponse([{"message": self.message, "errorCode": self.code}], status_code=self.status)


class LoginError(Exception):
    """An error of the token endpoint, worded as OAuth 2.0 asks."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status

    def response(self) -> Response:
        """The answer as Salesforce words it."""
        body = {"error": self.error, "error_description": self.description}
        return JSONResponse(body, status_code=self.status, headers={"Cache-Control": "no-store"})


def malformed(message: str) -> ApiError:
    """400 MALFORMED_QUERY."""
    return ApiError(400, "MALFORMED_QUERY", message)


def not_found() -> ApiError:
    """404 for a path or a record that is not there."""
    return ApiError(404, "NOT_FOUND", "The requested resource does not exist")


async def answer_api_error(request: Request, error: Exception) -> Response:
    """Exception handler of the app."""
    assert isinstance(error, (ApiError, LoginError))
    return error.response()
