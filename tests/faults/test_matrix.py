"""G34, AU-07: a sample of all ways to knock without a right key; the whole matrix is `make soak`'s."""

from __future__ import annotations

import random

from tests.faults import matrix


def test_nobody_gets_in_without_a_right_key() -> None:
    numbers = random.Random(34).sample(range(matrix.COUNT), 3_000)

    with matrix.guarded() as (gateway, upstream):
        shut = matrix.right_keys_open(gateway, upstream)
        found = matrix.knock(gateway, upstream, numbers)

    assert shut == []
    assert found.complaints == []
    assert found.figures["octets upstream"] == 0
    assert found.figures["answered 401"] > 100


def test_the_matrix_is_as_large_as_it_says() -> None:
    sizes = [len(matrix.PATHS), len(set(matrix.spellings("/v1/rerank"))), len(matrix.METHODS), len(matrix.TRICKS)]

    assert sizes == [15, 70, 12, 20]
    assert len({matrix.attempt(number) for number in range(0, matrix.COUNT, 37)}) == len(range(0, matrix.COUNT, 37))
