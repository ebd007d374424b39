"""The embedded stores in trouble (G16): writers killed, a writer that holds the lock, and a full disk."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import tempfile
import time
from contextlib import closing
from pathlib import Path

from app.stores.engines import store_url
from tests.faults import aside
from tests.faults.aside import MASTER, Beat, failed, once
from tests.faults.away import CONFIG, new_key
from tests.faults.scenarios import Findings
from tests.faults.slow import told
from tests.stores.test_durability import told_and_whole

LOCKED_S = 5.0
FULL_S = 10.0
# As root, so that nobody else sees the small disk.
ON_A_SMALL_DISK = (
    "unshare", "--mount", "sh", "-c",
    'mkdir -p "$DATA_DIR" && mount -t tmpfs -o size=96m tmpfs "$DATA_DIR" && exec "$@"', "sh",
)  # fmt: skip


def embedded(scale: float) -> Findings:
    """G16: 1,000 kills in the midst of writes, then a gateway whose store is locked, and one whose disk is full."""
    kills = max(1, int(1_000 * scale))
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        stored = told_and_whole(store_url({"DATA_DIR": folder}), kills)
    found = Findings([], {"kills": kills, "keys told as stored, all whole": stored})
    locked(found)
    full(found)
    return found


def locked(found: Findings) -> None:
    with aside.upstream() as port, aside.gateway(CONFIG.format(port=port), {}) as gateway:
        key = new_key(gateway.port, rpm_limit=1_000_000)
        file = gateway.folder / "var" / "keys.sqlite3"
        with Beat(gateway.port, key, per_s=100) as beat, closing(sqlite3.connect(file, isolation_level=None)) as writer:
            time.sleep(LOCKED_S)
            held_s = time.monotonic()
            writer.execute("BEGIN EXCLUSIVE")
            time.sleep(LOCKED_S)
            writer.execute("ROLLBACK")
            alone, beside = beat.between(0, held_s), beat.between(held_s, held_s + LOCKED_S)
    found.complaints += [f"{failed(beat.heard)} failed beside a locked store"] * (failed(beat.heard) > 0)
    found.figures |= told("before the lock", alone) | told("while it is held", beside)


def full(found: Findings) -> None:
    if os.geteuid() != 0:
        found.figures["skipped, since not root: full disk"] = 0
        return
    with (
        aside.upstream() as port,
        aside.gateway(CONFIG.format(port=port), {}, prefix=ON_A_SMALL_DISK) as gateway,
    ):
        key = new_key(gateway.port, rpm_limit=1_000_000)
        folder = Path(f"/proc/{gateway.process.pid}/root{gateway.folder}/var")
        with Beat(gateway.port, key, per_s=100) as beat:
            time.sleep(2)
            subprocess.run(["dd", "if=/dev/zero", f"of={folder}/filler", "bs=4096"], capture_output=True, check=False)
            left = os.statvfs(folder).f_bavail
            full_s = time.monotonic()
            writes = [once(gateway.port, MASTER, "POST", "/key/generate", b"{}").status for _ in range(20)]
            time.sleep(FULL_S)
            during = beat.between(full_s, time.monotonic())
            (folder / "filler").unlink()
            time.sleep(2)
            again = once(gateway.port, MASTER, "POST", "/key/generate", b"{}").status
    found.complaints += [f"{failed(beat.heard)} failed beside a full disk"] * (failed(beat.heard) > 0)
    found.complaints += ["the disk was not full"] * (left > 0)
    found.complaints += [f"a write was told {again} once there was room again"] * (again != 200)
    found.complaints += [f"writes were told {set(writes)}"] * (not set(writes) <= {200, 503})
    found.figures |= {"asked while the disk was full": len(during), "writes told 503 then": writes.count(503)}
