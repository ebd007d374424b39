"""A client's body read whole and understood as a JSON object."""

import json
from collections.abc import Iterator
from typing import Any

from app import sound_json
from app.errors import InvalidRequest
from app.exchange import Exchange
from app.relay.upload import too_large

# No request of any schema comes near; litellm and the schemas walk into what they are given by recursion.
DEEPEST = 100


def json_body(exchange: Exchange, max_bytes: int) -> dict[str, Any]:
    """Return the JSON object that the client sent.

    Raises InvalidRequest for anything else, RequestTooLarge before more than `max_bytes` are read, ClientLeft.
    """
    _refuse_coding(exchange)
    octets = _whole(exchange, max_bytes)
    try:
        value = sound_json.read(octets.decode("utf-8-sig"))
    except sound_json.Unsound as unsound:
        raise InvalidRequest(unsound.sentence, param=unsound.field) from None
    except UnicodeDecodeError as error:
        raise InvalidRequest("The request body is not UTF-8 text; send JSON.") from error
    except RecursionError as error:
        raise InvalidRequest("The request body is nested too deeply.") from error
    except ValueError as error:
        raise InvalidRequest(f"The request body is not JSON{_where(error)}.") from error
    if not isinstance(value, dict):
        raise InvalidRequest("The request body is not a JSON object.")
    if octets.count(b"[") + octets.count(b"{") > DEEPEST:
        _refuse_depth(value)
    return value


def _refuse_coding(exchange: Exchange) -> None:
    codings = [value for name, value in exchange.fields if name.lower() == "content-encoding"]
    if any(coding.strip().lower() not in ("", "identity") for coding in codings):
        raise InvalidRequest("A compressed request body is not read here; send it plain.", param="Content-Encoding")


def _whole(exchange: Exchange, max_bytes: int) -> bytes:
    body = exchange.body
    if body.length is not None and body.length > max_bytes:
        raise too_large(max_bytes)
    octets = bytearray(body.arrived())
    for piece in body.pieces():
        octets += piece
        if len(octets) > max_bytes:
            raise too_large(max_bytes)
    return bytes(octets)


def _where(error: ValueError) -> str:
    return f", at line {error.lineno} column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""


def _refuse_depth(value: object) -> None:
    level: list[object] = [value]
    for _ in range(DEEPEST):
        level = [child for node in level for child in _children(node) if isinstance(child, dict | list)]
        if not level:
            return
    raise InvalidRequest(f"The request body is nested deeper than {DEEPEST} levels.")


def _children(node: object) -> Iterator[object]:
    return iter(node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())
