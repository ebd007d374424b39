"""A Converse request as the arguments of `litellm.completion`.

ConverseRequest and CountTokensRequest of the Bedrock runtime API (2023-09-30, service model of botocore 1.44).
"""

from app.adapters.bedrock import additional
from app.adapters.bedrock.carried import Carried
from app.adapters.bedrock.messages import messages
from app.adapters.bedrock.output import carry_output
from app.adapters.bedrock.reading import Json, count, items, kind, members, name, number, text, wrong
from app.adapters.bedrock.tools import carry_tools
from app.adapters.schema import Body

# What is carried of a request, and of one that is only counted; everything else is named as dropped.
CONVERSE = frozenset(
    "messages system inferenceConfig toolConfig additionalModelRequestFields outputConfig serviceTier".split()
)
COUNTED = frozenset("messages system toolConfig additionalModelRequestFields".split())
INFERENCE = {
    "maxTokens": ("max_tokens", count),
    "temperature": ("temperature", number),
    "topP": ("top_p", number),
}
TIERS = frozenset({"priority", "default", "flex"})


def converse(body: Body) -> Carried:
    """Read a request of Converse or ConverseStream."""
    return _read(members(body, "body"), Carried(), CONVERSE)


def counting(body: Body) -> Carried:
    """Read a request of CountTokens, which wraps one of Converse."""
    told = members(body, "body")
    shape, inner = kind(told.get("input"), "input", frozenset({"converse", "invokeModel"}))
    if shape == "invokeModel":
        raise wrong("input.invokeModel", "is a model's own format; send `converse`")
    carried = _read(members(inner, "input.converse"), Carried("input.converse."), COUNTED)
    carried.dropped += [member for member in told if member != "input"]
    return carried


def _read(body: dict[str, Json], carried: Carried, known: frozenset[str]) -> Carried:
    prefix = carried.prefix
    carried.drop(member for member in body if member not in known)
    carried.arguments["messages"] = messages(body.get("system"), body.get("messages"), prefix, carried.dropped)
    for member, carry in CARRIERS.items():
        if member in body and member in known:
            carry(members(body[member], f"{prefix}{member}"), carried)
    return carried


def _carry_inference(config: dict[str, Json], carried: Carried) -> None:
    for member, value in config.items():
        field = f"inferenceConfig.{member}"
        if member in INFERENCE:
            argument, read = INFERENCE[member]
            carried.take(argument, read(value, field), field)
        elif member == "stopSequences":
            stops = [name(stop, inner) for stop, inner in items(value, field)]
            if stops:
                carried.take("stop", stops, field)
        else:
            carried.drop([field])


def _carry_tier(value: dict[str, Json], carried: Carried) -> None:
    tier = text(value.get("type"), "serviceTier.type")
    if tier in TIERS:
        carried.take("service_tier", tier, "serviceTier")
    else:
        carried.drop(["serviceTier"])


CARRIERS = {
    "inferenceConfig": _carry_inference,
    "toolConfig": carry_tools,
    additional.FIELD: additional.carry,
    "outputConfig": carry_output,
    "serviceTier": _carry_tier,
}
"""In this order: what Bedrock itself has a field for wins over what was meant for one model."""
