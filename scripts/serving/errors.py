"""What the server says when it does not answer: the OpenAI API's form of an error."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from m3_backbone.serialization import show

CLIENT_CLOSED = 499
"""What is counted where nobody waits for the answer any more; no client sees it."""


class ApiError(HTTPException):
    """A request that is not answered, and why.

    An HTTPException, which FastAPI lets through from wherever it is raised.

    Attributes:
        code: a word by which a program knows the reason.
        param: the field of the request that it is about.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, headers)
        self.code = code
        self.param = param

    def body(self) -> dict[str, Any]:
        """Give the body as the OpenAI API has it."""
        return describe_error(self.status_code, self.detail, self.code, self.param)

    def response(self) -> Response:
        """Give the response."""
        return write_json(self.body(), self.status_code, self.headers)


def describe_error(
    status: int, message: str, code: str | None = None, param: str | None = None
) -> dict[str, Any]:
    """Describe an error as the OpenAI API does.

    >>> describe_error(400, "n may only be 1", param="n")["error"]["type"]
    'invalid_request_error'
    """
    kind = "invalid_request_error" if status < 500 else "server_error"
    kind = "rate_limit_error" if status == 429 else kind
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def write_json(
    body: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Write a JSON response, in ASCII: a message may quote half a character of the client's."""
    return Response(json.dumps(body), status, headers, "application/json")


def add_error_handlers(app: FastAPI) -> None:
    """Let an application answer every error in this form."""

    async def refuse(request: Request, error: Exception) -> Response:
        if isinstance(error, ApiError):
            return error.response()
        known = error if isinstance(error, HTTPException) else HTTPException(500)
        status = known.status_code
        message = _explain_own(status, request) or str(known.detail)
        return write_json(describe_error(status, message), status, known.headers)

    async def refuse_form(_: Request, error: Exception) -> Response:
        problems = error.errors() if isinstance(error, RequestValidationError) else []
        message, param = describe_problem(problems[0])
        return write_json(describe_error(400, message, param=param), 400)

    app.add_exception_handler(HTTPException, refuse)
    app.add_exception_handler(RequestValidationError, refuse_form)


def _explain_own(status: int, request: Request) -> str | None:
    """Say what FastAPI's own refusals do not: no such path, another method, a body unread."""
    if status in (404, 405):
        asked = f"{request.method} {request.scope['path']}"
        return f"there is no {show(asked)} here; GET /openapi.json lists what there is"
    if status == 400:
        return "the body cannot be read: expected JSON in UTF-8, not nested deeply, no huge numbers"
    return None


WORDS = {"missing": "is missing", "extra_forbidden": "is not supported here"}
"""Pydantic's name of a problem -> how a user would say it."""

NO_OBJECT = ("missing", "model_attributes_type", "model_type")
"""What pydantic calls a body that is none, or something else than an object."""


def describe_problem(problem: Mapping[str, Any]) -> tuple[str, str | None]:
    """Say what is wrong with a request, and with which field.

    Args:
        problem: what pydantic found, see `ValidationError.errors`.

    Returns:
        The message and the field's name; None if it is not about one field.

    >>> describe_problem({"type": "extra_forbidden", "loc": ("body", "tools"), "msg": "-"})
    ("'tools' is not supported here", 'tools')
    """
    place: Sequence[object] = problem["loc"][1:]
    expected = problem["msg"].removeprefix("Value error, ")
    expected = expected[:1].lower() + expected[1:]
    if problem["type"] == "union_tag_invalid":  # pydantic's own words hold all of what came
        expected = f"type must be one of {problem['ctx']['expected_tags']}"
    if problem["type"] == "json_invalid":
        return f"the body is no JSON: {problem.get('ctx', {}).get('error', expected)}", None
    if problem["type"] in NO_OBJECT and not place:
        return "the body must be a JSON object, sent as content-type: application/json", None
    if not place:
        return expected, None
    # Behind the number of a content part pydantic names its type, which is no field.
    steps = [one for i, one in enumerate(place) if i < 2 or place[i - 2] != "content"]
    field = ".".join(map(str, steps))
    if problem["type"] in WORDS:
        return f"{show(field)} {WORDS[problem['type']]}", field
    return f"{show(field)}: {expected}, not {show(problem.get('input'))}", field
