"""Which entry of `model_list` serves a client's model: the exact name, then patterns, entries of one name in turn."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import count
from re import Pattern, escape
from re import compile as compile_pattern
from typing import Any

from app.model_errors import ModelNotFound
from app.settings.gateway import Model

# What a `*` may stand for. It becomes part of the provider's model name, and at some providers of a path or a URL.
ANYTHING = r"[A-Za-z0-9_][A-Za-z0-9_.:@+/-]{0,255}"
CLIMBS = compile_pattern(r"\.\.|//|/\.")
SHOWN = 100

Params = Mapping[str, Any]


class ModelChoice:
    """The models of one worker; remembers whose turn it is."""

    def __init__(self, models: Iterable[Model]) -> None:
        self._entries: dict[str, list[Params]] = defaultdict(list)
        for model in models:
            self._entries[model.name].append(model.litellm_params)
        self._turns = {name: count() for name in self._entries}
        patterns = sorted((name for name in self._entries if "*" in name), key=lambda name: -len(name.replace("*", "")))
        self._patterns: list[tuple[str, Pattern[str]]] = [(name, _pattern(name)) for name in patterns]

    def params(self, name: str) -> Params:
        """Return the `litellm_params` for this model, a `*` in theirs replaced; raises ModelNotFound."""
        entry, stars = self._found(name)
        params = self._next(entry)
        return {**params, "model": _filled(str(params["model"]), stars)} if stars else params

    def entry(self, name: str) -> str:
        """Return the `model_name` of the entries that serve this model; raises ModelNotFound. Takes no turn."""
        return self._found(name)[0]

    def _found(self, name: str) -> tuple[str, tuple[str, ...]]:
        if name in self._entries and "*" not in name:
            return name, ()
        for pattern, regex in self._patterns:
            found = regex.fullmatch(name)
            if found and not CLIMBS.search(name):
                return pattern, found.groups()
        shown = name[:SHOWN] if name.isprintable() else "of this name"
        raise ModelNotFound(f"The model {shown} is not in the model_list of this gateway.", param="model")

    def _next(self, name: str) -> Params:
        entries = self._entries[name]
        return entries[next(self._turns[name]) % len(entries)]


def _pattern(name: str) -> Pattern[str]:
    return compile_pattern(f"({ANYTHING})".join(map(escape, name.split("*"))))


def _filled(model: str, stars: tuple[str, ...]) -> str:
    """Return the model with each `*` replaced by what matched, the last match again where there are more."""
    for index in range(model.count("*")):
        model = model.replace("*", stars[min(index, len(stars) - 1)], 1)
    return model
