"""Goals of conformance and security for the soak: each takes a scale and returns what it found."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from app.issuing.openapi import PAGES
from tests.faults import fuzz, jumps, matrix, timing
from tests.faults.scenarios import Findings
from tests.kit.gateway import ROOT

# Examples for each page, sound ones and others; 50,000 in all at the full scale.
EXAMPLES = 200
MODES = 2


def g32_fuzz(scale: float) -> Findings:
    """1,000,000 runs of each target at the full scale."""
    if why := fuzz.missing():
        return Findings([], {f"skipped: {why}": 0})
    found = Findings()
    for name in fuzz.NAMES:
        done, fault = fuzz.fuzzed(name, max(1, int(50_000 * scale)), 1_200)
        found.figures[f"runs of {name}"] = done
        found.complaints += [f"{name}: {fault}"] if fault else []
    return found


def g37(scale: float) -> Findings:
    """The suite's test of the management's document, with more examples."""
    examples = max(1, int(EXAMPLES * scale))
    test = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/issuing/test_openapi.py"]
    ended = subprocess.run(
        test, cwd=ROOT, env={**os.environ, "EXAMPLES": str(examples)}, capture_output=True, text=True, check=False
    )
    complaints = [] if ended.returncode == 0 else [ended.stdout[-3_000:]]
    return Findings(complaints, {"examples": examples * len(PAGES) * MODES, "pages": len(PAGES)})


def g38(_scale: float) -> Findings:
    """Install twice from a folder of wheels, with the network cut, and once with an octet of a wheel changed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheels, lock = folder / "wheels", ROOT / "requirements-core.txt"
        fetch = ["-m", "pip", "download", "-qq", "--only-binary", ":all:", "--require-hashes", "-r", str(lock)]
        told = subprocess.run([sys.executable, *fetch, "-d", str(wheels)], capture_output=True, text=True, check=False)
        if told.returncode:
            return Findings([], {f"skipped: the wheels cannot be fetched here: {told.stderr[-200:]}": 0})
        trees = [installed(folder / number, wheels, lock) for number in ("first", "again")]
        found = Findings([], {"wheels": len(list(wheels.iterdir())), "files installed": len(trees[0])})
        changed = {path for path in {**trees[0], **trees[1]} if trees[0].get(path) != trees[1].get(path)}
        found.complaints += [f"differs between two installs: {path}" for path in sorted(changed)]
        if not trees[0]:
            found.complaints.append("the first install failed")
        found.complaints += serves_without_litellm(folder / "first")
        wheel = max(wheels.glob("*.whl"), key=lambda path: path.stat().st_size)
        octets = bytearray(wheel.read_bytes())
        octets[len(octets) // 2] ^= 1
        wheel.write_bytes(octets)
        if installed(folder / "altered", wheels, lock):
            found.complaints.append(f"{wheel.name} was installed with an octet changed")
    return found


def installed(venv: Path, wheels: Path, lock: Path) -> dict[str, str]:
    """Return {path: digest} of what pip puts into a new environment without asking anybody; {} where it fails."""
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "-qq", "--no-index", "--no-compile", "--no-cache-dir"]
    command = [*pip, "--find-links", str(wheels), "--require-hashes", "-r", str(lock)]
    cut = ["unshare", "--net", "--map-root-user"] if shutil.which("unshare") else []
    if subprocess.run([*cut, *command], capture_output=True, check=False).returncode:
        return {}
    (packages,) = venv.glob("lib/python*/site-packages")
    files = (path for path in packages.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(packages)): digest(path) for path in files}


def digest(path: Path) -> str:
    """Return the file's SHA-256; of a RECORD without the scripts, whose first line names the environment."""
    octets = path.read_bytes()
    if path.name == "RECORD":
        octets = re.sub(rb"(?m)^\.\./\.\./\.\./bin/.*\n", b"", octets)
    return hashlib.sha256(octets).hexdigest()


def serves_without_litellm(venv: Path) -> list[str]:
    """Return what is wrong with the core's packages: they hold no litellm, and the gateway's check passes with them."""
    python = str(venv / "bin" / "python")
    has_it = subprocess.run([python, "-c", "import litellm"], capture_output=True, check=False).returncode == 0
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config:
        config.write('general_settings: {pass_through_endpoints: [{path: /x, target: "http://127.0.0.1:9/"}]}\n')
        config.flush()
        check = [python, "-m", "app", "check", config.name]
        told = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
    return ["litellm is in the core"] * has_it + ([told.stdout + told.stderr] if told.returncode else [])


Goal = Callable[[Any, float], Awaitable[Findings]]


def apart(goal: Callable[[float], Findings]) -> Goal:
    """Return the goal as the soak calls them; it starts what it needs by itself."""

    async def run(_bench: Any, scale: float) -> Findings:
        return await asyncio.to_thread(goal, scale)

    return run


GOALS: dict[str, tuple[Goal, dict[str, str]]] = {
    "G12": (apart(jumps.g12), {}),
    "G32-fuzz": (apart(g32_fuzz), {}),
    "G34": (apart(lambda scale: matrix.g34(scale / 5)), {}),
    "G36": (apart(lambda scale: timing.g36(scale / 50)), {}),
    "G37": (apart(g37), {}),
    "G38": (apart(g38), {}),
}
# --scale at which a goal is as large as promised.
FULL = {"G32-fuzz": 20, "G34": 5, "G36": 50, "G37": 50_000 / (EXAMPLES * len(PAGES) * MODES)}
