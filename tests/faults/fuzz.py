"""Coverage-guided octets for the pure parsers (G32): `make fuzz`, or python -m tests.faults.fuzz path --runs 1000000.

Needs atheris, which is in no lock: `.venv/bin/pip install atheris`.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.faults import differential, matrix
from tests.faults.probes import gunicorn_corpus, http11probe, smuggling
from tests.kit.gateway import ROOT

RUNS = 1_000_000
NAMES = ("path", "merge", "config", "head", "chunks")
INTERESTING = (
    b"%2e", b"%2f", b"%5c", b"..", b"//", b"chunked", b"Transfer-Encoding: ", b"Content-Length: ", b"Connection: ",
    b"Host: ", b"x-pass-", b"Cookie: ", b"\r\n", b"0\r\n\r\n", b"os.environ/KEY", b"target: ", b"&a=",
)  # fmt: skip


def seeds(name: str) -> list[bytes]:
    """Return what to begin with."""
    rows = [probe.octets for probe in (*http11probe.PROBES, *smuggling.PROBES, *gunicorn_corpus.PROBES)]
    requests = [octets for octets in (*rows, *differential.SEEDS) if len(octets) < 2_000]
    match name:
        case "path":
            return [octets.split(b" ")[1] for octets in requests if octets.count(b" ") > 1]
        case "merge":
            return [octets.partition(b"\r\n")[2].replace(b"\r\n", b"\n") for octets in requests]
        case "config":
            files = [*ROOT.glob("config/*.yaml"), *ROOT.glob("examples/**/*.yaml"), *ROOT.glob("tests/**/*.yaml")]
            guarded = re.sub(r"os\.environ/\w+", "os.environ/KEY", matrix.CONFIG.format(up="http://up.test")).encode()
            return [guarded, *(file.read_bytes()[:6_000] for file in files)]
        case "chunks":
            return [b"\x00\x07" + octets.partition(b"\r\n\r\n")[2] for octets in requests]
        case _:
            return requests


def run(name: str, runs: int, seconds: int) -> int:
    """Let atheris, in this process, call the target; does not return."""
    import atheris  # It is in no lock, and what it is to look into must be imported through it.

    with atheris.instrument_imports(include=["app", "tests.faults.fuzz_targets"]):
        from tests.faults.fuzz_targets import TARGETS
    with tempfile.TemporaryDirectory() as folder:
        for number, octets in enumerate(seeds(name)):
            (Path(folder) / f"{number}").write_bytes(octets)
        words = Path(folder) / "words.dict"
        escaped = ("".join(f"\\x{octet:02x}" for octet in word) for word in INTERESTING)
        words.write_text("".join(f'"{word}"\n' for word in escaped))
        limits = [f"-runs={runs}", f"-max_total_time={seconds}", "-max_len=4096", "-timeout=20", "-print_final_stats=1"]
        places = [f"-dict={words}", f"-artifact_prefix={tempfile.gettempdir()}/fuzz-{name}-", folder]
        atheris.Setup([sys.argv[0], *limits, *places], TARGETS[name])
        atheris.Fuzz()
    return 0


def fuzzed(name: str, runs: int, seconds: int) -> tuple[int, str]:
    """Return how many runs a process of its own made, and what it said where it failed."""
    command = [
        sys.executable,
        "-m",
        "tests.faults.fuzz",
        name,
        "--here",
        "--runs",
        str(runs),
        "--seconds",
        str(seconds),
    ]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    said = ended.stderr.decode("utf-8", "replace")
    done = re.search(r"stat::number_of_executed_units: (\d+)", said)
    fault = ended.stdout.decode("utf-8", "replace") + said
    return int(done[1]) if done else 0, fault[-3_000:] if ended.returncode else ""


def missing() -> str | None:
    """Return why nothing can be fuzzed here."""
    return None if importlib.util.find_spec("atheris") else "atheris is not installed"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", help=f"of {' '.join(NAMES)}; all if left out")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--seconds", type=int, default=600, help="for each target at most")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if why := missing():
        print(f"skipped: {why}")
        return 0
    if wanted.here:
        return run(wanted.targets[0], wanted.runs, wanted.seconds)
    broken = 0
    for name in wanted.targets or NAMES:
        done, fault = fuzzed(name, wanted.runs, wanted.seconds)
        broken += bool(fault)
        print(f"{name:7} {done} runs, {'BROKEN' if fault else 'no crash'}", flush=True)
        if fault:
            print(fault)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
