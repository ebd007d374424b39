"""The files around the house: locks that agree, commands that exist, a README that names them."""

import os
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

LOCKS = ("requirements-core.txt", "requirements.txt", "requirements-dev.txt")

# The first version without the named fault; a lock below it is a step back.
FLOORS = {
    "aiohttp": "3.14.3",  # CVE-2026-69244
    "certifi": "2024.7.4",  # CVE-2024-39689
    "flask": "3.1.3",  # CVE-2026-27205
    "gevent": "24.10.1",  # CVE-2023-41419; gunicorn's own floor since its 24.0
    "gunicorn": "26.1.0",  # its changelog: bodies cut short and doubled Host fields were accepted
    "h11": "0.16.0",  # CVE-2025-43859
    "idna": "3.15",  # CVE-2026-45409
    "jinja2": "3.1.6",  # CVE-2025-27516
    "litellm": "1.83.7",  # CVE-2026-42208
    "pydantic-settings": "2.14.2",  # GHSA-4xgf-cpjx-pc3j
    "pyyaml": "5.4",  # CVE-2020-14343
    "requests": "2.33.0",  # CVE-2026-25645
    "urllib3": "2.7.0",  # CVE-2026-44431, CVE-2026-44432
    "werkzeug": "3.1.6",  # CVE-2026-27199
}

# 1.82.7 and 1.82.8 stole credentials (BerriAI/litellm issue 24512); of 1.107 the registry holds nothing any more.
NEVER = {"litellm": r"1\.82\.[78]|1\.107\..*"}


def entries(lock: str) -> list[str]:
    """The requirements of a lock, each on one line with its hashes."""
    text = Path(lock).read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def pins(lock: str) -> dict[str, set[str]]:
    """Package name to version; two versions where a marker of the environment chooses."""
    pinned: dict[str, set[str]] = {}
    for entry in entries(lock):
        requirement = Requirement(entry.partition(" --hash")[0])
        (specifier,) = requirement.specifier
        pinned.setdefault(requirement.name, set()).add(specifier.version)
    return pinned


def direct(inputs: str) -> list[Requirement]:
    lines = Path(inputs).read_text().splitlines()
    return [Requirement(line) for line in lines if line.strip() and not line.startswith(("#", "-"))]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_entry_is_an_exact_version_with_hashes(lock):
    loose = [entry for entry in entries(lock) if not re.match(r"[a-z0-9-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", entry)]

    assert entries(lock)
    assert loose == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host_and_no_folder_of_a_machine(lock):
    assert re.findall(r"://|--(?:extra-)?index|--find-links|file:|/tmp|/home|/opt|/root", Path(lock).read_text()) == []


@pytest.mark.parametrize("lock", ["requirements-core.txt", "requirements-dev.txt"])
def test_all_locks_hold_one_version_of_a_package(lock):
    full = pins("requirements.txt")

    assert {name: found for name, found in pins(lock).items() if full.get(name, found) != found} == {}


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_the_core_is_in_every_lock(lock):
    assert pins("requirements-core.txt").keys() - pins(lock).keys() == set()


def test_the_core_leaves_litellm_out():
    assert pins("requirements.txt").keys() - pins("requirements-core.txt").keys() >= {"litellm"}


@pytest.mark.parametrize("inputs", ["requirements-core.in", "requirements.in", "requirements-dev.in"])
def test_a_lock_is_what_its_input_asks_for(inputs):
    pinned = pins(inputs.replace(".in", ".txt"))

    for wanted in direct(inputs):
        assert [version for version in pinned[wanted.name] if version not in wanted.specifier] == []


@pytest.mark.parametrize(("name", "floor"), FLOORS.items())
def test_no_pin_is_below_its_floor(name, floor):
    found = {version for lock in LOCKS for version in pins(lock).get(name, ())}

    assert found
    assert {version for version in found if Version(version) < Version(floor)} == set()


@pytest.mark.parametrize(("name", "pattern"), NEVER.items())
def test_a_withdrawn_version_is_never_pinned(name, pattern):
    assert [version for version in pins("requirements.txt")[name] if re.fullmatch(pattern, version)] == []


def test_the_list_of_authorities_is_capped():
    (certifi,) = [wanted for wanted in direct("requirements-core.in") if wanted.name == "certifi"]

    assert str(certifi.specifier) == "<=2026.10.18"


def test_heroku_starts_the_bare_command():
    assert Path("Procfile").read_text() == "web: gunicorn wsgi:app\n"


def test_the_python_that_heroku_takes_is_one_the_project_allows():
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]

    assert Path(".python-version").read_text() == "3.11\n"
    assert project["requires-python"] == ">=3.11"


def test_ci_runs_the_two_commands_of_the_readme():
    commands = [line for line in Path(".ci/run").read_text().splitlines() if line.startswith("make")]

    assert os.access(".ci/run", os.X_OK)
    assert commands == ["make test", "make demo ONCE=1"]


def test_every_make_target_that_the_readme_names_exists():
    targets = set(re.findall(r"^([a-z]+):", Path("Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"\bmake ([a-z]+)", Path("README.md").read_text())

    assert named[:2] == ["demo", "test"]
    assert set(named) - targets == set()


def test_the_readme_tells_every_make_target():
    targets = set(re.findall(r"^([a-z]+):.*##", Path("Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)", Path("README.md").read_text()))

    assert targets - named - {"help"} == set()
