"""What a request meets when the key store cannot be asked."""

from app.errors import Refusal
from app.fields import Fields


class StoreUnavailable(Refusal):
    """The key store does not answer: whose key this is cannot be known, so nobody is let in (503, never 401).

    `retry_after_s` are whole seconds (RFC 9110 §10.2.3).
    """

    status, code, type = 503, "store_unavailable", "server_error"

    def __init__(self, message: str = "The key store cannot be reached; try again.", *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s

    def fields(self) -> Fields:
        return [("Retry-After", str(self.retry_after_s))]
