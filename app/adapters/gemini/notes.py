"""What an answer has to know of its request."""

from dataclasses import dataclass

from app.adapters.schema import CompletionRequest


@dataclass(frozen=True, slots=True)
class Notes:
    is_sse: bool = False
    """The stream comes as events, not as one JSON array."""
    shows_thoughts: bool = False
    wrapped: str | None = None
    """Media type of an answer that was asked for as a member of an object."""


def notes_of(request: CompletionRequest) -> Notes:
    """Return the notes of `completion_request`; a request that was made elsewhere has none."""
    return request.notes if isinstance(request.notes, Notes) else Notes()
