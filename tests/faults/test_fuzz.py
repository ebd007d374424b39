"""The targets of the fuzzer hold for what it begins with, and fail where a promise is broken (G32)."""

from __future__ import annotations

import pytest

from app import headers
from tests.faults import fuzz
from tests.faults.fuzz_targets import TARGETS


@pytest.mark.parametrize("name", fuzz.NAMES)
def test_what_the_fuzzer_begins_with_holds(name: str) -> None:
    seeds = fuzz.seeds(name)

    for octets in seeds:
        TARGETS[name](octets)

    assert len(seeds) > 3


def test_every_target_can_be_asked_for() -> None:
    assert tuple(TARGETS) == fuzz.NAMES


def test_a_broken_promise_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headers, "one_cookie_line", lambda fields: fields)

    with pytest.raises(AssertionError):
        TARGETS["merge"](b"Cookie: a=1\nCookie: b=2")
