"""Names of tools become such as every model takes, and stay apart."""

import re

from hypothesis import given
from hypothesis import strategies as st

from app.adapters.anthropic.tools import short_name

NAMES = st.text("abcdefghijklmnopqrstuvwxyzABC019_-", min_size=1, max_size=128)


@given(NAMES)
def test_a_name_is_one_that_openai_takes(name):
    assert re.fullmatch("[a-zA-Z0-9_-]{1,64}", short_name(name))


@given(NAMES.filter(lambda name: len(name) <= 64))
def test_a_short_name_stays(name):
    assert short_name(name) == name


def test_long_names_that_begin_alike_stay_apart():
    names = [f"{'x' * 100}_{number}" for number in range(100)]

    assert len({short_name(name) for name in names}) == 100
