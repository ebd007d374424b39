"""Takes what one file of counters knows over into the one that has taken its place."""

from array import array

import lmdb

from app.stores.stamps import FULL, OPEN


def carry_over(before: "lmdb.Transaction[bytes]", txn: "lmdb.Transaction[bytes]", now: int) -> None:
    """Put the records that are not there yet; of what both have, the place's own is the later.

    So the workers may do this one after the other, and one that was started in between loses nothing.
    """
    with before.cursor() as cursor:
        for key, record in cursor:
            if key.startswith(OPEN):
                _carry_window(before, txn, key, record, now)
            elif not key.startswith(FULL):
                txn.put(key, record, overwrite=False)


def _carry_window(
    before: "lmdb.Transaction[bytes]", txn: "lmdb.Transaction[bytes]", key: bytes, record: bytes, now: int
) -> None:
    """Put a window with its full pages, unless it is over."""
    page = array("q", record)
    is_over = page[-1] < now - page[2]
    if is_over or not txn.put(key, record, overwrite=False):
        return
    for number in range(page[0], page[1]):
        full = FULL + key[1:] + number.to_bytes(8, "big")
        txn.put(full, before.get(full, b""))
