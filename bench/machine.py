"""What the figures were measured on and with, as far as a reader of them wants to know: no names, no paths."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.bed import PROGRAMS
from bench.load import generator

PACKAGES = ("gunicorn", "gevent", "flask", "requests", "litellm")
CPU_MODEL = re.compile(r"model name\s*: (.+)")


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M")


def load_average() -> float:
    """Return how many processes wanted a core in the last minute, the bench's own included."""
    return round(os.getloadavg()[0], 1)


def machine() -> dict[str, str | int]:
    model = CPU_MODEL.search(Path("/proc/cpuinfo").read_text())
    return {
        "cpu": model[1] if model else platform.machine(),
        "cores": os.cpu_count() or 0,
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version(),
        "load generator": generator(),
    }


def versions(peers: Path) -> dict[str, str]:
    """Return the versions of all that is measured; what is absent says so."""
    return {
        "commit": _said(["git", "rev-parse", "--short", "HEAD"], r"\S+"),
        **{name: version(name) for name in PACKAGES if _is_installed(name)},
        "nginx": _said(["nginx", "-v"], r"[\d.]+") if shutil.which("nginx") else "absent",
        **{f"peer {name}": _peer(peers, name) for name in PROGRAMS},
    }


def _peer(peers: Path, name: str) -> str:
    program = peers / PROGRAMS[name][0]
    if not program.exists():
        return "absent"
    if name == "portkey gateway":
        package = peers / "portkey/node_modules/@portkey-ai/gateway/package.json"
        return str(json.loads(package.read_text())["version"])
    asks: dict[str, Callable[[], str]] = {
        "envoy": lambda: _said([str(program), "--version"], r"/([\d.]+)/"),
        "litellm proxy": lambda: _said([str(program.parent / "pip"), "show", "litellm"], r"Version: ([\d.]+)"),
    }
    return asks[name]()


def _said(command: list[str], pattern: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(pattern, done.stdout + done.stderr)
    return found[found.lastindex or 0] if found else "unknown"


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except ModuleNotFoundError:
        return False
    return True
