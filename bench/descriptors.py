"""Room for thousands of connections."""

from __future__ import annotations

import resource


def allow_many() -> None:
    """Raise this process's limit of open files as far as the system lets it."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
