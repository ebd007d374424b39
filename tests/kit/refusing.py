"""A model that refuses in OpenAI's own words, which stand beside the content."""

from __future__ import annotations

from typing import Any

PIECES = ["I cannot ", "help with that."]
REFUSAL = "".join(PIECES)


def refuse(visit: Any, body: Any) -> None:
    """To be added to `tests.kit.openai_server.MODELS`."""
    visit.complete(body, {"content": None, "refusal": REFUSAL}, "stop", [{"refusal": piece} for piece in PIECES])
