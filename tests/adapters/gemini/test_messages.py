"""No text, argument or result of a conversation is lost, or told to another call."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.adapters.gemini.schema import GeminiSchema
from app.adapters.schema import ForeignRequest, Operation

NAMES = st.sampled_from(["now", "weather"])


@st.composite
def turns(draw: st.DrawFn, number: int) -> list[Any]:
    """Return what the user says, what the model says and calls, and the results, each told the number of its call."""
    calls = draw(st.lists(st.tuples(NAMES, st.booleans()), max_size=4))
    asked = [{"text": f"asked {number}"}]
    said = [{"text": text} for text in draw(st.lists(st.sampled_from(["said ", "so", ""]), max_size=3))]
    order = draw(st.permutations(range(len(calls))))
    made = [_call(f"{number}.{index}", name, has_id) for index, (name, has_id) in enumerate(calls)]
    with_id = [index for index in order if calls[index][1]]
    # Results that have no id come in the order of their calls: nothing else tells them apart.
    without = [index for index in range(len(calls)) if not calls[index][1]]
    results = [_result(f"{number}.{index}", *calls[index]) for index in [*with_id, *without]]
    model = [{"role": "model", "parts": [part]} for part in [*said, *made]]
    run = [{"role": "user", "parts": results}] if results else []
    return [{"role": "user", "parts": asked}, *model, *run]


def _call(mark: str, name: str, has_id: bool) -> Any:
    told = {"name": name, "args": {"mark": mark}}
    return {"functionCall": {"id": f"id-{mark}", **told} if has_id else told}


def _result(mark: str, name: str, has_id: bool) -> Any:
    told = {"name": name, "response": {"mark": mark}}
    return {"functionResponse": {"id": f"id-{mark}", **told} if has_id else told}


@given(st.data())
def test_each_result_answers_its_own_call(data):
    count = data.draw(st.integers(1, 4))
    contents = [content for number in range(count) for content in data.draw(turns(number))]

    messages = _messages([*contents, {"role": "user", "parts": [{"text": "last"}]}])

    calls = {call["id"]: call["function"] for message in messages for call in message.get("tool_calls", ())}
    results = [message for message in messages if message["role"] == "tool"]
    assert len(calls) == len(results) == sum("functionCall" in part for part in _parts(contents))
    for result in results:
        assert json.loads(calls[result["tool_call_id"]]["arguments"]) == json.loads(result["content"])
    assert _follow(messages)


@given(st.data())
def test_every_text_stays_in_its_place(data):
    contents = [content for number in range(3) for content in data.draw(turns(number))]

    messages = _messages(contents)

    for role, google in (("user", "user"), ("assistant", "model")):
        said = "".join(message["content"] or "" for message in messages if message["role"] == role)
        assert said == "".join(part.get("text", "") for part in _parts(contents, google))


def _messages(contents: list[Any]) -> list[Any]:
    operation = Operation("generateContent", {"model": "m"})
    request = GeminiSchema().understand(ForeignRequest(operation, {"contents": contents}))
    assert request.dropped == ()
    found: list[Any] = request.arguments["messages"]
    return found


def _parts(contents: list[Any], role: str | None = None) -> list[Any]:
    return [part for content in contents if role in (None, content["role"]) for part in content["parts"]]


def _follow(messages: list[Any]) -> bool:
    """Whether results directly follow the message with their calls, as OpenAI wants it."""
    waiting: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            waiting.remove(message["tool_call_id"])
        elif waiting:
            return False
        waiting |= {call["id"] for call in message.get("tool_calls", ())}
    return not waiting
