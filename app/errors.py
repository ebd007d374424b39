"""Everything that can go wrong with an exchange, as one tree.

    GatewayError
    ├── Refusal                     answered by the gateway itself: status and code
    │   ├── InvalidRequest          400 invalid_request
    │   ├── KeyRequired             401 invalid_api_key
    │   ├── RouteForbidden          403 route_forbidden
    │   ├── MasterKeyRequired       403 master_key_required
    │   ├── RouteNotFound           404 route_not_found
    │   ├── MethodNotAllowed        405 method_not_allowed
    │   ├── RequestTimeout          408 request_timeout
    │   ├── RequestTooLarge         413 request_too_large
    │   ├── UriTooLong              414 uri_too_long
    │   ├── ExpectationFailed       417 expectation_failed
    │   ├── HeadersTooLarge         431 headers_too_large
    │   ├── UnsupportedTransferCoding 501 unsupported_transfer_coding
    │   ├── ServerStopping          503 server_stopping
    │   ├── ServerOverloaded        503 server_overloaded
    │   ├── UpstreamOverloaded      503 upstream_overloaded
    │   ├── InternalError           500 internal_error
    │   └── UpstreamError           the upstream's fault, found before its answer began
    │       ├── UpstreamUnreachable     502 upstream_unreachable
    │       ├── UpstreamInvalidResponse 502 upstream_invalid_response
    │       ├── UpstreamTimeout         504 upstream_timeout
    │       └── StreamBroken            told in an event, the status being spent
    └── TransferBroken              the status is spent: all that is left is to break off
        ├── UpstreamBroke           the upstream's answer ended early
        └── ClientLeft              the client closed its connection

Settings have their own tree in `app.settings`: they fail before there is an exchange.
"""

import errno
from http import HTTPStatus
from typing import ClassVar

from app.fields import Fields


class GatewayError(Exception):
    """Base of everything in this tree."""


class Refusal(GatewayError):
    """A request the gateway answers itself; subclasses fix status and code.

    The message is shown to the client: it names the route or the field, and never
    a credential, an address of the upstream or a key.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    type: ClassVar[str] = "invalid_request_error"

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param

    @property
    def status_line(self) -> str:
        """The status with its usual reason phrase: "404 Not Found"."""
        return f"{self.status} {HTTPStatus(self.status).phrase}"

    def fields(self) -> Fields:
        """Return the header fields that this refusal needs beside its body."""
        return []


class InvalidRequest(Refusal):
    """The request breaks a rule of HTTP or of this gateway."""

    status, code = 400, "invalid_request"


class KeyRequired(Refusal):
    """No gateway key, or none that is valid; which of the two is the only thing told (RFC 9110 §15.5.2)."""

    status, code, type = 401, "invalid_api_key", "authentication_error"

    def __init__(self, message: str, *, scheme: str = "Bearer") -> None:
        super().__init__(message)
        self.scheme = scheme

    def fields(self) -> Fields:
        return [("WWW-Authenticate", f'{self.scheme} realm="tollhouse"')]


class RouteForbidden(Refusal):
    """The key is valid, and not for this route."""

    status, code, type = 403, "route_forbidden", "permission_error"


class MasterKeyRequired(Refusal):
    """The key is valid, and only the master key manages keys."""

    status, code, type = 403, "master_key_required", "permission_error"


class RouteNotFound(Refusal):
    """No route has this path, spelled as it was sent."""

    status, code = 404, "route_not_found"


class MethodNotAllowed(Refusal):
    """The route exists, and does not take this method (RFC 9110 §15.5.6 asks for Allow)."""

    status, code = 405, "method_not_allowed"

    def __init__(self, message: str, *, allow: tuple[str, ...]) -> None:
        super().__init__(message)
        self.allow = allow

    def fields(self) -> Fields:
        return [("Allow", ", ".join(self.allow))]


class RequestTimeout(Refusal):
    """The client stopped sending its body for longer than the route's idle time-out (RFC 9110 §15.5.9)."""

    status, code = 408, "request_timeout"


class RequestTooLarge(Refusal):
    """The body is larger than `general_settings.max_request_size_mb`."""

    status, code = 413, "request_too_large"


class UriTooLong(Refusal):
    """The request line is longer than `limit_request_line`."""

    status, code = 414, "uri_too_long"


class HeadersTooLarge(Refusal):
    """Too many header fields, one too long, or too much in all (RFC 6585 §5)."""

    status, code = 431, "headers_too_large"


class UnsupportedTransferCoding(Refusal):
    """A transfer coding other than chunked (RFC 9112 §6.1)."""

    status, code = 501, "unsupported_transfer_coding"


class ExpectationFailed(Refusal):
    """An expectation other than 100-continue (RFC 9110 §10.1.1)."""

    status, code = 417, "expectation_failed"


class InternalError(Refusal):
    """A fault of the gateway; its log has the traceback under the request id."""

    status, code, type = 500, "internal_error", "server_error"


class ServerOverloaded(Refusal):
    """This worker holds as many connections as it can; told at once, since waiting would make it worse."""

    status, code, type = 503, "server_overloaded", "server_error"

    def fields(self) -> Fields:
        return [("Retry-After", "1")]


class UpstreamOverloaded(Refusal):
    """As many exchanges as may wait for one upstream are waiting already."""

    status, code, type = 503, "upstream_overloaded", "server_error"

    def fields(self) -> Fields:
        return [("Retry-After", "1")]


class UpstreamError(Refusal):
    """The upstream gave no answer that can be passed on."""

    type = "upstream_error"


class UpstreamUnreachable(UpstreamError):
    """No connection: name not resolved, refused, reset before an answer, or TLS failed."""

    status, code = 502, "upstream_unreachable"


class UpstreamInvalidResponse(UpstreamError):
    """What came back is not an HTTP/1 response that can be relayed safely."""

    status, code = 502, "upstream_invalid_response"


class UpstreamTimeout(UpstreamError):
    """No connection or no first byte in time; the upstream may still have done the work."""

    status, code = 504, "upstream_timeout"


class StreamBroken(UpstreamError):
    """The last event of an event stream that its upstream did not finish."""

    status, code = 502, "upstream_stream_broken"


class TransferBroken(GatewayError, ConnectionResetError):
    """The exchange ends in mid-air and its connection must be closed, not completed.

    A ConnectionResetError on purpose: gunicorn closes the client's connection on one
    without a last chunk, without an error page and without a traceback in the log.
    """

    def __init__(self, message: str) -> None:
        super().__init__(errno.ECONNRESET, message)


class UpstreamBroke(TransferBroken):
    """The upstream's answer ended before it was whole."""


class ClientLeft(TransferBroken):
    """The client closed its connection before the exchange was over."""


class ServerStopping(Refusal, TransferBroken):
    """The graceful time is over: refused where no answer has begun, broken off where one has."""

    status, code, type = 503, "server_stopping", "server_error"

    def fields(self) -> Fields:
        return [("Retry-After", "1")]
