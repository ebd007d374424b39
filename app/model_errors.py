"""What goes wrong between an adapter route and a model; a branch of the tree in `app.errors`.

Refusal
├── ModelNotFound           404 model_not_found
├── ModelRefused            400 upstream_refused_request
├── ContextTooLong          400 context_length_exceeded
└── UpstreamError
    ├── CredentialRefused       502 upstream_credential_refused
    ├── UpstreamRateLimited     429 upstream_rate_limited
    ├── UpstreamUnavailable     503 upstream_unavailable
    ├── UpstreamFailed          502 upstream_failed
    └── AdapterFailed           500 adapter_failed
"""

from app.errors import Refusal, UpstreamError
from app.fields import Fields


class ModelNotFound(Refusal):
    """No entry of `model_list` has this name, or its provider does not know the model behind it."""

    status, code = 404, "model_not_found"


class ModelRefused(Refusal):
    """The provider finds the request wrong; the message is its own."""

    status, code = 400, "upstream_refused_request"


class ContextTooLong(Refusal):
    """The request is longer than the model's context. The code is OpenAI's own."""

    status, code = 400, "context_length_exceeded"


class CredentialRefused(UpstreamError):
    """The provider does not take the gateway's credential: the operator's fault, and not the client's (no 401)."""

    status, code = 502, "upstream_credential_refused"


class ComeAgain(UpstreamError):
    """A refusal for now; `retry_after_s` is the provider's word, in whole seconds, where it gave one."""

    def __init__(self, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s

    def fields(self) -> Fields:
        return [] if self.retry_after_s is None else [("Retry-After", str(self.retry_after_s))]


class UpstreamRateLimited(ComeAgain):
    """The provider's own limit, not the gateway's."""

    status, code = 429, "upstream_rate_limited"


class UpstreamUnavailable(ComeAgain):
    """The provider is overloaded or down."""

    status, code = 503, "upstream_unavailable"


class UpstreamFailed(UpstreamError):
    """The provider answered with a fault of its own."""

    status, code = 502, "upstream_failed"


class AdapterFailed(UpstreamError):
    """An adapter of the operator's own raised an exception, or gave what is no answer.

    Neither the client's fault nor the gateway's; it counts as an upstream's, which stands behind the gateway too.
    """

    status, code, type = 500, "adapter_failed", "server_error"
