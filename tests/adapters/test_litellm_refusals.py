"""What a model refuses in a stream comes out of litellm's, over a real server."""

from __future__ import annotations

from typing import Any

import pytest

from app.adapters.litellm_library import close, module, plain
from app.adapters.litellm_refusals import keep_refusals
from tests.kit import openai_server as kit
from tests.kit.openai_server import OpenAIServer
from tests.kit.refusing import PIECES, refuse

# litellm's own use of pydantic; which test meets it depends on who loaded litellm.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


@pytest.fixture
def asked(openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setitem(kit.MODELS, "refuse", refuse)
    return lambda model: module().completion(
        model=f"openai/{model}",
        api_base=openai_server.base_url,
        api_key="-",
        messages=[{"role": "user", "content": "Hello"}],
        stream=True,
        max_retries=0,
        _skip_mcp_handler=True,
    )


def deltas(stream: Any) -> list[Any]:
    return [choice["delta"] for chunk in map(plain, stream) for choice in chunk["choices"]]


def test_every_piece_of_a_refusal_is_told(asked):
    stream = asked("gpt-refuse")
    keep_refusals(stream)

    told = [delta.get("provider_specific_fields", {}).get("refusal") for delta in deltas(stream)]

    assert [piece for piece in told if piece] == PIECES


def test_what_is_no_refusal_stays_as_it_is(asked):
    before = deltas(asked("gpt-tools"))

    stream = asked("gpt-tools")
    keep_refusals(stream)

    assert deltas(stream) == before


def test_the_connection_can_still_be_let_go(asked):
    stream = asked("gpt-say")
    keep_refusals(stream)

    close(stream)

    assert stream.completion_stream.response.is_closed


def test_a_stream_that_is_not_open_yet_stays_as_it_is():
    class Later:
        completion_stream = None

    keep_refusals(Later)
    keep_refusals(None)

    assert Later.completion_stream is None
