"""Secrets that are found in a text at a cost that hardly grows with their number: a file may have 100,000 keys."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from re import compile as compile_pattern

# A key with one of these characters beside it is part of something else.
BESIDE_LONG = "[A-Za-z0-9_-]"
# Shorter ones may stand within other text by accident. No key of the store is short.
SHORTEST_LONG = 16
# So many are looked for one by one faster than in any other way.
FEW = 50

# What stands before a word may be escaped: the mark and two digits are one character.
WORD = compile_pattern(r"(?:(?<=%)[0-9A-Fa-f]{2})?([A-Za-z0-9_-]{16,})")
WORDLIKE = compile_pattern(BESIDE_LONG + "+")


class KeyIndex:
    """Keys to be found in texts; of those of `base`, if it is given, and of its own."""

    def __init__(self, secrets: Iterable[str] = (), base: KeyIndex | None = None) -> None:
        self.own = frozenset(secrets)
        self._base = base

    def __bool__(self) -> bool:
        return bool(self.own) or bool(self._base)

    def __contains__(self, secret: str) -> bool:
        return secret in self.own or (self._base is not None and secret in self._base)

    def within(self, text: str) -> list[str]:
        """Return the keys that stand in the text, anywhere."""
        found = self._base.within(text) if self._base is not None else []
        return found + [key for key in self._candidates(text) if key in text]

    def among_words(self, text: str) -> list[str]:
        """Return the keys that stand in the text, of long ones at least those with no letter or digit beside them."""
        found = self._base.among_words(text) if self._base is not None else []
        if len(self.own) <= FEW:
            return found + [key for key in self.own if key in text]
        words = {word for match in WORD.finditer(text) for word in (match[0], match[1])}
        return found + [key for key in (*(words & self._wordlike), *self._others.within(text)) if key in text]

    def _candidates(self, text: str) -> Iterable[str]:
        if len(self.own) <= FEW:
            return self.own
        starts = {text[at : at + SHORTEST_LONG] for at in range(len(text) - SHORTEST_LONG + 1)}
        return [*self._short, *(key for start in starts & self._by_start.keys() for key in self._by_start[start])]

    @cached_property
    def _short(self) -> list[str]:
        return [key for key in self.own if len(key) < SHORTEST_LONG]

    @cached_property
    def _by_start(self) -> dict[str, list[str]]:
        starts: dict[str, list[str]] = {}
        for key in self.own:
            if len(key) >= SHORTEST_LONG:
                starts.setdefault(key[:SHORTEST_LONG], []).append(key)
        return starts

    @cached_property
    def _wordlike(self) -> frozenset[str]:
        return frozenset(key for key in self.own if len(key) >= SHORTEST_LONG and WORDLIKE.fullmatch(key))

    @cached_property
    def _others(self) -> KeyIndex:
        return KeyIndex(self.own - self._wordlike)


NO_KEYS = KeyIndex()
