"""A worker that finds no memory fails requests, and serves again or is replaced (OR-08)."""

from __future__ import annotations

import gzip

from tests.faults import resources


def test_a_worker_without_memory_serves_again_or_another_does() -> None:
    assert resources.without_memory(0.1).complaints == []


def test_the_bomb_is_what_it_seems() -> None:
    """G8: what `make soak` has relayed expands to the zeros that it is meant to be."""
    expanded = gzip.decompress(resources.gzip_bomb(resources.PIECE))

    assert (len(expanded), expanded.count(0)) == (resources.PIECE, resources.PIECE)
