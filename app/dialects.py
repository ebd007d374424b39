"""A refusal in the words of each provider, so that its SDK raises the error its users know.

Shapes after the providers' API references (2026): OpenAI errors, Anthropic errors, Google's
google.rpc.Status (AIP-193), Bedrock runtime with x-amzn-ErrorType, Cohere errors, Langfuse public API.
"""

import json
from collections.abc import Callable
from typing import Any

from app.errors import Refusal
from app.fields import Fields

Body = dict[str, Any]

ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
GOOGLE_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
BEDROCK_TYPES = {
    400: "ValidationException",
    401: "AccessDeniedException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    405: "ValidationException",
    413: "ValidationException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
    504: "ModelTimeoutException",
}
# Where a provider's SDK looks for the id of the request; the others tell it in the body, or not at all.
REQUEST_ID_FIELDS = {"anthropic": "request-id", "bedrock": "x-amzn-RequestId"}


def error_body(refusal: Refusal, dialect: str, request_id: str) -> Body:
    """Return the JSON object that tells this refusal in a dialect of `error_format`."""
    return _BODIES[dialect](refusal, request_id)


def error_fields(refusal: Refusal, dialect: str, request_id: str) -> Fields:
    """Return the header fields beside that body: boto3 takes its exception's type from one."""
    fields = [("Content-Type", "application/json"), ("Cache-Control", "no-store"), *refusal.fields()]
    if dialect == "bedrock":
        fields.append(("x-amzn-ErrorType", BEDROCK_TYPES.get(refusal.status, "InternalServerException")))
    if dialect in REQUEST_ID_FIELDS:
        fields.append((REQUEST_ID_FIELDS[dialect], request_id))
    return fields


def error_answer(refusal: Refusal, dialect: str, request_id: str) -> tuple[Fields, bytes]:
    """Return the whole answer that tells this refusal: its fields, the length among them, and its body."""
    body = json.dumps(error_body(refusal, dialect, request_id)).encode()
    return [*error_fields(refusal, dialect, request_id), ("Content-Length", str(len(body)))], body


def error_event(refusal: Refusal, dialect: str, request_id: str) -> bytes:
    """Return the event that ends an event stream badly (WHATWG HTML §9.2), as the dialect's SDK expects it.

    Anthropic's SDK knows `event: error`; the others look for an `error` in the data.
    """
    data = json.dumps(error_body(refusal, dialect, request_id))
    name = "event: error\n" if dialect == "anthropic" else ""
    return f"{name}data: {data}\n\n".encode()


def _openai(refusal: Refusal, _request_id: str) -> Body:
    error = {"message": refusal.message, "type": refusal.type, "param": refusal.param, "code": refusal.code}
    return {"error": error}


def _anthropic(refusal: Refusal, request_id: str) -> Body:
    kind = ANTHROPIC_TYPES.get(refusal.status, "api_error")
    error = {"type": kind, "message": refusal.message, "code": refusal.code}
    return {"type": "error", "error": error, "request_id": request_id}


def _google(refusal: Refusal, request_id: str) -> Body:
    reason = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": refusal.code.upper(),
        "domain": "tollhouse",
        "metadata": {"request_id": request_id},
    }
    status = GOOGLE_STATUSES.get(refusal.status, "UNKNOWN")
    return {"error": {"code": refusal.status, "message": refusal.message, "status": status, "details": [reason]}}


def _bedrock(refusal: Refusal, _request_id: str) -> Body:
    return {"message": refusal.message, "code": refusal.code}


def _cohere(refusal: Refusal, request_id: str) -> Body:
    return {"id": request_id, "message": refusal.message, "code": refusal.code}


def _langfuse(refusal: Refusal, _request_id: str) -> Body:
    return {"message": refusal.message, "error": refusal.code}


_BODIES: dict[str, Callable[[Refusal, str], Body]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "google": _google,
    "bedrock": _bedrock,
    "cohere": _cohere,
    "langfuse": _langfuse,
}
DIALECTS = tuple(_BODIES)
