"""What has been carried over of a request, and what could not be."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Carried:
    """A request on its way into litellm's words."""

    prefix: str = ""
    """Stands before the names of its fields: "input.converse." where only tokens are counted."""
    arguments: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)

    def take(self, argument: str, value: Any, origin: str) -> None:
        """Take an argument that comes from this field, named without the prefix."""
        self.arguments[argument] = value
        self.origins[argument] = f"{self.prefix}{origin}"

    def drop(self, fields: Iterable[str]) -> None:
        """Note fields, named without the prefix, that nothing carries."""
        self.dropped += [f"{self.prefix}{dropped}" for dropped in fields]
