"""What litellm raises, as a refusal: told by the names of its exceptions, so that nothing of it is imported."""

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from math import ceil
from time import time
from typing import Any
from urllib.parse import urlsplit

from app.adapters.withheld import SHORTEST_SECRET, starred
from app.errors import (
    GatewayError,
    InvalidRequest,
    Refusal,
    StreamBroken,
    UpstreamInvalidResponse,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from app.model_errors import (
    ContextTooLong,
    CredentialRefused,
    ModelNotFound,
    ModelRefused,
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamUnavailable,
)

LONGEST_MESSAGE = 2000
MOST_RETRY_AFTER_S = 24 * 3600

# Of litellm, openai and httpx, the libraries that litellm's providers call with.
LATE = ("Timeout", "APITimeoutError", "TimeoutException")
UNREADABLE = ("JSONDecodeError", "DecodingError", "RemoteProtocolError", "APIResponseValidationError")
UNCONNECTED = ("APIConnectionError", "TransportError")
# litellm fell over what it read, if there was an answer to read.
FALLEN_OVER = ("LookupError", "TypeError", "ValueError", "AttributeError", "AssertionError")
# litellm's own word on the request; nobody was asked.
UNASKED = ("ImageFetchError", "UnsupportedParamsError")

BY_URL = "This model takes no image or file by its URL, and the gateway fetches none; send its octets."


class ProviderSaid(Exception):
    """What the provider said, for the operator's log; credentials and addresses are stars."""

    def __init__(self, said: str, status: int | None) -> None:
        super().__init__(said)
        self.status = status


def refusal_of(fault: BaseException, params: Mapping[str, Any], heard: int | None = None) -> GatewayError:
    """Return the refusal that tells a client what an exception of litellm's means, its cause a `ProviderSaid`.

    `params` are the model's `litellm_params`: their values stay out of every message. `heard` is the status of the
    answer that came, where it is known: what is wrong after a good one is not the client's fault.
    """
    links = list(_chain(fault))
    for link in links:
        if isinstance(link, GatewayError):  # thrown into a waiting call: the server stops, the client has left
            return link
    told = _told(links)
    said = masked(told or _words(links), params)[:LONGEST_MESSAGE]
    names = {kind.__name__ for link in links for kind in type(link).__mro__}
    # Of a stream's fault litellm makes one with a status of its own.
    status = getattr(getattr(fault, "original_exception", None) or fault, "status_code", None)
    if heard is not None and heard < 400:
        names = _after_answer(names, heard, is_told=bool(told))
        status = _told_status(links) or status
    refusal = _by_name(names, said) or _by_status(status, said, retry_after_s(links))
    is_unheard = isinstance(refusal, UpstreamUnreachable | UpstreamTimeout) or any(name in names for name in UNASKED)
    # Other words than the provider's may quote what it sent, which is no business of a log.
    names_of_links = " from ".join(dict.fromkeys(type(link).__name__ for link in links))
    cause = f"{names_of_links}: {said}" if told else names_of_links
    refusal.__cause__ = ProviderSaid(cause, None if is_unheard else heard or status)
    return refusal


def _after_answer(names: set[str], heard: int, *, is_told: bool) -> set[str]:
    """Return the exceptions' names with what they mean once an answer had begun; `is_told` of one that tells an error.

    litellm then calls its own faults those of a connection, or of the request.
    """
    left = names.difference(UNCONNECTED)
    is_unreadable = heard >= 300 or left != names or not left.isdisjoint(FALLEN_OVER)
    return left | {UNREADABLE[0]} if is_unreadable and not is_told else left


def in_stream(refusal: GatewayError) -> GatewayError:
    """Return the refusal as it is told of a stream that had begun."""
    if not isinstance(refusal, UpstreamUnreachable | UpstreamInvalidResponse | UpstreamFailed):
        return refusal
    broken = StreamBroken("The model's stream broke off.")
    broken.__cause__ = refusal.__cause__
    return broken


def _by_name(names: Container[str], said: str) -> Refusal | None:
    """Return what the exceptions' names say by themselves: their status codes are litellm's inventions."""
    if "ContextWindowExceededError" in names:
        return ContextTooLong(said, param="messages")
    if UNASKED[0] in names:
        return InvalidRequest(BY_URL, param="messages")
    if any(name in names for name in LATE):
        return UpstreamTimeout("The model did not answer in time; it may still do the work.")
    if any(name in names for name in UNREADABLE):
        return UpstreamInvalidResponse("The model's provider sent something that is no answer.")
    if any(name in names for name in UNCONNECTED):
        return UpstreamUnreachable("The model's provider could not be reached.")
    return None


def _by_status(status: object, said: str, retry_after: int | None) -> Refusal:
    """Return what the provider's status says. litellm's class says less: it also goes by words of the message."""
    match status:
        case 401 | 402 | 403:
            return CredentialRefused("The model's provider does not accept the gateway's credential.")
        case 404:
            return ModelNotFound("The model's provider does not know the model behind this name.", param="model")
        case 429:
            return UpstreamRateLimited("The model's provider is over its rate limit.", retry_after_s=retry_after)
        case 503 | 529:
            return UpstreamUnavailable("The model's provider is overloaded.", retry_after_s=retry_after)
        case 408 | 504:
            return UpstreamTimeout("The model did not answer in time; it may still do the work.")
        case int() if 400 <= status < 500:
            return ModelRefused(said)
    return UpstreamFailed("The model's provider failed.")


def _chain(fault: BaseException | None) -> Iterator[BaseException]:
    """Yield the exception and what it came from, litellm's own way to say so included."""
    seen: set[int] = set()
    while fault is not None and id(fault) not in seen:
        seen.add(id(fault))
        yield fault
        fault = getattr(fault, "original_exception", None) or fault.__cause__ or fault.__context__


def _told(links: Iterable[BaseException]) -> str:
    """Return the `message` in the provider's body, "" where there is none."""
    for link in links:
        body = getattr(link, "body", None)
        error = body.get("error", body) if isinstance(body, dict) else None
        message = error.get("message") if isinstance(error, dict) else None
        if isinstance(message, str) and message:
            return message
    return ""


def _told_status(links: Iterable[BaseException]) -> int | None:
    """Return the status that an error has which came in place of an answer, or of a piece of a stream."""
    for link in links:
        body = getattr(link, "body", None)
        error = body.get("error", body) if isinstance(body, dict) else None
        code = str(error.get("code")) if isinstance(error, dict) else ""
        if re.fullmatch("[45][0-9][0-9]", code):
            return int(code)
    return None


def _words(links: Iterable[BaseException]) -> str:
    """Return what litellm says."""
    said = next((text for link in links if (text := str(getattr(link, "message", None) or link))), "")
    # "litellm.BadRequestError: OpenAIException - what was said"
    return said.partition("Exception - ")[2] or said.removeprefix("litellm.").partition("Error: ")[2] or said


def masked(text: str, params: Mapping[str, Any]) -> str:
    """Return the text with stars for every text that the `litellm_params` hold, and for the hosts in them."""
    return starred(text, _secrets(params))


def _secrets(params: Mapping[str, Any]) -> Iterator[str]:
    for value in params.values():
        if isinstance(value, Mapping):
            yield from _secrets(value)
        elif isinstance(value, str) and len(value) >= SHORTEST_SECRET:
            yield value
            host = urlsplit(value).netloc if "://" in value else ""
            yield from (part for part in (host, host.rpartition(":")[0]) if part)


def retry_after_s(links: Iterable[BaseException]) -> int | None:
    """Return the seconds that the provider's Retry-After names, rounded up (RFC 9110 §10.2.3)."""
    for link in links:
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
