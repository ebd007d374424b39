"""From a file and an environment to the gateway meant, or to everything that is wrong with them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.settings import adapters, building, cautions, checks, document, references, unserved
from app.settings.gateway import Gateway
from app.settings.problems import Finding, Place, Problem, SettingsInvalid, spelled
from app.settings.understanding import IGNORED, Understood, empty, understand


@dataclass(frozen=True, slots=True)
class Inspection:
    """A sound file, seen from both ends."""

    gateway: Gateway
    written: object
    """The file's plain values, references as written: what can be shown."""
    secrets: Mapping[Place, tuple[str, ...]]
    """Where references stand, and the values they were replaced by: what must not be shown."""


def config_path(environ: Mapping[str, str]) -> Path:
    """Return the settings file that the environment names."""
    return Path(environ.get("CONFIG_FILE_PATH") or "config/config.yaml")


def load(path: Path, environ: Mapping[str, str]) -> Gateway:
    """Return the gateway that the file describes.

    Raises SettingsInvalid with every problem, in the order of lines. Changes nothing.
    """
    return inspect(path, environ).gateway


def inspect(path: Path, environ: Mapping[str, str]) -> Inspection:
    """Return the gateway together with what was written. Raises SettingsInvalid as `load` does."""
    written = document.read(_octets(path))
    resolved = references.resolve_all(_meant(written.value), environ, path.parent)
    understood = understand(resolved.value, written.lines.keys())
    referred = (secret for found in resolved.secrets.values() for secret in found)
    loaded = adapters.load_all(understood.candidates, path.parent, adapters.secrets_among(environ, referred))
    found = list(_findings(written, resolved, understood, loaded, _own_port(environ)))
    if found or understood.file is None:
        raise SettingsInvalid(_problems(found, path, written.lines))
    warnings = tuple(cautions.warnings(understood.file))
    return Inspection(building.build(understood.file, loaded, warnings), written.value, resolved.secrets)


def _octets(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"cannot be read: {error.strerror}; name the settings file with CONFIG_FILE_PATH or --config"
        raise SettingsInvalid([Problem(str(path), None, "", message)]) from error


def _meant(value: object) -> object:
    """Return the file's values with the ignored sections emptied, so that nothing in them can be wrong."""
    if not isinstance(value, dict):
        return value
    return {name: None if name in IGNORED else child for name, child in value.items()}


def _own_port(environ: Mapping[str, str]) -> int:
    port = environ.get("PORT") or "4000"
    return int(port) if port.isdecimal() else 4000


def _findings(
    written: document.Document,
    resolved: references.Resolved,
    understood: Understood,
    loaded: adapters.Loaded,
    own_port: int,
) -> Iterator[Finding]:
    """Yield everything found; of one place only what comes first, since the rest follows from it."""
    crossing = checks.findings(understood.candidates, own_port)
    key_findings = checks.key_findings(understood.file) if understood.file else ()
    stages: tuple[Iterable[Finding], ...] = (
        (*written.findings, *resolved.findings),
        empty(resolved.value),
        understood.findings,
        (*unserved.findings(resolved.value), *loaded.findings, *crossing, *key_findings),
    )
    told: set[Place] = set()
    for stage in stages:
        found = [finding for finding in stage if finding.place not in told]
        told |= {finding.place for finding in found}
        yield from found


def _problems(found: Iterable[Finding], path: Path, lines: Mapping[Place, int]) -> Iterator[Problem]:
    for finding in found:
        line = finding.line or _line(finding.place, lines)
        yield Problem(str(path), line, spelled(finding.place), finding.message)


def _line(place: Place, lines: Mapping[Place, int]) -> int | None:
    """Return the line of the place or, for what is not there, of what it is missing from."""
    while place and place not in lines:
        place = place[:-1]
    return lines.get(place)
