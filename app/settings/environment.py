"""What the operator set in the environment, checked before a port is bound."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.settings.problems import Problem, SettingsInvalid

PORT = 4000
DATA_DIR = "var"
# A load balancer needs that time to notice. With graceful_timeout it stays below Heroku's 30 s.
DRAIN_S = 3
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMATS = ("json", "console")


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables of CONTRACT §1 that shape the server; a variable that is set and empty counts as not set."""

    port: int
    workers: int
    data_dir: Path
    drain_s: int
    """For how long connections are still taken after SIGTERM, readiness saying 503."""


def read(environ: Mapping[str, str]) -> Environment:
    """Return the settings of the environment. Raises SettingsInvalid with every problem."""
    found = list(_problems(environ))
    if found:
        raise SettingsInvalid(found)
    return Environment(
        port=int(environ.get("PORT") or PORT),
        workers=int(environ.get("WEB_CONCURRENCY") or os.cpu_count() or 1),
        data_dir=data_dir(environ),
        drain_s=int(environ.get("DRAIN_SECONDS") or DRAIN_S),
    )


def data_dir(environ: Mapping[str, str]) -> Path:
    """Return the folder of the embedded stores."""
    return Path(environ.get("DATA_DIR") or DATA_DIR)


def _problems(environ: Mapping[str, str]) -> Iterator[Problem]:
    yield from _number(environ, "PORT", 1, 65_535)
    yield from _number(environ, "WEB_CONCURRENCY", 1, 1_000)
    yield from _number(environ, "DRAIN_SECONDS", 0, 86_400)
    yield from _choice(environ, "LOG_LEVEL", LOG_LEVELS)
    yield from _choice(environ, "LOG_FORMAT", LOG_FORMATS)


def _number(environ: Mapping[str, str], name: str, least: int, most: int) -> Iterator[Problem]:
    text = environ.get(name)
    if text and not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
        yield _problem(name, f"is no number from {least} to {most}; set one, or unset it")


def _choice(environ: Mapping[str, str], name: str, choices: tuple[str, ...]) -> Iterator[Problem]:
    if environ.get(name) and environ[name].upper() not in map(str.upper, choices):
        yield _problem(name, f"is none of {', '.join(choices)}; set one of them, or unset it")


def _problem(name: str, message: str) -> Problem:
    return Problem("environment", None, name, message)
