"""The stand-in answers like the upstreams it stands for, and reports what it was sent."""

import http.client
import json
import socket
from typing import Any

import pytest

from examples.standin import CREDENTIALS, StandIn, credentials

RERANK = {"model": "m", "query": "red fox", "documents": ["a blue fox", "no such thing", "a red fox"]}


def ask(standin: StandIn, path: str, body: Any, **headers: str) -> tuple[int, str, dict[str, str]]:
    """POST JSON with the credential the path asks for; gives status, body text and headers."""
    connection = http.client.HTTPConnection("127.0.0.1", standin.server_port, timeout=5)
    fields = {"Authorization": credentials(CREDENTIALS).get(path, "none"), **headers}
    connection.request("POST", path, json.dumps(body), fields)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text, dict(response.getheaders())


def test_rerank_puts_the_best_documents_first_and_no_more_than_asked_for(standin):
    status, text, _ = ask(standin, "/v1/rerank", {**RERANK, "top_n": 2})

    assert status == 200
    assert json.loads(text)["results"] == [
        {"index": 2, "relevance_score": 1.0},
        {"index": 0, "relevance_score": 0.5},
    ]


def test_ingestion_answers_207_with_a_status_for_each_event(standin):
    status, text, _ = ask(standin, "/api/public/ingestion", {"batch": [{"id": "a"}, {"id": "b"}]})

    assert status == 207
    assert json.loads(text) == {
        "successes": [{"id": "a", "status": 201}, {"id": "b", "status": 201}],
        "errors": [],
    }


def test_a_stream_of_events_is_chunked_and_ends_with_done(standin):
    status, text, headers = ask(standin, "/v1/chat/completions", {"model": "m", "stream": True})

    *events, last, rest = text.split("\n\n")
    words = [json.loads(event.removeprefix("data: "))["choices"][0]["delta"].get("content", "") for event in events]
    assert status == 200
    assert headers["Transfer-Encoding"] == "chunked"
    assert headers["Content-Type"].startswith("text/event-stream")
    assert "".join(words).strip() == "It is Washington, D.C., and has been since 1800."
    assert (last, rest) == ("data: [DONE]", "")


def test_a_completion_that_is_not_streamed_comes_whole(standin):
    status, text, _ = ask(standin, "/v1/chat/completions", {"model": "m"})

    assert status == 200
    assert json.loads(text)["choices"][0]["message"]["role"] == "assistant"


@pytest.mark.parametrize("path", ["/v1/rerank", "/api/public/ingestion", "/v1/chat/completions"])
def test_another_credential_is_refused(standin, path):
    status, text, _ = ask(standin, path, {}, Authorization="Bearer of the client")

    assert (status, json.loads(text)) == (401, {"message": "invalid api token"})


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        pytest.param("/v2/rerank", RERANK, 404, id="a path it does not know"),
        pytest.param("/v1/rerank", {"query": "fox"}, 400, id="a field missing"),
        pytest.param("/v1/rerank", ["fox"], 400, id="not an object"),
    ],
)
def test_a_request_it_cannot_answer_is_refused_as_json(standin, path, body, status):
    answered, text, _ = ask(standin, path, body)

    assert answered == status
    assert json.loads(text)["message"]


def test_the_report_holds_request_line_headers_and_body_as_they_came(standin):
    ask(standin, "/v1/rerank?a=%2F", RERANK, Authorization="Bearer x")

    (report,) = standin.reports
    assert report["request_line"] == "POST /v1/rerank?a=%2F HTTP/1.1"
    assert ("Authorization", "Bearer x") in report["headers"]
    assert report["body"] == json.dumps(RERANK)


def test_a_chunked_body_is_read_to_its_end(standin):
    connection = http.client.HTTPConnection("127.0.0.1", standin.server_port, timeout=5)
    fields = {"Authorization": "bearer demo-cohere-key", "Transfer-Encoding": "chunked"}
    whole = json.dumps(RERANK).encode()

    connection.request("POST", "/v1/rerank", iter([whole[:7], whole[7:]]), fields, encode_chunked=True)
    status = connection.getresponse().status
    connection.close()

    assert status == 200
    assert standin.reports[0]["body"] == whole.decode()


@pytest.mark.parametrize(
    "framed",
    [
        pytest.param(b"Content-Length: 10\r\n\r\n{}", id="length"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", id="between chunks"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}", id="in a chunk"),
    ],
)
def test_a_body_that_broke_off_is_not_reported_as_whole(standin, framed):
    with socket.create_connection(("127.0.0.1", standin.server_port), timeout=5) as connection:
        connection.sendall(b"POST /v1/rerank HTTP/1.1\r\nHost: a\r\n" + framed)
        connection.shutdown(socket.SHUT_WR)
        answered = connection.recv(100)

    assert answered == b""
    assert standin.reports == []
