"""What litellm raises, as a refusal: told by the names of its exceptions, so that nothing of it is imported."""

from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from math import ceil
from time import time
from typing import Any
from urllib.parse import urlsplit

from app.errors import GatewayError, Refusal, UpstreamInvalidResponse, UpstreamTimeout, UpstreamUnreachable
from app.model_errors import (
    ContextTooLong,
    CredentialRefused,
    ModelNotFound,
    ModelRefused,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamUnavailable,
)

STARS = "****"
LONGEST_MESSAGE = 2000
# A shorter value of litellm_params is a word that may stand in any sentence.
SHORTEST_SECRET = 4
LATE = "The model did not answer in time; it may still do the work."
MOST_RETRY_AFTER_S = 24 * 3600

# litellm/exceptions.py, 1.106.2; of an exception's classes the first with a meaning decides.
REFUSED = ("ContentPolicyViolationError", "UnsupportedParamsError", "BadRequestError", "UnprocessableEntityError")


class ProviderSaid(Exception):
    """What the provider said, for the operator's log; credentials and addresses are stars."""

    def __init__(self, said: str, status: int | None) -> None:
        super().__init__(said)
        self.status = status


def refusal_of(fault: BaseException, params: Mapping[str, Any]) -> GatewayError:
    """Return the refusal that tells a client what an exception of litellm's means, its cause a `ProviderSaid`.

    `params` are the model's `litellm_params`: their values stay out of every message.
    """
    for link in _chain(fault):
        if isinstance(link, GatewayError):  # thrown into a waiting call: the server stops, the client has left
            return link
    said = masked(_words(fault), params)[:LONGEST_MESSAGE]
    names = [kind.__name__ for kind in type(fault).__mro__]
    refusal = next((found for name in names if (found := _told(name, fault, said))), None) or _by_status(fault, said)
    refusal.__cause__ = ProviderSaid(f"{names[0]}: {said}", _status(fault))
    return refusal


def _told(name: str, fault: BaseException, said: str) -> Refusal | None:
    """Return what the exception class of this name means; None for one that says nothing by itself."""
    match name:
        case "AuthenticationError" | "PermissionDeniedError":
            return CredentialRefused("The model's provider does not accept the gateway's credential.")
        case "NotFoundError":
            return ModelNotFound("The model's provider does not know the model behind this name.", param="model")
        case "RateLimitError":
            message = "The model's provider is over its rate limit."
            return UpstreamRateLimited(message, retry_after_s=retry_after_s(fault))
        case "ContextWindowExceededError":
            return ContextTooLong(said, param="messages")
        case _ if name in REFUSED:
            return ModelRefused(said)
        case "Timeout" | "APITimeoutError":
            return UpstreamTimeout(LATE)
        case "APIConnectionError":
            return _unconnected(fault)
    return None


def _by_status(fault: BaseException, said: str) -> Refusal:
    status = _status(fault)
    if status in (503, 529):
        return UpstreamUnavailable("The model's provider is overloaded.", retry_after_s=retry_after_s(fault))
    if status in (400, 413, 422):
        return ModelRefused(said)
    return UpstreamTimeout(LATE) if status in (408, 504) else UpstreamFailed("The model's provider failed.")


def _status(fault: BaseException) -> int | None:
    status = getattr(fault, "status_code", None)
    return status if isinstance(status, int) else None


def _unconnected(fault: BaseException) -> Refusal:
    """Tell a connection that failed from an answer that could not be read: litellm has one name for both."""
    names = {kind.__name__ for link in _chain(fault) for kind in type(link).__mro__}
    if names & {"TimeoutException", "APITimeoutError"}:
        return UpstreamTimeout(LATE)
    if names & {"JSONDecodeError", "DecodingError", "ValidationError", "KeyError", "RemoteProtocolError"}:
        return UpstreamInvalidResponse("The model's provider sent something that is no answer.")
    return UpstreamUnreachable("The model's provider could not be reached.")


def _chain(fault: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while fault is not None and id(fault) not in seen:
        seen.add(id(fault))
        yield fault
        fault = fault.__cause__ or fault.__context__


def _words(fault: BaseException) -> str:
    """Return what the provider said: the `message` in its body where there is one."""
    for link in _chain(fault):
        body = getattr(link, "body", None)
        error = body.get("error", body) if isinstance(body, dict) else None
        said = error.get("message") if isinstance(error, dict) else None
        if isinstance(said, str) and said:
            return said
    said = str(getattr(fault, "message", fault))
    # "litellm.BadRequestError: OpenAIException - what was said"
    return said.partition(" - ")[2] or said.partition(": ")[2] or said


def masked(text: str, params: Mapping[str, Any]) -> str:
    """Return the text with stars for every text that the `litellm_params` hold, and for the hosts in them."""
    for secret in sorted(set(_secrets(params)), key=len, reverse=True):
        text = text.replace(secret, STARS)
    return text


def _secrets(params: Mapping[str, Any]) -> Iterator[str]:
    for value in params.values():
        if isinstance(value, Mapping):
            yield from _secrets(value)
        elif isinstance(value, str) and len(value) >= SHORTEST_SECRET:
            yield value
            host = urlsplit(value).netloc if "://" in value else ""
            yield from (part for part in (host, host.rpartition(":")[0]) if part)


def retry_after_s(fault: BaseException) -> int | None:
    """Return the seconds that the provider's Retry-After names, rounded up (RFC 9110 §10.2.3)."""
    for link in _chain(fault):
        of_response = getattr(getattr(link, "response", None), "headers", None)
        for fields in (getattr(link, "litellm_response_headers", None), of_response):
            value = fields.get("retry-after") if fields else None
            if value:
                return _seconds(str(value))
    return None


def _seconds(value: str) -> int | None:
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time()
        except ValueError:
            return None
    return max(1, ceil(seconds)) if seconds <= MOST_RETRY_AFTER_S else None
