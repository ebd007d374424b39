"""An answer leaves in its framing, its head together with the first piece."""

import socket

import pytest

from app.errors import UpstreamBroke
from app.serving.answer import Answer
from app.serving.head import Limits, request_head
from tests.kit.client import Answer as Seen


class Client:
    """The gateway's end of a connection; takes `at_most` octets at once."""

    def __init__(self, at_most=1_000_000):
        self.at_most = at_most
        self.sends = []

    def send(self, octets):
        self.sends.append(bytes(octets[: self.at_most]))
        return len(self.sends[-1])

    def sendall(self, octets):
        self.sends.append(bytes(octets))


def answered(*pieces, fields=(), status="200 OK", first=b"GET / HTTP/1.1", client=None, is_followed=True):
    """Return (what the client saw, the octets of each send, the answer)."""
    request = request_head(first + b"\r\nHost: h\r\n\r\n", Limits())
    client = client or Client()
    answer = Answer(client, request, lambda: is_followed)
    answer.start_response(status, list(fields))
    for piece in pieces:
        answer.write(piece)
    answer.finish()
    seen = Seen(request.method)
    seen.take(b"".join(client.sends))
    if seen.ending is None:
        seen.take(b"")
    return seen, client.sends, answer


def test_head_and_body_leave_in_one_piece():
    seen, sends, answer = answered(b"abc", fields=[("Content-Length", "3"), ("X-A", "1"), ("X-A", "2")])

    assert len(sends) == 1
    assert (seen.status, seen.body, seen.ending) == (200, b"abc", "whole")
    assert seen.fields.every("x-a") == ["1", "2"]
    assert [len(seen.fields.every(name)) for name in ("date", "server", "connection")] == [1, 1, 1]
    assert answer.is_kept


def test_without_a_length_each_piece_is_a_chunk_that_leaves_at_once():
    seen, sends, answer = answered(b"", b"abc", b"", b"de")

    assert sends[1:] == [b"3\r\nabc\r\n", b"2\r\nde\r\n", b"0\r\n\r\n"]
    assert (seen.body, seen.ending, answer.is_kept) == (b"abcde", "whole", True)


def test_http_1_0_gets_no_chunks_and_the_end_of_the_connection():
    seen, _, answer = answered(b"abc", b"de", first=b"GET / HTTP/1.0")

    assert (seen.body, seen.fields.every("transfer-encoding"), answer.is_kept) == (b"abcde", [], False)
    assert seen.fields.one("connection") == "close"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_answers_without_a_body_have_none(status):
    seen, sends, answer = answered(b"abc", status=status)

    assert (seen.body, len(sends), answer.is_kept) == (b"", 1, True)
    assert seen.fields.every("transfer-encoding") == []


def test_head_keeps_the_length_and_sends_no_body():
    seen, _, answer = answered(b"abc", fields=[("content-length", "3")], first=b"HEAD / HTTP/1.1")

    assert (seen.fields.one("content-length"), seen.body, answer.is_kept) == ("3", b"", True)


def test_no_length_comes_with_a_204():
    seen, *_ = answered(status="204 No Content", fields=[("Content-Length", "0")])

    assert seen.fields.every("content-length") == []


def test_octets_beyond_the_length_stay_here():
    seen, *_ = answered(b"abc", b"de", fields=[("Content-Length", "4")])

    assert seen.body == b"abcd"


def test_an_answer_shorter_than_its_length_does_not_end_cleanly():
    with pytest.raises(UpstreamBroke):
        answered(b"abc", fields=[("Content-Length", "4")])


@pytest.mark.parametrize(
    ("first", "is_followed"), [(b"GET / HTTP/1.1\r\nConnection: close", True), (b"GET / HTTP/1.1", False)]
)
def test_the_last_answer_of_a_connection_says_so(first, is_followed):
    seen, _, answer = answered(b"", fields=[("Content-Length", "0")], first=first, is_followed=is_followed)

    assert (seen.fields.one("connection"), answer.is_kept) == ("close", False)


def test_a_kernel_that_takes_a_bit_at_a_time_gets_the_rest():
    client = Client(at_most=10)

    seen, *_ = answered(b"a" * 100, fields=[("Content-Length", "100")], client=client)

    assert seen.body == b"a" * 100


@pytest.mark.parametrize("field", [("X-A", "1\r\nX-B: 2"), ("X\n", "1"), ("X-A", "1\r")])
def test_a_field_with_a_line_break_is_never_sent(field):
    client = Client()

    with pytest.raises(ValueError, match="line break"):
        answered(fields=[field], client=client)

    assert client.sends == []


def test_an_error_page_may_replace_what_has_not_left():
    client = Client()
    answer = Answer(client, request_head(b"GET / HTTP/1.1\r\n\r\n", Limits()), lambda: True)
    answer.start_response("200 OK", [])
    fault = ValueError("late")

    answer.start_response("500 Internal Server Error", [("Content-Length", "0")], (ValueError, fault, None))
    answer.finish()

    assert client.sends[0].startswith(b"HTTP/1.1 500 ")
    with pytest.raises(ValueError, match="late"):
        answer.start_response("500 Internal Server Error", [], (ValueError, fault, None))


def test_a_client_that_is_gone_breaks_the_answer():
    client, gateway = socket.socketpair()
    client.close()

    with gateway, pytest.raises(ConnectionError):
        answered(b"abc", b"d", client=gateway)
