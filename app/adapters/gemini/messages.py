"""The contents of a request as OpenAI's messages: turns put together, results paired with their calls."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from app.adapters.gemini.calls import Calls, call_of
from app.adapters.gemini.parts import kind, media
from app.adapters.gemini.reading import Given
from app.adapters.gemini.signatures import remembered
from app.errors import InvalidRequest

Json = Any
Message = dict[str, Json]
MODEL = "model"
# "tool" stands in google-genai's own examples; "function" was Google's word for the same.
USERS = ("user", "function", "tool")


def messages(body: Given, detail: str | None) -> list[Message]:
    """Return the system instruction and all contents; `detail` is the request's resolution of images."""
    contents = body.objects("contents")
    if not contents:
        raise body.wrong("contents", "is missing or empty")
    calls = Calls()
    made = _system(body.object("systemInstruction"))
    # google-genai's chats keep each chunk of a stream as a content of its own.
    for is_model, run in groupby(contents, key=_is_model):
        turn = [(content, _parts(content, is_model)) for content in run]
        made += _assistant(turn, calls) if is_model else _user(turn, calls, detail)
    return made


def _is_model(content: Given) -> bool:
    role = content.string("role") or USERS[0]
    if role != MODEL and role not in USERS:
        raise content.wrong("role", f"must be one of {MODEL}, {', '.join(USERS)}")
    return role == MODEL


def _parts(content: Given, is_model: bool) -> list[Given]:
    parts = content.objects("parts")
    if not parts and not is_model:
        raise content.wrong("parts", "is missing or empty")
    content.drop_rest()
    return parts


def _system(instruction: Given | None) -> list[Message]:
    if instruction is None:
        return []
    instruction.raw("role")
    found = [_system_text(part) for part in instruction.objects("parts")]
    instruction.drop_rest()
    return [{"role": "system", "content": _content(found)}] if found else []


def _system_text(part: Given) -> Json:
    if kind(part) != "text":
        raise InvalidRequest(f"{part.place} must be a text: a system instruction has nothing else.", param=part.place)
    found = {"type": "text", "text": part.string("text")}
    part.drop_rest()
    return found


def _assistant(turn: list[tuple[Given, list[Given]]], calls: Calls) -> list[Message]:
    """Return one message for all contents of a model's turn, texts joined; none where it said nothing."""
    calls.begin()
    parts = [part for _, parts in turn for part in parts]
    held = _remembered(parts)
    texts: list[str] = []
    tool_calls: list[Json] = []
    for part in parts:
        found, is_thought = kind(part), part.boolean("thought")
        if found == "text":
            texts.append(_spoken(part, is_thought=bool(is_thought), is_held=bool(held)))
        elif found == "functionCall":
            tool_calls.append(calls.add(call_of(part)))
        elif found == "functionResponse":
            raise part.wrong(found, "answers a call, so it belongs to role user")
        elif found:
            part.drop(found)
        part.drop_rest()
    return _said("".join(texts), tool_calls, held)


def _spoken(part: Given, *, is_thought: bool, is_held: bool) -> str:
    """Return a part's text; thoughts go back to the model as their signature holds them, or not at all."""
    text = part.string("text") or ""
    if is_thought and not is_held:
        part.drop("thought")
    return "" if is_thought else text


def _said(text: str, tool_calls: list[Json], held: dict[str, Json]) -> list[Message]:
    if tool_calls:
        return [{"role": "assistant", "content": text or None, "tool_calls": tool_calls, **held}]
    return [{"role": "assistant", "content": text, **held}] if text or held else []


def _remembered(parts: list[Given]) -> dict[str, Json]:
    """Return what the signatures of a turn hold, put together; those of other models are dropped."""
    made: dict[str, Json] = {}
    for part in parts:
        given = part.string("thoughtSignature")
        held = remembered(given) if given else {}
        if held is None:
            part.drop("thoughtSignature")
        for name, value in (held or {}).items():
            made[name] = made[name] + value if name in made else value
    return made


def _user(turn: list[tuple[Given, list[Given]]], calls: Calls, detail: str | None) -> list[Message]:
    """Return all results of a turn, which must come first, then what else each content says."""
    results = calls.answered([part for _, parts in turn for part in parts if kind(part) == "functionResponse"])
    made: list[Message] = [result.message for result in results.values()]
    for _, parts in turn:
        content = [piece for part in parts for piece in _pieces(part, results, detail)]
        if content:
            made.append({"role": "user", "content": _content(content)})
    return made


def _pieces(part: Given, results: Json, detail: str | None) -> Iterable[Json]:
    found = kind(part)
    made: list[Json] = []
    if found == "functionResponse":
        made = _files(results[part.place], detail)
    elif found == "functionCall":
        raise part.wrong(found, "is the model's, so it belongs to role model")
    elif found == "text":
        made = [{"type": "text", "text": part.string("text")}]
    elif found:
        made = [media(part, found, detail)]
    part.drop_rest()
    return made


def _files(result: Json, detail: str | None) -> list[Json]:
    """OpenAI's results are text: the files of one follow in the user's name, and say whose they are."""
    files = [media(part, str(kind(part)), detail) for part in result.files]
    title = f"Files of the result of {result.name}, {result.call_id}:"
    return [{"type": "text", "text": title}, *files] if files else []


def _content(pieces: list[Json]) -> Json:
    """A single text stands for itself: some servers take no lists."""
    return pieces[0]["text"] if len(pieces) == 1 and pieces[0]["type"] == "text" else pieces
