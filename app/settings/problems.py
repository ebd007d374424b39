"""What is wrong with a settings file: where it stands, what it is, and a way out."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

# The keys and indexes that lead to a value, from the top: ("keys", 0, "key_alias").
Place = tuple[str | int, ...]

# Names are the operator's own text, and a slip may put a secret among them (`"Authorization: Bearer x"`
# as one quoted name), so no more of a name is shown than looks like one.
_NAME_LIKE = re.compile(r"[A-Za-z0-9_./-]{0,60}")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong at a place; `line` only where it is not the place's own."""

    place: Place
    message: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong, ready to be shown. Never holds a value that may be a secret."""

    file: str
    line: int | None
    """Counted from 1; None where the file as a whole is meant."""
    place: str
    """`general_settings.pass_through_endpoints[2].auth`, "" for the file as a whole."""
    message: str
    """What is wrong, then a way out."""

    def __str__(self) -> str:
        line = "" if self.line is None else f":{self.line}"
        place = f" {self.place}:" if self.place else ""
        return f"{self.file}{line}:{place} {self.message}"


class SettingsInvalid(Exception):
    """The file cannot be served; `problems` holds everything found, in the order of its lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.line or 0, p.place, p.message)))
        super().__init__("\n".join(map(str, self.problems)))


def spelled(place: Place) -> str:
    """Return the place as operators write it: `general_settings.pass_through_endpoints[2].auth`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{shown(part)}" for part in place)
    return "".join(parts).removeprefix(".")


def shown(name: str) -> str:
    """Return as much of a name as can be shown; an ellipsis stands for the rest."""
    found = _NAME_LIKE.match(name)
    start = found[0] if found else ""
    return start if start == name else start + "…"
