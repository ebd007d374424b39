"""Thoughts that a model signed come back as they were, and nobody else's signature means anything."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.gemini.signatures import is_base64, remembered, signature, standard

SIGNED = {"type": "thinking", "thinking": "Hm.", "signature": "any text: ü"}
REDACTED = {"type": "redacted_thinking", "data": "opaque"}


@pytest.mark.parametrize("encode", [lambda text: text, lambda text: text.translate(str.maketrans("+/", "-_"))])
def test_signed_blocks_come_back_in_either_alphabet(encode):
    held = signature([SIGNED, REDACTED], "Hm.", calls_tools=False)

    assert remembered(encode(held)) == {"thinking_blocks": [SIGNED, REDACTED]}


def test_reasoning_before_a_call_comes_back_without_a_signature_of_the_model():
    assert remembered(signature(None, "Hm.", calls_tools=True) or "") == {"reasoning_content": "Hm."}


@pytest.mark.parametrize(
    ("blocks", "reasoning"),
    [
        pytest.param(None, "", id="no thought"),
        pytest.param([], "Hm.", id="reasoning before a text"),
        pytest.param([{"type": "thinking", "thinking": "Hm."}], "Hm.", id="unsigned"),
        pytest.param([{"type": "other", "signature": "a"}, "text", None], "", id="of no known kind"),
    ],
)
def test_what_needs_no_return_has_no_signature(blocks, reasoning):
    assert signature(blocks, reasoning, calls_tools=False) is None


@pytest.mark.parametrize(
    "held",
    [
        pytest.param({"thinking_blocks": [SIGNED]}, id="not ours"),
        pytest.param({"from": "another", "thinking_blocks": [SIGNED]}, id="another's"),
        pytest.param({"from": "tollhouse", "thinking_blocks": SIGNED}, id="no list"),
        pytest.param({"from": "tollhouse", "thinking_blocks": [{"type": "tool_use", "signature": "a"}]}, id="a call"),
        pytest.param({"from": "tollhouse", "reasoning_content": 1}, id="no text"),
        pytest.param({"from": "tollhouse", "role": "system"}, id="another member"),
        pytest.param(["tollhouse"], id="no object"),
    ],
)
def test_a_client_cannot_write_members_of_a_message(held):
    assert remembered(base64.b64encode(json.dumps(held).encode()).decode()) is None


@given(st.text())
def test_any_other_text_is_nobodys_signature(text):
    assert remembered(text) is None


@given(st.binary())
def test_base64_is_known_in_both_alphabets_with_and_without_padding(octets):
    for encoded in (base64.b64encode(octets), base64.urlsafe_b64encode(octets)):
        for text in (encoded.decode(), encoded.decode().rstrip("=")):
            assert is_base64(standard(text))
            assert base64.b64decode(standard(text)) == octets
