"""Settings files written for one test, and what comes of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import indent

import pytest

from app.settings.gateway import Gateway
from app.settings.load import Inspection, inspect
from app.settings.problems import Problem, SettingsInvalid

Load = Callable[..., Gateway]
Inspect = Callable[..., Inspection]
Problems = Callable[..., list[Problem]]


def one_route(fields: str = "", path: str = "/a", target: str = "https://up.example/b") -> str:
    """A file with one route of these fields; they begin on line 5."""
    return (
        "general_settings:\n"
        "  pass_through_endpoints:\n"
        f"    - path: {path}\n"
        f"      target: {target}\n"
        f"{indent(fields, ' ' * 6)}\n"
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


@pytest.fixture
def inspected(file: Path) -> Inspect:
    """Write the text as a settings file and inspect it, in the environment given by name."""

    def inspect_text(text: str, **environ: str) -> Inspection:
        file.write_text(text, encoding="utf-8")
        return inspect(file, environ)

    return inspect_text


@pytest.fixture
def loaded(inspected: Inspect) -> Load:
    """The same, down to the gateway."""
    return lambda text, **environ: inspected(text, **environ).gateway


@pytest.fixture
def problems(inspected: Inspect) -> Problems:
    """Write the text as a settings file and return its problems; none when it loads."""

    def problems_of(text: str, **environ: str) -> list[Problem]:
        try:
            inspected(text, **environ)
        except SettingsInvalid as invalid:
            return list(invalid.problems)
        return []

    return problems_of
