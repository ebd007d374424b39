"""What the code of an operator's own adapter raises, as a refusal, and without what it was given."""

import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.adapters.withheld import without
from app.errors import GatewayError
from app.model_errors import AdapterFailed

LONGEST_FAULT = 300
MOST_FRAMES = 5
# A shorter text of a client's is a word of its schema: "user", "text".
SHORTEST_SENTENCE = 12


class Unusable(Exception):
    """An adapter's method gave what it must not give."""


class AdapterSaid(Exception):
    """What an adapter raised and where, for the operator's log; what it was given is stars."""


@contextmanager
def own_code(params: Mapping[str, Any], said: Mapping[str, Any]) -> Iterator[None]:
    """Raise AdapterFailed for whatever the adapter's code raises; what is the gateway's own passes.

    SystemExit too, which would end the worker's answer in mid-air. Not GeneratorExit, and nothing else that is thrown
    into a greenlet to end it. Nothing of the `litellm_params`, and no longer text of what the client said, is told.
    """
    try:
        yield
    except GatewayError:
        raise
    except (Exception, SystemExit) as fault:
        failed = AdapterFailed("The adapter of this route failed; the gateway's log tells more under this request id.")
        failed.__cause__ = AdapterSaid(_told(fault, [*texts(params), *_longer_texts(said)]))
        failed.__suppress_context__ = True
        raise failed  # noqa: B904 - its cause is what may be told of the fault


def texts(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for child in value.values():
            yield from texts(child)
    elif isinstance(value, list | tuple):
        for child in value:
            yield from texts(child)


def _longer_texts(said: Mapping[str, Any]) -> Iterator[str]:
    return (text for text in texts(said) if len(text) >= SHORTEST_SENTENCE)


def _told(fault: BaseException, secrets: list[str]) -> str:
    """Return "KeyError: 'x' (custom.py line 12 in f)", the deepest frames first."""
    try:
        said = without(" ".join(str(fault).split()), secrets)[:LONGEST_FAULT]
    except Exception:  # its own __str__ fails: its name has to do
        said = ""
    frames = [frame for frame in traceback.extract_tb(fault.__traceback__) if Path(frame.filename).parent != HERE]
    places = [f"{Path(frame.filename).name} line {frame.lineno} in {frame.name}" for frame in reversed(frames)]
    where = f" ({', from '.join(places[:MOST_FRAMES])})" if places else ""
    return f"{type(fault).__name__}: {said}{where}"


HERE = Path(__file__).parent
