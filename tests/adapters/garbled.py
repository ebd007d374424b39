"""JSON that is nearly what was recorded: with one place changed, missing or null, or made up of known names."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Place = tuple[str | int, ...]


def places(value: Any, here: Place = ()) -> Iterator[Place]:
    """Yield the way to every member and item, at every depth."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in pairs:
        yield (*here, name)
        yield from places(inner, (*here, name))


def with_(value: Any, place: Place, new: Any) -> Any:
    """Return a copy with something else in that place."""
    spoiled, parent = _opened(value, place)
    parent[place[-1]] = new
    return spoiled


def value_at(value: Any, place: Place) -> Any:
    """Return what stands in that place, and None for anything that is no leaf."""
    for name in place:
        value = value[name]
    return None if isinstance(value, dict | list) else value


def without(value: Any, place: Place) -> Any:
    """Return a copy that lacks that member or item."""
    spoiled, parent = _opened(value, place)
    del parent[place[-1]]
    return spoiled


def _opened(value: Any, place: Place) -> tuple[Any, Any]:
    spoiled = parent = copy.deepcopy(value)
    for name in place[:-1]:
        parent = parent[name]
    return spoiled, parent


def bodies(recorded: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Bodies with one to three places of a recorded one replaced, and bodies made of its names and texts alone."""
    values = _values(recorded)

    @st.composite
    def spoiled(draw: st.DrawFn) -> dict[str, Any]:
        body: dict[str, Any] = recorded
        for _ in range(draw(st.integers(1, 3))):
            found = list(places(body))
            if found:
                body = with_(body, draw(st.sampled_from(found)), draw(values))
        return body

    return spoiled() | st.dictionaries(_names(recorded), values, max_size=6)


def _values(recorded: dict[str, Any]) -> st.SearchStrategy[Any]:
    names = _names(recorded)
    leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | names
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=5), max_leaves=12
    )


def _names(recorded: dict[str, Any]) -> st.SearchStrategy[str]:
    """Return names and short texts that the schema knows, for that is where it goes wrong."""
    found = list(places(recorded))
    known = {step for place in found for step in place} | {value_at(recorded, place) for place in found}
    texts = [text for text in known if isinstance(text, str) and len(text) < 40]
    return st.sampled_from(sorted({*texts, ""})) | st.text(max_size=5)
