"""Which file a path shows: one that was removed and made anew under its name is another."""

import os
from pathlib import Path

# The device and the number there; used again only once nobody has the file open.
FileId = tuple[int, int]


def id_of(status: os.stat_result) -> FileId:
    return status.st_dev, status.st_ino


def file_id(path: Path) -> FileId | None:
    """Return which file is at the path, None when there is none that can be seen."""
    try:
        return id_of(path.stat())
    except OSError:
        return None
