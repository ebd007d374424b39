"""One worker's ways to upstreams and models: what its routes share."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import cached_property

import requests
from flask import Response

from app.adapters import litellm_library
from app.exchange import Exchange
from app.relay.completion import Completion, Library
from app.relay.model_choice import ModelChoice
from app.relay.passthrough import Passthrough
from app.relay.room import Room
from app.relay.watch import DepartureWatch
from app.settings.gateway import Gateway, HttpTarget, Route


class Ways:
    """Made in the worker, after the fork; `library` stands for litellm where that is not to be called."""

    def __init__(self, gateway: Gateway, session: requests.Session, library: Library | None = None) -> None:
        self._session = session
        self._max_request_bytes = gateway.max_request_bytes
        self._watch = DepartureWatch()
        self._models = ModelChoice(gateway.models)
        self._rooms: defaultdict[str, Room] = defaultdict(lambda: Room(gateway.max_waiting_per_upstream))
        self._given = library

    def of(self, route: Route) -> Callable[[Exchange, Mapping[str, str], str], Response]:
        """Return what carries this route's exchanges."""
        if isinstance(route.target, HttpTarget):
            return Passthrough(route, route.target, self._session, self._watch, self._max_request_bytes).relay
        models, library, rooms = self._models, self._library, self._rooms
        return Completion(route, route.target, models, library, self._watch, rooms, self._max_request_bytes).relay

    @cached_property
    def _library(self) -> Library:
        return self._given or litellm_library.load()
