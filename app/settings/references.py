"""Secrets by reference: `os.environ/NAME` anywhere in a text, `file/PATH` at its start.

Values are put in before anything is checked, so every rule holds for what is really used.
No message here shows a value: it names the variable or the file.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.settings.problems import Finding, Place

# NAME ends at the first character outside [A-Za-z0-9_].
_VARIABLE = re.compile(r"os\.environ/([A-Za-z0-9_]*)")
_FILE = "file/"
# Mounted secrets are short; a slip such as file//dev/zero must not fill the memory.
_MOST_OCTETS = 64 * 1024


class ReferenceBroken(Exception):
    """A reference leads nowhere; `messages` has one sentence for each in the text."""

    def __init__(self, *messages: str) -> None:
        super().__init__("; ".join(messages))
        self.messages = messages


@dataclass(frozen=True, slots=True)
class Resolved:
    """The file's values with every reference replaced."""

    value: object
    secrets: Mapping[Place, tuple[str, ...]]
    """Where references stood, and what each was replaced by."""
    broken: frozenset[Place]
    """Texts with a reference that leads nowhere; they stay as written."""
    findings: tuple[Finding, ...]


def resolve_all(value: object, environ: Mapping[str, str], folder: Path) -> Resolved:
    """Return the value with every text in it resolved; `folder` is where relative paths begin."""
    walk = _Walk(environ, folder)
    resolved = walk.value(value, ())
    return Resolved(resolved, walk.secrets, frozenset(walk.broken), tuple(walk.findings))


def resolve(text: str, environ: Mapping[str, str], folder: Path) -> tuple[str, tuple[str, ...]]:
    """Return the text with its references replaced, and what they were replaced by.

    What a reference brings in is not searched for references again. Raises ReferenceBroken when a
    variable is unset or empty, or a file cannot be read: an empty credential would fail later and
    further from the cause.
    """
    if text.startswith(_FILE):
        path, _ = _with_variables(text.removeprefix(_FILE), environ)
        secret = _file_text(path, folder, text)
        return secret, (secret,)
    return _with_variables(text, environ)


def put_in(written: str, values: Iterable[str]) -> str:
    """Return the text with its references replaced by the values, one for each reference, in order."""
    values = iter(values)
    if written.startswith(_FILE):
        return next(values)
    return _VARIABLE.sub(lambda _: next(values), written)


class _Walk:
    """One pass over the file's values."""

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        self.environ = environ
        self.folder = folder
        self.secrets: dict[Place, tuple[str, ...]] = {}
        self.broken: set[Place] = set()
        self.findings: list[Finding] = []

    def value(self, value: object, place: Place) -> object:
        if isinstance(value, dict):
            return {name: self.value(child, (*place, name)) for name, child in value.items()}
        if isinstance(value, tuple):
            return tuple(self.value(child, (*place, index)) for index, child in enumerate(value))
        return self.text(value, place) if isinstance(value, str) else value

    def text(self, text: str, place: Place) -> str:
        try:
            resolved, secrets = resolve(text, self.environ, self.folder)
        except ReferenceBroken as error:
            self.broken.add(place)
            self.findings += [Finding(place, message) for message in error.messages]
            return text
        if secrets:
            self.secrets[place] = secrets
        return resolved


def _with_variables(text: str, environ: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    names = _VARIABLE.findall(text)
    # A variable that is named twice in one text is reported once.
    broken = [message for name in dict.fromkeys(names) if (message := _unusable(name, environ))]
    if broken:
        raise ReferenceBroken(*broken)
    return _VARIABLE.sub(lambda found: environ[found[1]], text), tuple(environ[name] for name in names)


def _unusable(name: str, environ: Mapping[str, str]) -> str | None:
    if not name:
        return "os.environ/ is followed by no variable name; write os.environ/NAME"
    if name not in environ:
        return f"the environment variable {name} is not set; set it, or correct the name"
    if not environ[name]:
        return f"the environment variable {name} is empty; give it its value"
    if _is_undecodable(environ[name]):
        return f"the environment variable {name} is not UTF-8 text; set it again"
    return None


def _is_undecodable(value: str) -> bool:
    """Tell whether the value holds octets that Python could not decode (PEP 383)."""
    return any("\udc80" <= character <= "\udcff" for character in value)


def _file_text(path: str, folder: Path, written: str) -> str:
    """Return the file's text without the newline that editors and `echo` put at its end."""
    try:
        with _found(path, folder).open("rb") as file:
            octets = file.read(_MOST_OCTETS + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "no such path"
        raise ReferenceBroken(f"{written} cannot be read: {reason}; mount it, or correct the path") from error
    if len(octets) > _MOST_OCTETS:
        raise ReferenceBroken(f"{written} is larger than 64 KiB; a mounted secret is short, correct the path")
    try:
        text = octets.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise ReferenceBroken(f"{written} is not UTF-8 text; correct the path") from error
    if not text:
        raise ReferenceBroken(f"{written} is empty; write the secret into it")
    return text


def _found(path: str, folder: Path) -> Path:
    """Return the file meant: an absolute path, else one beside the settings file, else one below /.

    The last because `file/run/secrets/x` reads like the path /run/secrets/x, and no other file is meant.
    """
    beside = folder / path
    return beside if beside.exists() else Path("/") / path
