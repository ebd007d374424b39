"""A generateContent request in the words of `litellm.completion`."""

from typing import Any

from app.adapters.gemini.formats import response_format
from app.adapters.gemini.messages import messages
from app.adapters.gemini.notes import Notes
from app.adapters.gemini.parts import DETAILS
from app.adapters.gemini.reading import Given, check_depth
from app.adapters.gemini.tools import tool_arguments
from app.adapters.schema import CompletionRequest, ForeignRequest

Json = Any
COUNTING = "countTokens"
STREAMING = "streamGenerateContent"
# Field of generationConfig -> argument of litellm.completion.
NUMBERS = {
    "temperature": "temperature",
    "topP": "top_p",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
}
WHOLE_NUMBERS = {
    "topK": "top_k",
    "maxOutputTokens": "max_tokens",
    "candidateCount": "n",
    "seed": "seed",
    "logprobs": "top_logprobs",
}
LEVELS = {"MINIMAL": "minimal", "LOW": "low", "MEDIUM": "medium", "HIGH": "high", "XHIGH": "xhigh"}


def completion_request(request: ForeignRequest) -> CompletionRequest:
    """Return the arguments; raises InvalidRequest with the place of the field that is wrong."""
    check_depth(request.body)
    dropped: list[str] = []
    body = Given(request.body, "", dropped)
    is_counting = request.operation.name == COUNTING
    asked = _asked(body) if is_counting else body
    model = request.operation.path.get("model") or _model(asked)
    asked.raw("model")
    found = _Config(asked.object("generationConfig"))
    arguments = {"messages": messages(asked, found.detail), **tool_arguments(asked), **found.arguments}
    for given in {id(asked): asked, id(body): body}.values():
        given.drop_rest()
    return CompletionRequest(
        model=model,
        arguments=arguments,
        is_streaming=request.operation.name == STREAMING,
        counts_tokens=is_counting,
        dropped=tuple(dict.fromkeys(dropped)),
        origins=found.origins,
        notes=Notes(request.query.get("alt") == "sse", found.shows_thoughts, found.wrapped),
    )


def _asked(body: Given) -> Given:
    """Return the request whose tokens are counted: Vertex sends it bare, the Gemini API may wrap it."""
    return body.object("generateContentRequest") or body


def _model(body: Given) -> str:
    return body.needed("model").removeprefix("models/")


class _Config:
    """What generationConfig asks for, as arguments, with the fields that they come from."""

    def __init__(self, given: Given | None) -> None:
        self.arguments: dict[str, Json] = {}
        self.origins: dict[str, str] = {}
        self.detail: str | None = None
        self.shows_thoughts = False
        self.wrapped: str | None = None
        if given is not None:
            self._read(given)
            given.drop_rest()

    def _read(self, given: Given) -> None:
        for name, argument in NUMBERS.items():
            self._put(argument, given.number(name), given.at(name))
        for name, argument in WHOLE_NUMBERS.items():
            self._put(argument, given.whole(name), given.at(name))
        self._put("logprobs", given.boolean("responseLogprobs") or None, given.at("responseLogprobs"))
        self._put("stop", given.strings("stopSequences") or None, given.at("stopSequences"))
        self._read_format(given)
        self._read_modalities(given)
        self.detail = DETAILS.get(given.string("mediaResolution") or "")
        thinking = given.object("thinkingConfig")
        if thinking is not None:
            self._read_thinking(thinking)

    def _read_format(self, given: Given) -> None:
        found, place, self.wrapped = response_format(given)
        self._put("response_format", found, place)

    def _read_modalities(self, given: Given) -> None:
        """Text alone is what every model gives; sound needs a voice, which is told elsewhere."""
        asked = [name.lower() for name in given.strings("responseModalities")]
        if "image" in asked:
            place = given.at("responseModalities")
            self._put("modalities", [name for name in asked if name in ("text", "image")], place)
        elif set(asked) - {"text"}:
            given.drop("responseModalities")

    def _read_thinking(self, thinking: Given) -> None:
        self.shows_thoughts = thinking.boolean("includeThoughts") or False
        level, budget = (thinking.string("thinkingLevel") or "").upper(), thinking.whole("thinkingBudget")
        if level in LEVELS and budget is not None:
            raise thinking.wrong("thinkingBudget", "and thinkingLevel cannot both be set")
        if level in LEVELS:
            self._put("reasoning_effort", LEVELS[level], thinking.at("thinkingLevel"))
        elif budget is not None and budget >= 0:
            kind: Json = {"type": "enabled", "budget_tokens": budget} if budget else {"type": "disabled"}
            self._put("thinking", kind, thinking.at("thinkingBudget"))
        else:
            # A budget of -1 leaves it to the model, which no other schema can say.
            thinking.drop("thinkingBudget")
            thinking.drop("thinkingLevel")
        thinking.drop_rest()

    def _put(self, argument: str, value: Json, place: str) -> None:
        if value is not None:
            self.arguments[argument] = value
            self.origins[argument] = place
