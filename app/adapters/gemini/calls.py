"""Function calls and their results, paired by id, or by name and order where there is none."""

import json
from dataclasses import dataclass
from typing import Any

from app.adapters.gemini.reading import Given

Json = Any


@dataclass(frozen=True, slots=True)
class Result:
    """A function's result: the message that tells it, and the files that came with it."""

    name: str
    call_id: str
    message: dict[str, Json]
    files: list[Given]


def call_of(part: Given) -> dict[str, Json]:
    """Return a functionCall as OpenAI's tool call; its id is "" where the client has none."""
    call = part.object("functionCall")
    assert call is not None
    made = {
        "id": call.string("id") or "",
        "type": "function",
        "function": {"name": call.needed("name"), "arguments": _json(call.mapping("args"))},
    }
    call.drop_rest()
    return made


class Calls:
    """The calls of the last turn that wait for a result, and the ids given out so far."""

    def __init__(self) -> None:
        self._waiting: list[tuple[str, str]] = []
        self._made = 0

    def begin(self) -> None:
        """Forget the calls of the turn before."""
        self._waiting = []

    def add(self, call: dict[str, Json]) -> dict[str, Json]:
        """Return the call, with an id of its own where it came without."""
        self._made += 1
        # Two calls of one function stay apart; the same history gives the same ids, as caches of prompts like it.
        made = call if call["id"] else {**call, "id": f"call_{self._made}"}
        self._waiting.append((made["id"], made["function"]["name"]))
        return made

    def answered(self, parts: list[Given]) -> dict[str, Result]:
        """Return the result that each of these functionResponse parts holds, by the part's place, in their order."""
        found = [(part.place, _response(part)) for part in parts]
        # By id first: a result without one must not take the call of another that has it.
        ids = {place: self._take(response, by_name=False) for place, response in found}
        for place, response in found:
            ids[place] = ids[place] or self._take(response, by_name=True)
        return {place: _result(response, ids[place]) for place, response in found}

    def _take(self, response: Given, *, by_name: bool) -> tuple[str, str] | None:
        call_id, name = response.string("id"), response.string("name")
        for waiting in self._waiting:
            if waiting[0] == call_id or (by_name and waiting[1] == name):
                self._waiting.remove(waiting)
                return waiting
        return None


def _response(part: Given) -> Given:
    response = part.object("functionResponse")
    assert response is not None
    return response


def _result(response: Given, call: tuple[str, str] | None) -> Result:
    if call is None:
        raise response.wrong("name", "answers no functionCall of the turn before")
    call_id, name = call
    told = response.mapping("response")
    message = {"role": "tool", "tool_call_id": call_id, "content": _json(told)}
    files = response.objects("parts")
    response.drop_rest()
    return Result(name, call_id, message, files)


def _json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)
