"""What an adapter route adds to a bare litellm.completion, in the words of bench.adapters."""

from __future__ import annotations

import subprocess
import sys

from bench.bed import Bed
from bench.subject import ROOT
from bench.table import Measured, Table

COMMAND = "python -m bench.adapters"


def measure(_bed: Bed) -> Measured:
    command = [sys.executable, *COMMAND.split()[1:]]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    lines = said.stdout.splitlines() or ["not measured: " + "".join(said.stderr.splitlines()[-1:])]
    return Measured([Table("Adapter routes", (COMMAND,), [(line,) for line in lines])], {})
