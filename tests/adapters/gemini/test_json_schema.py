"""Google's schemas mean the same in JSON Schema, and OpenAI's strict mode is asked for only where it takes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.gemini.json_schema import closed, is_strict, json_schema

TEXT = {"type": "string"}
STRING = {"type": "STRING"}
NAMES = "type properties items any_of nullable enum required propertyOrdering $defs".split()


@pytest.mark.parametrize(
    ("given_schema", "made"),
    [
        pytest.param(STRING, TEXT, id="type"),
        pytest.param({"type": "TYPE_UNSPECIFIED", "title": "a"}, {"title": "a"}, id="no type"),
        pytest.param({"type": "STRING", "nullable": True}, {"type": ["string", "null"]}, id="nullable"),
        pytest.param({"type": "STRING", "nullable": False}, TEXT, id="not nullable"),
        pytest.param({"type": "ARRAY", "max_items": "3"}, {"type": "array", "maxItems": 3}, id="count"),
        pytest.param({"type": "ARRAY", "items": STRING}, {"type": "array", "items": TEXT}, id="items"),
        pytest.param({"any_of": [STRING], "nullable": True}, {"anyOf": [TEXT, {"type": "null"}]}, id="any"),
        pytest.param({"ref": "#", "defs": {"a": STRING}}, {"$ref": "#", "$defs": {"a": TEXT}}, id="ref"),
        pytest.param({"example": 1}, {"examples": [1]}, id="example"),
        pytest.param({"format": None}, {}, id="null"),
        pytest.param(
            {"properties": {"any_of": STRING}}, {"properties": {"any_of": TEXT}}, id="a property of that name"
        ),
    ],
)
def test_a_schema_means_the_same(given_schema, made):
    assert json_schema(given_schema) == made


def test_properties_stand_in_the_order_in_which_they_are_to_be_written():
    given_schema = {"properties": {"a": {}, "b": {}, "c": {}}, "propertyOrdering": ["c", "a", "nowhere", 1]}

    assert list(json_schema(given_schema)["properties"]) == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("schema", "is_taken"),
    [
        pytest.param({"type": "object", "properties": {"a": TEXT}, "required": ["a"]}, True, id="whole"),
        pytest.param({"type": "object", "properties": {"a": TEXT}}, False, id="a may be missing"),
        pytest.param({"type": "object"}, False, id="any properties"),
        pytest.param({"type": "array", "items": {"type": "object"}}, False, id="below"),
        pytest.param({"type": "string", "minLength": 1}, False, id="a rule that is not taken"),
        pytest.param({"anyOf": [TEXT, {"type": "null"}]}, True, id="one of two"),
        pytest.param({"$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}}, False, id="by reference"),
        pytest.param(True, False, id="no schema"),
    ],
)
def test_strict_mode_is_asked_for_where_it_is_taken(schema, is_taken):
    assert is_strict(closed(schema)) is is_taken


def test_additional_properties_that_are_told_stay():
    schema = {"properties": {}, "additionalProperties": TEXT}

    assert closed(schema) == schema


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=3),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES), inner),
    )
)
def test_any_json_is_taken_as_a_schema(value):
    made = closed(json_schema(value))

    assert type(made) is type(value)
    assert closed(made) == made
    assert isinstance(made, dict) or not is_strict(made)
