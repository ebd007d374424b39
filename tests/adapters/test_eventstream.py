"""Messages of the AWS event stream, judged by botocore's decoder and by vectors of the AWS SDKs' own tests."""

import json

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from app.adapters import eventstream

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=300)


def decoded(stream):
    buffer = EventStreamBuffer()
    buffer.add_data(stream)
    return [(dict(message.headers), message.payload) for message in buffer]


@pytest.mark.parametrize(
    ("headers", "payload", "octets"),
    [
        pytest.param([], b"", "00000010 00000000 05c248eb 7d98c8ff", id="nothing"),
        pytest.param(
            [], b"{'foo':'bar'}", "0000001d 00000000 fd528c5a 7b27666f6f273a27626172277d c3653936", id="payload"
        ),
        pytest.param(
            [("content-type", "application/json")],
            b"{'foo':'bar'}",
            "0000003d 00000020 07fd8396 0c636f6e74656e742d74797065 07 0010 6170706c69636174696f6e2f6a736f6e"
            " 7b27666f6f273a27626172277d 8d9c08b1",
            id="header and payload",
        ),
    ],
)
def test_a_message_is_the_octets_that_every_aws_sdk_expects(headers, payload, octets):
    assert eventstream.message(headers, payload) == bytes.fromhex(octets)


@given(st.lists(st.tuples(st.dictionaries(NAMES, TEXTS, max_size=4), st.binary(max_size=500)), max_size=5))
def test_every_message_is_read_as_it_was_written(messages):
    stream = b"".join(eventstream.message(list(headers.items()), payload) for headers, payload in messages)

    assert decoded(stream) == messages


def test_an_event_names_its_member_of_the_stream():
    ((headers, payload),) = decoded(eventstream.event("metadata", {"a": "ü\ud800"}))

    assert headers == {":event-type": "metadata", ":content-type": "application/json", ":message-type": "event"}
    assert json.loads(payload) == {"a": "ü\ud800"}


def test_an_exception_names_its_member_of_the_stream():
    ((headers, payload),) = decoded(eventstream.exception("throttlingException", {"message": "slow"}))

    assert headers == {
        ":exception-type": "throttlingException",
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    assert json.loads(payload) == {"message": "slow"}
