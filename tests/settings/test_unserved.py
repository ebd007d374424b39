"""What this version does not serve yet is known, and refused by name."""

from __future__ import annotations

import pytest

from tests.settings.conftest import one_route

ROUTE = "general_settings.pass_through_endpoints[0]"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (one_route("rpm_limit: 5"), f"{ROUTE}.rpm_limit"),
        (one_route("cost_per_request: 0.5"), f"{ROUTE}.cost_per_request"),
        ("keys: [{key: abc, tpm_limit: 5}]", "keys[0].tpm_limit"),
        ("keys: [{key: abc, max_budget: 5}]", "keys[0].max_budget"),
    ],
)
def test_it_is_refused_where_it_stands(problems, text, place):
    (problem,) = problems(text)

    assert problem.place == place
    assert problem.message.startswith("is not served by this version yet")


@pytest.mark.parametrize("text", [one_route("auth: true"), "keys: [{key: abc}]", "keys: []\n"])
def test_what_asks_for_nothing_is_served(problems, text):
    assert problems(text) == []
