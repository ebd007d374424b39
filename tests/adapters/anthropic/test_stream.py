"""However a completion is cut into chunks, and a stream into packets, the SDK reads the whole answer."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.adapters.anthropic.sdk import SCHEMA, read, understood

TEXT = st.text(max_size=12)
VALUES = st.dictionaries(TEXT, TEXT | st.integers() | st.lists(TEXT, max_size=2), max_size=3)
# Whole objects, objects that are cut off, and what never was one.
OTHERS = st.sampled_from(["", " ", "[1, 2]", '"Rome"', "12", "null", "Rome, I think", " [", "NaN"])
CUT_OFF = VALUES.map(json.dumps).flatmap(lambda text: st.integers(1, len(text)).map(lambda end: text[:end]))
ARGUMENTS = VALUES.map(json.dumps) | CUT_OFF | OTHERS
NAMES = st.sampled_from(["get_weather", "f", "x" * 64])


@st.composite
def cut(draw, text):
    """Return a text in pieces, of which some are empty."""
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


@st.composite
def whole(draw):
    """Return a message: thoughts with their signatures, a text, calls with distinct ids."""
    thoughts = draw(st.lists(st.tuples(st.text(min_size=1, max_size=12), st.text(min_size=1, max_size=6)), max_size=2))
    calls = draw(st.lists(st.tuples(NAMES, ARGUMENTS), max_size=3))
    return {
        "role": "assistant",
        "content": draw(TEXT),
        "thinking_blocks": [{"type": "thinking", "thinking": text, "signature": sign} for text, sign in thoughts],
        "tool_calls": [
            {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for index, (name, arguments) in enumerate(calls)
        ],
    }


@st.composite
def deltas(draw, message):
    """Return the message as deltas: thoughts first, then text and calls in any mixture, several at once or one."""
    thoughts = []
    for block in message["thinking_blocks"]:
        thoughts += [
            {"thinking_blocks": [{**block, "thinking": p, "signature": ""}]} for p in draw(cut(block["thinking"]))
        ]
        thoughts += [
            {"thinking_blocks": [{**block, "thinking": "", "signature": p}]} for p in draw(cut(block["signature"]))
        ]
    lanes = [[{"content": piece} for piece in draw(cut(message["content"]))]]
    for index, call in enumerate(message["tool_calls"]):
        first, *rest = draw(cut(call["function"]["arguments"]))
        begins = {**call, "index": index, "function": {**call["function"], "arguments": first}}
        lanes.append(
            [
                {"tool_calls": [begins]},
                *({"tool_calls": [{"index": index, "function": {"arguments": p}}]} for p in rest),
            ]
        )
    mixed = []
    while lanes := [lane for lane in lanes if lane]:
        mixed.append(draw(st.sampled_from(lanes)).pop(0))
    return together(thoughts + mixed, draw)


def together(found, draw):
    """Return the deltas with some neighbours of different kinds, or calls of different places, in one."""
    joined = [found[0]] if found else []
    for delta in found[1:]:
        last = joined[-1]
        places = {call["index"] for each in (last, delta) for call in each.get("tool_calls", ())}
        counts = len(last.get("tool_calls", ())) + len(delta.get("tool_calls", ()))
        can_join = (
            len(places) == counts
            and not ({*last, *delta} - {"tool_calls", "content"})
            and not ("content" in delta and last)
        )
        if can_join and draw(st.booleans()):
            joined[-1] = {**last, "tool_calls": [*last.get("tool_calls", ()), *delta["tool_calls"]]}
        else:
            joined.append(delta)
    return joined


def chunk(**choice):
    return {"id": "chatcmpl-1", "choices": [{"index": 0, **choice}]}


def told(content):
    """Return the blocks of a message apart by kind: a completion does not tell their order, chunks may mix them."""
    return (
        [block for block in content if block["type"] == "thinking"],
        "".join(block["text"] for block in content if block["type"] == "text"),
        sorted((block for block in content if block["type"] == "tool_use"), key=lambda block: block["id"]),
    )


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_nothing_is_lost_however_it_is_cut(data):
    message = data.draw(whole())
    usage = {"prompt_tokens": 5, "completion_tokens": 2}
    finish = "tool_calls" if message["tool_calls"] else "stop"
    request = understood(stream=True)
    pieces = [chunk(delta=delta) for delta in data.draw(deltas(message))]
    chunks = [*pieces, chunk(delta={}, finish_reason=finish), {"id": "chatcmpl-1", "choices": [], "usage": usage}]
    octets = b"".join(SCHEMA.frames(chunks, request))
    packets = st.lists(st.integers(0, len(octets)), max_size=5).map(sorted)
    places = data.draw(packets)

    got = read([octets[a:b] for a, b in zip([0, *places], [*places, len(octets)], strict=True)]).to_dict()

    completion = {"id": "chatcmpl-1", "choices": [{"message": message, "finish_reason": finish}], "usage": usage}
    answer = SCHEMA.answer(completion, request)
    assert told(got.pop("content")) == told(answer.pop("content"))
    assert got == {**answer, "stop_details": None}


def test_a_call_is_told_while_it_comes():
    written = []

    def chunks():
        for piece in ("", '{"ci', 'ty": "Ro', 'me"}'):
            function = {"name": "f", "arguments": piece} if not piece else {"arguments": piece}
            yield chunk(
                delta={"tool_calls": [{"index": 0, "id": "call_1" if not piece else None, "function": function}]}
            )
            written.append(len(told_so_far))

    told_so_far = []
    for frame in SCHEMA.frames(chunks(), understood(stream=True)):
        told_so_far.append(frame)

    assert written == [1, 2, 3, 4]


def test_a_name_in_pieces_is_put_together_and_a_repeated_one_is_not():
    pieces = [("get_", ""), ("weather", ""), ("get_weather", "{"), ("get_weather", "}")]
    chunks = [
        chunk(delta={"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": name, "arguments": arguments}}]})
        for name, arguments in pieces
    ]

    (call,) = read(SCHEMA.frames(chunks, understood(stream=True))).content

    assert (call.name, call.input, call.id) == ("get_weather", {}, "call_1")


def test_half_a_surrogate_pair_is_no_fault():
    chunks = [chunk(delta={"content": "\ud83d"}), chunk(delta={"content": "\ude00"})]

    octets = b"".join(SCHEMA.frames(chunks, understood(stream=True)))

    assert octets.isascii()
    assert b"\\ud83d" in octets
