"""The stamps of one window in LMDB, oldest first: full pages under numbers, then the open page, which grows.

To count and to admit cost the same for any n: all pages but the last are full, so they are counted without
being read, and a page is thrown away whole once its last stamp has left the window.
"""

from array import array
from bisect import bisect_left

import lmdb

SECOND_NS = 1_000_000_000

# 1 KiB: a page fits into a node of LMDB's tree (2 KiB at most), and is copied faster than it is found.
PAGE_STAMPS = 128
# Windows looked at, when one appears, to see whether they are over.
SWEPT_AT_ONCE = 4

# The first octet of the keys of open and of full pages.
OPEN, FULL = b"w", b"f"
# The open page begins with the numbers of the oldest full page and of the next one, and the window's length.
HEAD = 3
EMPTY = bytes(8 * HEAD)


class Stamps:
    """The stamps that are in the window at a time, read and written in one transaction."""

    __slots__ = (
        "_end", "_first", "_key", "_left", "_now", "_oldest", "_open", "_stale", "_txn", "_window_ns",
        "is_new",
    )  # fmt: skip

    def __init__(self, txn: "lmdb.Transaction[bytes]", name: str, now: int, window_s: int) -> None:
        self._txn, self._now, self._window_ns = txn, now, window_s * SECOND_NS
        self._key = name.encode()
        found = txn.get(OPEN + self._key)
        self.is_new = found is None
        self._open = array("q", found or EMPTY)
        self._first, self._end = self._open[0], self._open[1]
        self._stale = self._first
        self._left = 0
        self._oldest: array[int] | None = None
        self._leave_out(now - self._window_ns)

    def __len__(self) -> int:
        return (self._end - self._first) * PAGE_STAMPS + len(self._open) - HEAD - self._left

    def leaves_s(self, index: int) -> float:
        """Return the seconds until the stamp at that place, oldest first, is out of the window."""
        number, offset = divmod(self._left + index, PAGE_STAMPS)
        page = self._oldest if number == 0 else None
        stamp = (page or self._page(self._first + number))[offset]
        return (stamp + self._window_ns + 1 - self._now) / SECOND_NS

    def append(self, stamp: int, amount: int) -> None:
        """Add a stamp, so many times. It is not older than those there."""
        for _ in range(amount):
            if len(self._open) == HEAD + PAGE_STAMPS:
                self._txn.put(self._full(self._end), self._open[HEAD:])
                self._end += 1
                del self._open[HEAD:]
            self._open.append(stamp)
        self._save()

    def remove(self, stamp: int) -> None:
        """Take one such stamp out, if it is there; later pages give their first, so that all stay full."""
        pages: dict[int, array[int]] = {}
        moved = array("q")
        for number in range(self._end, self._first - 1, -1):
            page = self._page(number) + moved
            if not page:
                continue
            moved = array("q", [stamp if stamp in page else page[0]])
            page.remove(moved[0])
            pages[number] = page
            if moved[0] == stamp:
                self._replace(pages)
                return

    def clear(self) -> None:
        """Forget the window."""
        _delete(self._txn, self._key, self._open)

    def _leave_out(self, since: int) -> None:
        """Pass by what is older; the window is closed at both ends, so a stamp of just then still counts."""
        if self._open[-1] > self._now + self._window_ns:  # The clock began anew: this is of an earlier boot.
            self._first = self._end
            del self._open[HEAD:]
            return
        while self._first < self._end:
            page = self._page(self._first)
            if page[-1] >= since:
                self._oldest, self._left = page, bisect_left(page, since)
                return
            self._first += 1
        del self._open[HEAD : bisect_left(self._open, since, HEAD)]

    def _page(self, number: int) -> "array[int]":
        return self._open[HEAD:] if number == self._end else array("q", self._txn.get(self._full(number), b""))

    def _full(self, number: int) -> bytes:
        return FULL + self._key + number.to_bytes(8, "big")

    def _replace(self, pages: "dict[int, array[int]]") -> None:
        for number, page in pages.items():
            if number == self._end:
                self._open[HEAD:] = page
            else:
                self._txn.put(self._full(number), page)
        if len(self._open) == HEAD and self._first < self._end:
            self._end -= 1
            self._open += array("q", self._txn.pop(self._full(self._end)) or b"")
        self._save()

    def _save(self) -> None:
        for number in range(self._stale, self._first):
            self._txn.delete(self._full(number))
        self._open[0], self._open[1], self._open[2] = self._first, self._end, self._window_ns
        self._txn.put(OPEN + self._key, self._open)


def sweep(txn: "lmdb.Transaction[bytes]", place: bytes, now: int) -> bytes:
    """Throw away what is over among a few windows from that key on; returns where to go on next time.

    What makes the store grow pays for keeping it small: called when a window appears, it looks at more.
    """
    seen: list[tuple[bytes, array[int]]] = []
    with txn.cursor() as cursor:
        is_found = cursor.set_range(place)
        while is_found and cursor.key().startswith(OPEN) and len(seen) < SWEPT_AT_ONCE:
            seen.append((cursor.key(), array("q", cursor.value())))
            is_found = cursor.next()
    for key, page in seen:
        if page[-1] < now - page[2]:
            _delete(txn, key[1:], page)
    return seen[-1][0] + b"\0" if len(seen) == SWEPT_AT_ONCE else OPEN


def _delete(txn: "lmdb.Transaction[bytes]", key: bytes, page: "array[int]") -> None:
    for number in range(page[0], page[1]):
        txn.delete(FULL + key + number.to_bytes(8, "big"))
    txn.delete(OPEN + key)
