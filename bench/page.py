"""docs/performance.md, made of bench/results/latest.json and the remarks that were written by hand."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.promises import table, unmet
from bench.table import Table

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"
REMARKS = ROOT / "bench" / "remarks.toml"
HEAD = """# Performance

Written by `make bench` from [its results](../bench/results/latest.json): do not edit. How it measures, and how to
install the peers, is in [bench/README.md](../bench/README.md); what is said by hand here is in bench/remarks.toml.

Ratios hold on other machines, times do not. CPU is that of the whole process tree, on loopback; the subjects of a table
took turns, round after round, and figures are medians over the rounds.
"""


def page(results: Mapping[str, Any], remarks: Mapping[str, str]) -> str:
    """Return the whole page."""
    rows = results["rows"]
    figures = {name: row["figures"] for name, row in rows.items()}
    parts = [HEAD, _machine(results), "## Promises", table(figures)]
    if missing := unmet(figures):
        parts += ["## Not reached, and what it would take"]
        parts += [f"- **{promise.text}**: {remarks.get(promise.name, 'no remark yet.')}" for promise in missing]
    parts += ["## Figures"]
    for row in rows.values():
        parts += [str(Table(**one)) for one in row["tables"]]
        parts += [f"<sub>{row['measured']} UTC, {row['rounds']} rounds, load average {row['load']}.</sub>"]
    if "general" in remarks:
        parts += ["## Remarks", remarks["general"]]
    return "\n\n".join(part.strip() for part in parts).replace("\n\n- **", "\n- **") + "\n"


def write(results: Mapping[str, Any]) -> None:
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(results, tomllib.loads(REMARKS.read_text())))


def _machine(results: Mapping[str, Any]) -> str:
    def listed(facts: Mapping[str, Any]) -> str:
        return ", ".join(f"{name} {value}" for name, value in facts.items())

    return f"Machine: {listed(results['machine'])}.\n\nVersions: {listed(results['versions'])}."
