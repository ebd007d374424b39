"""A request head is taken apart, or refused where two parsers could read it differently."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import (
    ExpectationFailed,
    HeadersTooLarge,
    InvalidRequest,
    Refusal,
    UnsupportedTransferCoding,
    UriTooLong,
)
from app.serving.head import MAX_HEAD_BYTES, Limits, refuse_oversized, request_head
from tests.values import PROPERTY

LIMITS = Limits()


def a_head(*lines, first=b"POST /v1/rerank?a=%2F HTTP/1.1"):
    return b"\r\n".join([first, *lines, b"", b""])


def test_a_head_is_taken_apart():
    head = request_head(a_head(b"Host: h", b"X_B: 1", b"x-b:\t 2 \t", b"X-B:", b"Content-Length: 007"), LIMITS)

    assert (head.method, head.target, head.minor_version) == ("POST", "/v1/rerank?a=%2F", 1)
    assert head.fields == [("HOST", "h"), ("X_B", "1"), ("X-B", "2"), ("X-B", ""), ("CONTENT-LENGTH", "007")]
    assert (head.length, head.is_chunked, head.expects_continue, head.is_last) == (7, False, False, False)


def test_octets_above_ascii_are_kept_in_values():
    head = request_head(a_head(b"X-Name: \xc3\xa9\xff"), LIMITS)

    assert head.fields[0][1].encode("latin-1") == b"\xc3\xa9\xff"


@pytest.mark.parametrize(
    ("first", "method", "target", "minor"),
    [
        (b"OPTIONS * HTTP/1.1", "OPTIONS", "*", 1),
        (b"GET http://other/p?q HTTP/1.1", "GET", "http://other/p?q", 1),
        (b"CONNECT host:443 HTTP/1.1", "CONNECT", "host:443", 1),
        (b"BASELINE-CONTROL / HTTP/1.0", "BASELINE-CONTROL", "/", 0),
        (b"GET / HTTP/1.2", "GET", "/", 1),
    ],
)
def test_forms_of_the_request_line(first, method, target, minor):
    head = request_head(a_head(first=first), LIMITS)

    assert (head.method, head.target, head.minor_version) == (method, target, minor)


@pytest.mark.parametrize(
    "first",
    [
        b"get / HTTP/1.1",
        b"GE / HTTP/1.1",
        b"GET  / HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b" GET / HTTP/1.1",
        b"GET /\x80 HTTP/1.1",
        b"GET / a HTTP/1.1",
        b"GET * HTTP/1.1",
        b"GET host:443 HTTP/1.1",
        b"GET / http/1.1",
        b"GET / HTTP/1.10",
        b"GET / HTTP/2.0",
        b"GET / HTTP/0.9",
        b"GET /",
        b"GET\t/ HTTP/1.1",
        b"G(T / HTTP/1.1",
    ],
)
def test_any_other_request_line_is_refused(first):
    with pytest.raises(InvalidRequest):
        request_head(a_head(first=first), LIMITS)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([b"X : 1"], id="space before the colon"),
        pytest.param([b" X: 1"], id="fold in front"),
        pytest.param([b"X: 1", b" more"], id="fold"),
        pytest.param([b"X: a\x00b"], id="NUL"),
        pytest.param([b"X: a\rb"], id="bare CR"),
        pytest.param([b"X: a\nY: b"], id="bare LF"),
        pytest.param([b"X"], id="no colon"),
        pytest.param([b": v"], id="no name"),
        pytest.param([b"X\x80: v"], id="name above ascii"),
        pytest.param([b"Host: a", b"host: a"], id="two hosts"),
        pytest.param([b"Content-Type: a", b"Content-Type: a"], id="two types"),
        pytest.param([b"Content-Length: 3", b"Content-Length: 3"], id="two lengths"),
        pytest.param([b"Content-Length: 3, 3"], id="a list of lengths"),
        pytest.param([b"Content-Length: +3"], id="signed length"),
        pytest.param([b"Content-Length: 0x3"], id="hexadecimal length"),
        pytest.param([b"Content-Length: \xb2"], id="superscript length"),
        pytest.param([b"Content-Length:"], id="empty length"),
        pytest.param([b"Content-Length: 1234567890123456789"], id="endless length"),
        pytest.param([b"Content-Length: 3", b"Transfer-Encoding: chunked"], id="length and chunked"),
        pytest.param([b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"], id="chunked twice"),
    ],
)
def test_fields_that_two_parsers_could_read_differently_are_refused(lines):
    with pytest.raises(InvalidRequest):
        request_head(a_head(*lines), LIMITS)


def test_chunked_http_1_0_is_refused():
    with pytest.raises(InvalidRequest):
        request_head(a_head(b"Transfer-Encoding: chunked", first=b"POST / HTTP/1.0"), LIMITS)


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"identity,chunked", b"x-a , \tChunked"])
def test_codings_beside_chunked_are_not_taken(coding):
    with pytest.raises(UnsupportedTransferCoding):
        request_head(a_head(b"Transfer-Encoding: " + coding), LIMITS)


@pytest.mark.parametrize(
    "coding", [b"identity", b"gzip", b"chunked, gzip", b"chunked, chunked", b"xchunked", b"", b"chunked,"]
)
def test_a_coding_that_does_not_tell_where_the_body_ends_is_refused(coding):
    """RFC 9112 §6.3 asks for 400 where chunked is not the last one."""
    with pytest.raises(InvalidRequest):
        request_head(a_head(b"Transfer-Encoding: " + coding), LIMITS)


def test_chunked_in_any_case():
    assert request_head(a_head(b"transfer-encoding: ChunKed"), LIMITS).is_chunked


def test_continue_is_expected_in_any_case_and_of_http_1_1():
    expecting = b"Expect: 100-Continue"

    assert request_head(a_head(expecting), LIMITS).expects_continue
    assert not request_head(a_head(expecting, first=b"POST / HTTP/1.0"), LIMITS).expects_continue
    with pytest.raises(ExpectationFailed):
        request_head(a_head(b"Expect: 99-never"), LIMITS)


@pytest.mark.parametrize(
    ("first", "lines", "is_last"),
    [
        (b"GET / HTTP/1.1", [], False),
        (b"GET / HTTP/1.1", [b"Connection: x, Close"], True),
        (b"GET / HTTP/1.1", [b"Connection: keep-alive", b"Connection: close"], True),
        (b"GET / HTTP/1.1", [b"Connection: close", b"X: 1", b"Connection: keep-alive"], True),
        (b"GET / HTTP/1.0", [], True),
        (b"GET / HTTP/1.0", [b"Connection: Keep-Alive"], False),
        (b"CONNECT a:1 HTTP/1.1", [], True),
    ],
)
def test_whether_another_request_follows(first, lines, is_last):
    assert request_head(a_head(*lines, first=first), LIMITS).is_last is is_last


@pytest.mark.parametrize(
    ("octets", "refusal"),
    [
        (a_head(first=b"GET /" + b"a" * 8190 + b" HTTP/1.1"), UriTooLong),
        (a_head(*[b"X: 1"] * 101), HeadersTooLarge),
        (a_head(b"X: " + b"a" * 8190), HeadersTooLarge),
        (a_head(*[b"X: " + b"a" * 8000] * 9), HeadersTooLarge),
    ],
    ids=["request line", "fields", "one field", "all of it"],
)
def test_limits(octets, refusal):
    with pytest.raises(refusal):
        request_head(octets, LIMITS)


@pytest.mark.parametrize(
    "octets",
    [a_head(*[b"X: 1"] * 100), a_head(b"X: " + b"a" * 8185), a_head(first=b"GET /" + b"a" * 8176 + b" HTTP/1.1")],
)
def test_what_is_just_within_them(octets):
    assert request_head(octets, LIMITS).minor_version == 1


@pytest.mark.parametrize(
    ("octets", "refusal"),
    [
        (b"GET /" + b"a" * 9000, UriTooLong),
        (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 12_000, HeadersTooLarge),
    ],
)
def test_the_rest_of_what_is_too_large_already_is_not_waited_for(octets, refusal):
    with pytest.raises(refusal):
        refuse_oversized(octets, LIMITS)


@given(st.binary(max_size=200), st.booleans())
@PROPERTY
def test_any_octets_are_a_head_or_a_refusal(octets, is_plausible):
    octets = (b"GET /x HTTP/1.1\r\n" if is_plausible else b"") + octets + b"\r\n\r\n"

    try:
        head = request_head(octets, LIMITS)
    except Refusal:
        return  # Whatever else is raised fails the test.
    lines = octets.decode("latin-1").split("\r\n")
    assert lines[0].startswith(f"{head.method} {head.target} HTTP/1.")
    assert [line.partition(":")[0].upper() for line in lines[1:-2]] == [name for name, _ in head.fields]
    assert all("\r" not in text and "\n" not in text for field in head.fields for text in field)


def test_a_long_name_without_a_colon_takes_no_quadratic_time():
    with pytest.raises((InvalidRequest, HeadersTooLarge)):
        request_head(a_head(b"a" * (MAX_HEAD_BYTES - 100)), LIMITS)
