"""JSON is read as it is written, or refused by the outermost member at fault."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.sound_json import Unsound, read
from tests.values import PROPERTY


@pytest.mark.parametrize(
    ("text", "name", "told"),
    [
        ('{"a": 1, "b": {"c": 1, "c": 1}}', "b", "has a name twice in one JSON object"),
        ('{"a": 1, "b": 2, "a": 1}', "a", "comes twice"),
        ('{"a": [[-Infinity]]}', "a", "has NaN or Infinity, which are not JSON (RFC 8259 §6)"),
        ('{"a": -1e999}', "a", "has a number that is too large"),
        ('{"a": {"b": ' + "1" * 4301 + "}}", "a", "has a number that is too large"),
        ('{"a": {"\\udc00": 1}}', "a", "has half of a surrogate pair (RFC 8259 §8.2)"),
        ('{"\\ud800": 1}', None, "has half of a surrogate pair (RFC 8259 §8.2)"),
        (b'{"a": "\xed\xa0\x80"}', "a", "has half of a surrogate pair (RFC 8259 §8.2)"),
    ],
)
def test_what_readers_take_for_different_things_is_named(text, name, told):
    with pytest.raises(Unsound) as unsound:
        read(text)

    assert (unsound.value.name, unsound.value.told) == (name, told)


@pytest.mark.parametrize("text", ["", "{", '{"a": 1,}', "nul"])
def test_what_is_no_json_has_no_name(text):
    with pytest.raises(ValueError):  # noqa: PT011 - json's own
        read(text)


@PROPERTY
@given(
    some.recursive(
        some.none()
        | some.booleans()
        | some.integers()
        | some.floats(allow_nan=False, allow_infinity=False)
        | some.text(),
        lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(), inner, max_size=4),
        max_leaves=30,
    )
)
def test_sound_json_is_read_as_it_is(value):
    assert read(json.dumps(value)) == value
    assert read(json.dumps(value, ensure_ascii=False).encode()) == value
