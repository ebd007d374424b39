"""A conversation in Bedrock's words, as OpenAI messages.

Message and SystemContentBlock of the Bedrock runtime API (2023-09-30); `messages` of OpenAI's Chat Completions.
"""

from app.adapters.bedrock.asked import Asked
from app.adapters.bedrock.caching import mark
from app.adapters.bedrock.kinds import KINDS, SYSTEM_KINDS
from app.adapters.bedrock.parts import Part, content, parts
from app.adapters.bedrock.reading import Json, items, kind, members, one_of, wrong
from app.adapters.bedrock.said import Said

Message = dict[str, Json]

ROLES = {"user": "user", "assistant": "assistant", "system": "system"}


def messages(system: Json, turns: Json, prefix: str, dropped: list[str]) -> list[Message]:
    """Return the messages of a request; `prefix` stands before the names of its fields."""
    found = [] if system is None else _system(system, f"{prefix}system", dropped)
    field = f"{prefix}messages"
    if not turns:
        raise wrong(field, "must be a list of at least one message")
    for turn, inner in items(turns, field):
        found += _turn(members(turn, inner), inner, dropped)
    if all(turn["role"] == "system" for turn in turns):
        raise wrong(f"{field}[0].role", "is system, as all are, and leaves nothing to answer; one must be of the user")
    if all(message["role"] == "system" for message in found):
        raise wrong(field, "holds nothing that a model could be asked")
    return found


def _turn(turn: dict[str, Json], field: str, dropped: list[str]) -> list[Message]:
    role = one_of(turn.get("role"), f"{field}.role", ROLES)
    dropped += [f"{field}.{member}" for member in turn if member not in ("role", "content")]
    blocks, inner = turn.get("content"), f"{field}.content"
    if role == "system":
        return _system(blocks, inner, dropped)
    if role == "assistant":
        return Said(dropped).read(blocks, inner)
    if blocks == []:
        raise wrong(inner, "must not be empty")
    return Asked(dropped).read(blocks, inner)


def _system(blocks: Json, field: str, dropped: list[str]) -> list[Message]:
    found: list[Part] = []
    for block, inner in items(blocks, field):
        shape, value = kind(block, inner, KINDS)
        if shape not in SYSTEM_KINDS:
            raise wrong(f"{inner}.{shape}", f"is nothing for the system; it has {', '.join(sorted(SYSTEM_KINDS))}")
        if shape == "cachePoint":
            mark(found, value, f"{inner}.cachePoint", dropped)
        else:
            found += parts((shape, value), inner, dropped)
    return [{"role": "system", "content": content(found)}] if found else []
