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


class Unusable(Exception):
    """An adapter's method gave what it must not give."""


class AdapterSaid(Exception):
    """What an adapter raised and where, for the operator's log; the model's `litellm_params` are stars."""


@contextmanager
def own_code(params: Mapping[str, Any]) -> Iterator[None]:
    """Raise AdapterFailed for whatever the adapter's code raises; what is the gateway's own passes.

    SystemExit too, which would end the worker's answer in mid-air. Not GeneratorExit, and nothing else that is thrown
    into a greenlet to end it.
    """
    try:
        yield
    except GatewayError:
        raise
    except (Exception, SystemExit) as fault:
        failed = AdapterFailed("The adapter of this route failed; the gateway's log tells more under this request id.")
        failed.__cause__ = AdapterSaid(_told(fault, params))
        failed.__suppress_context__ = True
        raise failed  # noqa: B904 - its cause is what may be told of the fault


def texts(value: Any) -> Iterator[str]:
    """Yield every text in `litellm_params`, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for child in value.values():
            yield from texts(child)
    elif isinstance(value, list | tuple):
        for child in value:
            yield from texts(child)


def _told(fault: BaseException, params: Mapping[str, Any]) -> str:
    """Return "KeyError: 'x' (custom.py line 12 in f)", the deepest frames first."""
    try:
        said = without(" ".join(str(fault).split()), texts(params))[:LONGEST_FAULT]
    except Exception:  # its own __str__ fails: its name has to do
        said = ""
    frames = [frame for frame in traceback.extract_tb(fault.__traceback__) if Path(frame.filename).parent != HERE]
    places = [f"{Path(frame.filename).name} line {frame.lineno} in {frame.name}" for frame in reversed(frames)]
    where = f" ({', from '.join(places[:MOST_FRAMES])})" if places else ""
    return f"{type(fault).__name__}: {said}{where}"


HERE = Path(__file__).parent
