"""The gateway's windows as a storage of the `limits` library, under the scheme "lmdb"."""

import time
from pathlib import Path
from typing import Any, NoReturn, Protocol
from urllib.parse import urlsplit

from limits.storage import MovingWindowSupport, Storage

from app.limit_errors import LimiterUnavailable
from app.stores.embedded import EmbeddedStore
from app.stores.windows import Standing, Windows

SCHEME = "lmdb"


class CountingWindows(Protocol):
    """Windows of one machine or of several."""

    def acquire(self, name: str, limit: int, window_s: int = ..., amount: int = ...) -> Standing:
        """Admit and count `amount` requests at once, or refuse and count nothing."""

    def peek(self, name: str, limit: int, window_s: int = ...) -> Standing:
        """Return where the key stands now, without counting anything."""

    def clear(self, name: str) -> None:
        """Forget what was counted for the key."""


class LmdbStorage(Storage, MovingWindowSupport):
    """`lmdb:///folder`: counters in that folder, shared by all processes of the machine, for moving windows only."""

    STORAGE_SCHEME = [SCHEME]  # noqa: RUF012 - so declared by limits

    def __init__(
        self,
        uri: str,
        wrap_exceptions: bool = False,
        windows: CountingWindows | None = None,
        **_options: float | str | bool,
    ) -> None:
        """Use `windows`, or open those of the folder: once per process, and after the fork."""
        super().__init__(uri, wrap_exceptions=wrap_exceptions)
        self.windows = windows or Windows(EmbeddedStore(Path(urlsplit(uri).path)))

    @property
    def base_exceptions(self) -> type[Exception]:
        return LimiterUnavailable

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        return self.windows.acquire(key, limit, expiry, amount).is_admitted

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        standing = self.windows.peek(key, limit, expiry)
        return time.time() + standing.reset_s - expiry, limit - standing.remaining

    def clear(self, key: str) -> None:
        self.windows.clear(key)

    def check(self) -> bool:
        try:
            self.windows.peek("check", 1)
        except LimiterUnavailable:
            return False
        return True

    def reset(self) -> None:
        raise NotImplementedError("Keys are cleared one by one: other workers count in the same file.")

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError('This storage keeps moving windows; choose the strategy "moving-window".')

    incr = get = get_expiry = _refuse
