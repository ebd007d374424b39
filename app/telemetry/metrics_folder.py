"""The folder that all workers count in: one file a worker and kind of metric, added up by whoever is scraped."""

import fcntl
import struct
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path

# prometheus_client reads it when it is imported, and whenever it opens a file.
VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

# What files of counts begin with, and of gauges; the rest of a name is the worker's process id.
COUNTS = ("counter", "histogram")
GAUGES = "gauge_livesum"


def appoint(environ: MutableMapping[str, str]) -> Path:
    """Return the folder, now named to prometheus_client; call it before that is imported."""
    folder = Path(environ.get("DATA_DIR") or "var").absolute() / "metrics"
    environ[VARIABLE] = str(folder)
    return folder


def appointed(environ: Mapping[str, str]) -> Path | None:
    """Return the folder that this process shares with others; None where it counts for itself."""
    return Path(environ[VARIABLE]) if environ.get(VARIABLE) else None


def clear(folder: Path) -> None:
    """Make the folder, and empty it of what an earlier gateway counted: to a scraper, counters begin anew."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.suffix in (".db", ".new", ".sum"):
            path.unlink(missing_ok=True)


@contextmanager
def unmoved(folder: Path) -> Iterator[None]:
    """Hold off moves from file to file, for as long as the files are read; waits for one to end."""
    with _lock(folder).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


@contextmanager
def unread(folder: Path) -> Iterator[bool]:
    """Hold off readers, for as long as counts are moved; False where there is one now. Waits for nobody."""
    with _lock(folder).open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _lock(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)  # Somebody may have removed it under a running gateway.
    return folder / "lock"


def blank(path: Path, size_bytes: int) -> None:
    """Make a file of zeros: blocks of the disk and no hole.

    What is written to a hole through a memory map asks for a block then, and on a full disk gets a SIGBUS. Raises
    OSError here instead.
    """
    draft = path.with_suffix(".new")
    try:
        draft.write_bytes(bytes(size_bytes))
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    # Whole at once: readers take a file without its first octets for a broken one.
    draft.replace(path)


def used_bytes(path: Path) -> int:
    """Return how much of a file is in use, which it tells in its first octets (prometheus_client's mmap_dict)."""
    with path.open("rb") as file:
        return int(struct.unpack("i", file.read(4))[0])
