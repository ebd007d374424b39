"""Heads written as given and read strictly: what two parsers could read differently is no head."""

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.framing import ChunkedDecoder, CloseDecoder, LengthDecoder, Malformed
from app.relay.http1 import body_decoder, request_head, response_head
from tests.values import PROPERTY

names = st.text("!#$%&'*+-.^_`|~09azAZ", min_size=1, max_size=8)
visible = st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="".join(map(chr, range(0x7F, 0x80))))
inner = st.text(st.one_of(visible, st.sampled_from(" \t")), max_size=10)
values = inner.map(lambda text: text.strip(" \t"))
fields = st.lists(st.tuples(names, values), max_size=6)
white = st.text(" \t", max_size=2)


def octets_of(status_line, lines):
    return "".join(f"{line}\r\n" for line in [status_line, *lines, ""]).encode("latin-1")


@given(version=st.integers(0, 1), status=st.integers(100, 999), reason=inner, sent=fields, before=white, behind=white)
@PROPERTY
def test_any_legal_head_is_read_as_it_was_written(version, status, reason, sent, before, behind):
    lines = [f"{name}:{before}{value}{behind}" for name, value in sent]

    head = response_head(octets_of(f"HTTP/1.{version} {status} {reason}", lines))

    assert (head.minor_version, head.status, head.reason, head.fields) == (version, status, reason, sent)


BAD_LINES = {
    "bare CR": "X-A: a\rSet-Cookie: evil=1",
    "bare LF": "X-A: a\nSet-Cookie: evil=1",
    "NUL": "X-A: a\x00b",
    "other control character": "X-A: a\x0bb",
    "DEL": "X-A: a\x7fb",
    "fold": " folded",
    "tabbed fold": "\tX-A: folded",
    "no colon": "no-colon",
    "space in the name": "X A: 1",
    "space before the colon": "X-A : 1",
    "empty name": ": 1",
    "name beyond ASCII": "X-\xe4: 1",
    "CR before the end": "X-A: 1\r",
}


@pytest.mark.parametrize("bad", BAD_LINES.values(), ids=list(BAD_LINES))
@given(sent=fields, at=st.integers(0, 6))
@settings(PROPERTY, max_examples=40)
def test_a_head_with_one_bad_line_is_malformed(bad, sent, at):
    lines = [f"{name}: {value}" for name, value in sent]
    lines.insert(at % (len(lines) + 1), bad)

    with pytest.raises(Malformed) as malformed:
        response_head(octets_of("HTTP/1.1 200 OK", lines))

    assert "evil" not in str(malformed.value)


@pytest.mark.parametrize(
    "status_line",
    [
        "HTTP/2 200 OK",
        "HTTP/0.9 200 OK",
        "HTTP/1.2 200 OK",
        "HTTP/1.10 200 OK",
        "http/1.1 200 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 020 OK",
        "HTTP/1.1 +20 OK",
        "HTTP/1.1 200OK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1 200 O\x00K",
        "HTTP/1.1 200 O\rK",
        " HTTP/1.1 200 OK",
        "ICY 200 OK",
        "",
    ],
)
def test_another_status_line_is_malformed(status_line):
    with pytest.raises(Malformed):
        response_head(octets_of(status_line, ["X-A: 1"]))


@pytest.mark.parametrize(
    ("status_line", "status", "reason"),
    [
        ("HTTP/1.1 200 OK", 200, "OK"),
        ("HTTP/1.1 200 ", 200, ""),
        ("HTTP/1.1 200", 200, ""),
        ("HTTP/1.1 999 \xc4rger mit\tTab", 999, "\xc4rger mit\tTab"),
    ],
)
def test_a_reason_may_be_anything_or_missing(status_line, status, reason):
    head = response_head(octets_of(status_line, []))

    assert (head.status, head.reason, head.fields) == (status, reason, [])


def test_values_of_a_name_are_found_whatever_its_case_and_in_order():
    head = response_head(octets_of("HTTP/1.1 200 OK", ["Vary: A", "X: 1", "VARY: B, C"]))

    assert head.values("vary") == ["A", "B, C"]
    assert head.values("via") == []


@given(
    method=st.sampled_from(["GET", "POST", "OPTIONS", "X-ODD"]),
    target=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=12).map(lambda text: "/" + text),
    sent=st.lists(
        st.tuples(
            names.filter(lambda name: name.lower() not in ("host", "content-length", "transfer-encoding")), values
        )
    ),
)
@PROPERTY
def test_a_request_head_is_read_by_a_strict_judge_as_it_was_given(method, target, sent):
    judge = h11.Connection(h11.SERVER)

    judge.receive_data(request_head(method, target, "upstream.test:8080", sent))

    request = judge.next_event()
    assert (request.method, request.target) == (method.encode(), target.encode())
    spelled = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw_items()]
    assert spelled == [("Host", "upstream.test:8080"), *sent]


def test_a_request_head_is_these_octets():
    head = request_head("POST", "/a%2Fb?x", "upstream.test", [("X-A", "\xe4"), ("X-A", "")])

    assert head == b"POST /a%2Fb?x HTTP/1.1\r\nHost: upstream.test\r\nX-A: \xe4\r\nX-A: \r\n\r\n"


@pytest.mark.parametrize(
    ("method", "status", "lines", "kind", "length"),
    [
        pytest.param("GET", 200, ["Content-Length: 5"], LengthDecoder, 5, id="a length"),
        pytest.param("GET", 200, ["Content-Length: 5, 5"], LengthDecoder, 5, id="one length twice in a line"),
        pytest.param("GET", 200, ["Content-Length: 5", "content-length: 5"], LengthDecoder, 5, id="in two lines"),
        pytest.param("GET", 200, ["Content-Length: 0"], LengthDecoder, 0, id="length 0"),
        pytest.param("GET", 200, ["Content-Length: 1000000000000000"], LengthDecoder, 10**15, id="a huge length"),
        pytest.param("GET", 200, ["Transfer-Encoding: chunked"], ChunkedDecoder, None, id="chunked"),
        pytest.param("GET", 200, ["transfer-encoding: Chunked"], ChunkedDecoder, None, id="chunked, cased"),
        pytest.param("GET", 200, [], CloseDecoder, None, id="nothing"),
        pytest.param("GET", 500, [], CloseDecoder, None, id="nothing, at an error"),
        pytest.param("HEAD", 200, ["Content-Length: 5"], LengthDecoder, 0, id="HEAD with a length"),
        pytest.param("HEAD", 200, ["Transfer-Encoding: chunked"], LengthDecoder, 0, id="HEAD, chunked"),
        pytest.param("HEAD", 200, [], LengthDecoder, 0, id="HEAD with nothing"),
        pytest.param("GET", 204, ["Content-Length: 5"], LengthDecoder, 0, id="204 with a length"),
        pytest.param("GET", 304, ["Content-Length: 5"], LengthDecoder, 0, id="304 with a length"),
        pytest.param("GET", 304, [], LengthDecoder, 0, id="304"),
    ],
)
def test_the_head_decides_how_the_body_ends(method, status, lines, kind, length):
    decoder = body_decoder(response_head(octets_of(f"HTTP/1.1 {status} X", lines)), method)

    assert type(decoder) is kind
    assert getattr(decoder, "missing", None) == length


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("version", "lines"),
    [
        pytest.param(1, ["Content-Length: 5", "Transfer-Encoding: chunked"], id="both framings"),
        pytest.param(0, ["Transfer-Encoding: chunked"], id="chunked HTTP/1.0"),
        pytest.param(1, ["Content-Length: 5", "Content-Length: 6"], id="two lengths"),
        pytest.param(1, ["Content-Length: 5, 6"], id="two lengths in a line"),
        pytest.param(1, ["Content-Length: 5,"], id="a length and nothing"),
        pytest.param(1, ["Content-Length: 5", "Content-Length: 05"], id="one length in two spellings"),
        *(
            pytest.param(1, [f"Content-Length: {text}"], id=f"length {text!r}")
            for text in ("", "abc", "-5", "+5", "5_0", "0x5", "5.0", "5 5", "\x855", "5\xa0", "\xb2", "\xb9", "1" * 19)
        ),
        *(
            pytest.param(1, [f"Transfer-Encoding: {text}"], id=f"coding {text!r}")
            for text in ("", "gzip", "gzip, chunked", "chunked, chunked", "identity", "xchunked", "chunked;q=1")
        ),
        pytest.param(1, ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], id="chunked in two lines"),
        pytest.param(1, ["Transfer-Encoding: gzip", "Transfer-Encoding: chunked"], id="two codings"),
    ],
)
def test_framing_that_could_be_read_in_two_ways_is_malformed(version, lines, method):
    head = response_head(octets_of(f"HTTP/1.{version} 200 OK", lines))

    with pytest.raises(Malformed):
        body_decoder(head, method)
