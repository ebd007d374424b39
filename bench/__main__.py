"""Measures what the gateway promises, beside its peers: `make bench`, or python -m bench [--only ROW ...]

Prints each table as it is found. A full run also writes bench/results/latest.json and docs/performance.md; with --only,
that needs --write. See bench/README.md.
"""

from __future__ import annotations

import argparse
import importlib
import json
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import page
from bench.bed import Bed, made
from bench.load import LoadFailed
from bench.machine import load_average, machine, now, versions
from bench.promises import table
from bench.table import Measured

RESULTS = page.ROOT / "bench" / "results" / "latest.json"
ROWS = ("small", "alone", "streams", "open_streams", "bodies", "bulk", "start", "scaling", "exact", "adapters")
PEERS = Path("var/peers")


def measured(name: str, bed: Bed) -> dict[str, Any]:
    """Measure a row and return it as it is kept."""
    began_s, load = time.monotonic(), load_average()
    found: Measured = importlib.import_module(f"bench.rows.{name}").measure(bed)
    print(*found.tables, sep="\n\n", end="\n\n", flush=True)
    kept = {"measured": now(), "load": f"{load} to {load_average()}", "rounds": bed.rounds, "seconds": bed.seconds}
    kept |= {"took_s": round(time.monotonic() - began_s), "figures": found.figures, "raw": found.raw}
    configs = {subject: text.replace(str(bed.folder), "FOLDER") for subject, text in found.configs.items()}
    return {**kept, "tables": [asdict(one) for one in found.tables], "configs": configs}


def keep(rows: dict[str, Any], peers: Path) -> None:
    """Write the rows over those of the runs before; rows that were not measured this time stay."""
    before = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else {}
    merged = {name: row for name in ROWS if (row := rows.get(name, before.get(name)))}
    results = {"machine": machine(), "versions": versions(peers), "rows": merged}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(_rounded(results), indent=1) + "\n")
    page.write(json.loads(RESULTS.read_text()))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, (list, tuple)) else value


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=ROWS, metavar="ROW", help=f"some of: {', '.join(ROWS)}")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="how often each is measured; default 3")
    parser.add_argument("--seconds", type=int, default=2, metavar="N", help="of load in a round; default 2")
    parser.add_argument("--peers", type=Path, default=PEERS, metavar="DIR", help=f"where they are; default {PEERS}")
    parser.add_argument("--write", action="store_true", help="with --only: write results and page, too")
    return parser.parse_args()


def main() -> int:
    asked = arguments()
    # Ended from outside, it ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    rows: dict[str, Any] = {}
    with made(asked.peers, asked.rounds, asked.seconds) as bed:
        for name in asked.only or ROWS:
            try:
                rows[name] = measured(name, bed)
            except (ChildProcessError, LoadFailed, TimeoutError) as fault:
                print(f"{name} could not be measured: {fault}", file=sys.stderr)
                continue
            if asked.write or not asked.only:
                keep(rows, asked.peers)
    if not asked.only:
        print(table({name: row["figures"] for name, row in rows.items()}))
    return 0 if len(rows) == len(asked.only or ROWS) else 1


if __name__ == "__main__":
    sys.exit(main())
