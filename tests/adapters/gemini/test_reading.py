"""What is nested too deep is refused before anything recurses into it."""

from __future__ import annotations

from typing import Any

import pytest

from app.adapters.gemini.reading import DEEPEST, check_depth
from app.errors import InvalidRequest


def nested(levels: int) -> Any:
    value: Any = "innermost"
    for level in range(levels):
        value = {"inner": value} if level % 2 else [value]
    return value


def test_what_protobuf_takes_is_taken():
    check_depth(nested(DEEPEST - 1))


@pytest.mark.parametrize("levels", [DEEPEST + 1, 100_000], ids=["a little", "far"])
def test_what_is_deeper_is_refused(levels):
    with pytest.raises(InvalidRequest, match="100 levels"):
        check_depth(nested(levels))
