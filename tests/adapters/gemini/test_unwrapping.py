"""A value comes out of the object around it, whole, however it is cut."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.gemini.formats import ENUMERATION, JSON, MEMBER
from app.adapters.gemini.unwrapping import Unwrapping

LEAVES = st.none() | st.booleans() | st.integers() | st.text()
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)
SPACES = st.text(alphabet=" \n\t", max_size=3)


def unwrapped(text: str, mime: str | None, cuts: list[int]) -> str:
    unwrapping = Unwrapping(mime)
    ends = sorted({cut % (len(text) + 1) for cut in cuts} | {len(text)})
    passed, begin = "", 0
    for end in ends:
        passed += unwrapping.feed(text[begin:end])
        begin = end
    return passed + unwrapping.finish()


@given(VALUES, st.tuples(SPACES, SPACES, SPACES, SPACES, SPACES), st.lists(st.integers(0, 200)))
def test_a_value_is_what_stood_in_its_object(value, spaces, cuts):
    text = json.dumps(value)
    before, after, colon, begin, end = spaces
    whole = f'{before}{{{after}"{MEMBER}"{colon}:{begin}{text}{end}}}{before}'

    assert unwrapped(whole, JSON, cuts) == text


@given(st.text(alphabet=f'{{}}":{MEMBER} ', max_size=30) | st.text(), st.lists(st.integers(0, 200)))
def test_a_text_in_no_such_object_stays_as_it_is(text, cuts):
    """A cut-off object loses what stands before its value, and nothing else."""
    got = unwrapped(text, JSON, cuts)

    assert text.endswith(got) or is_whole(text)
    assert got == text or "".join(text[: len(text) - len(got)].split()) == f'{{"{MEMBER}":' or is_whole(text)


@given(st.text(), st.lists(st.integers(0, 200)))
def test_nothing_is_taken_out_where_nothing_was_wrapped(text, cuts):
    assert unwrapped(text, None, cuts) == text


@pytest.mark.parametrize(
    ("text", "read"),
    [
        pytest.param('{"value": "up"}', "up", id="in its object"),
        pytest.param('{"value": 1}', '{"value": 1}', id="of another type"),
        pytest.param("up", "up", id="bare"),
        pytest.param('{"value": "u', '{"value": "u', id="cut off"),
        pytest.param("", "", id="none"),
    ],
)
def test_an_enumerations_value_comes_without_quotes(text, read):
    assert unwrapped(text, ENUMERATION, list(range(len(text)))) == read


def test_a_list_that_is_cut_off_keeps_its_last_brace():
    assert unwrapped('{"value": [{"a": {}', JSON, [12, 18]) == '[{"a": {}'


def test_items_pass_as_they_come():
    unwrapping = Unwrapping(JSON)

    assert [unwrapping.feed(text) for text in ('{"val', 'ue": [1', ", {}", "]", "}")] == ["", "[1", ", {", "}]", ""]


def is_whole(text: str) -> bool:
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return isinstance(found, dict) and list(found) == [MEMBER]
