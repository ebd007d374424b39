"""A value taken out of the object that it was asked for in, as it comes piece by piece."""

import json
import re

from app.adapters.gemini.formats import ENUMERATION, MEMBER

OPENING = re.compile(rf'\s*\{{\s*"{MEMBER}"\s*:\s*')
COMPACT = f'{{"{MEMBER}":'


class Unwrapping:
    """Passes on the text of a member and withholds the braces around it; text in no such object passes as it is."""

    def __init__(self, mime: str | None) -> None:
        """`mime` is the wrapped answer's media type, None where nothing is wrapped."""
        self._mime = mime
        self._whole = ""
        self._held = ""
        self._is_open: bool | None = None if mime else False

    def feed(self, text: str) -> str:
        """Return what can be passed on now."""
        if self._is_open is False:
            return text
        self._whole += text
        self._held += text
        if self._mime == ENUMERATION:
            return ""
        if self._is_open is None:
            self._open()
        return self._release() if self._is_open else self._unopened()

    def finish(self) -> str:
        """Return what was withheld to the end and is no brace of ours."""
        left, self._held = self._held, ""
        wrapped = self._wrapped()
        if self._mime == ENUMERATION:
            value = wrapped and wrapped[MEMBER]
            return value if isinstance(value, str) else left
        # A text that was cut off may end with a brace of its own.
        return "" if self._is_open and wrapped else left

    def _open(self) -> None:
        opening = OPENING.match(self._held)
        if opening and opening.end() < len(self._held):
            self._is_open, self._held = True, self._held[opening.end() :]
        elif not COMPACT.startswith("".join(self._held.split())):
            self._is_open = False

    def _unopened(self) -> str:
        if self._is_open is None:
            return ""
        passed, self._held = self._held, ""
        return passed

    def _release(self) -> str:
        passed = self._held.rstrip().removesuffix("}").rstrip()
        self._held = self._held[len(passed) :]
        return passed

    def _wrapped(self) -> dict[str, object] | None:
        """Return the object that was asked for, None where the whole is something else."""
        try:
            found = json.loads(self._whole)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) and list(found) == [MEMBER] else None
