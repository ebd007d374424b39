"""Configured header fields can be sent as they are, and never begin another one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.settings.fields import forwarded_name, header_name, header_value, key, octets_as_text


@pytest.mark.parametrize("name", ["Authorization", "x-api_key", "api_token", "X!#$%&'*+.^`|~9"])
def test_a_token_is_a_header_name(name):
    assert header_name(name) == name


@pytest.mark.parametrize("name", ["", "Bad Name", "Name:", "Näme", "a\n", "a\r\nb", "(a)", '"a"'])
def test_what_is_no_token_is_no_header_name(name):
    """CE-14"""
    with pytest.raises(ValueError, match="is no header name"):
        header_name(name)


@pytest.mark.parametrize(
    "name",
    ["Host", "Connection", "Content-Length", "Transfer-Encoding", "TE", "Upgrade", "keep-alive", "Trailer", "Expect"],
)
def test_framing_is_the_gateways_own(name):
    """CE-14"""
    with pytest.raises(ValueError, match="is set by the gateway itself"):
        header_name(name)


@pytest.mark.parametrize("name", ["Connection", "host", "Transfer-Encoding"])
def test_framing_is_never_forwarded(name):
    with pytest.raises(ValueError, match="never forwarded"):
        forwarded_name(name)


def test_a_forwarded_name_is_compared_in_lower_case():
    assert forwarded_name("Anthropic-*") == "anthropic-*"


@pytest.mark.parametrize("name", ["", "a b", "a:b", "é"])
def test_what_is_no_name_is_not_forwarded(name):
    with pytest.raises(ValueError, match="is no header name"):
        forwarded_name(name)


@given(
    st.text(max_size=20), st.sampled_from("\r\n\0\x0b\x1f\x7f"), st.text("abc", min_size=1), st.text("abc", min_size=1)
)
def test_a_control_character_in_a_value_is_refused_and_the_value_not_told(around, control, before, behind):
    """CE-08: a line break would begin a field of the value's own choosing."""
    with pytest.raises(ValueError, match="line break or control character") as refused:
        header_value(f"canary{before}{control}{behind}{around}")

    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("value", "sent"),
    [("  a b\t", "a b"), ("", ""), ("a\tb", "a\tb"), ("Café", "Café")],
)
def test_a_value_is_sent_without_blanks_around_it(value, sent):
    assert header_value(value) == sent


def test_beyond_ascii_each_octet_is_a_character():
    assert octets_as_text("é€") == "\xc3\xa9\xe2\x82\xac"


@pytest.mark.parametrize("value", ["", " canary", "canary\n", "canary\x00", "canäry"])
def test_a_key_that_no_client_could_send_is_refused(value):
    with pytest.raises(ValueError, match="choose another key") as refused:
        key(value)

    assert "canary" not in str(refused.value)
