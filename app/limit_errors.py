"""What goes wrong when requests are counted; a branch of the tree in `app.errors`.

Refusal
├── RequestsForbidden   403 requests_forbidden
├── RateLimited         429 rate_limit_exceeded
├── TooManyParallel     429 too_many_parallel_requests
└── LimiterUnavailable  503 limiter_unavailable
"""

from typing import ClassVar

from app.errors import Refusal
from app.fields import Fields


class CountRefusal(Refusal):
    """A refusal that says when to come again."""

    def __init__(self, message: str, *, retry_after_s: int = 1) -> None:
        """`retry_after_s` is whole seconds, at least 1 (RFC 9110 §10.2.3)."""
        super().__init__(message)
        self.retry_after_s = retry_after_s

    def fields(self) -> Fields:
        return [("Retry-After", str(self.retry_after_s))]


class RequestsForbidden(Refusal):
    """The key may send no requests at all; 429 would have its client wait and try again for nothing."""

    status, code, type = 403, "requests_forbidden", "permission_error"


class RateLimited(CountRefusal):
    """The key has had its requests of the last 60 s."""

    status, code, type = 429, "rate_limit_exceeded", "rate_limit_error"


class TooManyParallel(CountRefusal):
    """The key has all the requests under way that it may have."""

    status, code, type = 429, "too_many_parallel_requests", "rate_limit_error"


class LimiterUnavailable(CountRefusal):
    """Requests cannot be counted now; they are not let through uncounted."""

    status, code = 503, "limiter_unavailable"
    type: ClassVar[str] = "server_error"
