"""What litellm does of its own accord, switched off; and an ear at its connections.

What it does in the background is not only silenced: each call hands logging tasks to a pool of threads, where under
gevent coroutines are made that nobody can await.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import wraps
from importlib import import_module
from typing import Any

LOGGERS = ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router")
# Its modules that fetch an image or a file by the URL that a client names.
FETCHING = ("litellm.litellm_core_utils.prompt_templates.image_handling",
            "litellm.litellm_core_utils.prompt_templates.factory",
            "litellm.litellm_core_utils.token_counter")  # fmt: skip


class Heard(threading.local):
    """What came back in this greenlet's call: litellm's exceptions have invented statuses, too."""

    status: int | None = None
    """Of the last HTTP answer; None before there is one, and of the providers that litellm asks by other libraries."""


HEARD = Heard()


def tame(litellm: Any) -> None:
    """Let litellm do what it is asked and nothing else."""
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.disable_streaming_logging = True
    # It would cut a client's list to four; a provider that takes no more says so itself.
    litellm.disable_stop_sequence_limit = True
    _stop_background()
    _stop_fetching(litellm)
    _stop_guessing()
    _listen(litellm)


def _stop_background() -> None:
    pool = import_module("litellm.litellm_core_utils.thread_pool_executor")
    pool.executor.submit = _submit_nothing
    services = import_module("litellm._service_logger")
    # It runs an event loop of asyncio's in the caller's greenlet, at every call to a model. While one greenlet waits
    # in its loop, the others find that loop running and leave their tasks, with their contexts, to it.
    services.ServiceLogging._dispatch_from_sync = staticmethod(_dispatch_nothing)
    for name in LOGGERS:
        # Its handlers write past the gateway's own log, and what they write may hold what a client said.
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(logging.CRITICAL)


def _stop_fetching(litellm: Any) -> None:
    """Let no URL of a client's be asked from here: providers that take URLs get them, the others get none."""

    def fetch_nothing(*_asked: Any, **_more: Any) -> Any:
        raise litellm.ImageFetchError("not fetched")

    for name in FETCHING:
        fetching: Any = import_module(name)
        fetching.safe_get = fetch_nothing


def _stop_guessing() -> None:
    """Tell no usage that the provider has not told: of a stream litellm would count it with OpenAI's tokenizer."""
    chunks: Any = import_module("litellm.litellm_core_utils.streaming_chunk_builder_utils")
    chunks.token_counter = _count_nothing
    main: Any = import_module("litellm.main")
    main.admitted_prompt_token_counter = _count_no_prompt


def _listen(litellm: Any) -> None:
    """Hear the status of every answer, and follow no redirect: the credential is for whom the operator named."""
    handlers = import_module("litellm.llms.custom_httpx.http_handler")
    handlers.HTTPHandler.create_client = _listening(handlers.HTTPHandler.create_client)
    openai = import_module("litellm.llms.openai.common_utils").BaseOpenAILLM
    openai._get_sync_http_client = staticmethod(_listening(openai._get_sync_http_client))
    _heard(litellm.module_level_client.client)


def _listening(create: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(create)
    def create_listening(*args: Any, **more: Any) -> Any:
        return _heard(create(*args, **more))

    return create_listening


def _heard(client: Any) -> Any:
    """Return the httpx client with our ear at it."""
    client.follow_redirects = False
    client.event_hooks = {"response": [_hear]}
    return client


def _hear(response: Any) -> None:
    HEARD.status = response.status_code


def _count_nothing(*_text: Any, **_more: Any) -> int:
    return 0


def _count_no_prompt(*_text: Any, **_more: Any) -> Callable[[], int]:
    return _count_nothing


def _dispatch_nothing(_hook: Callable[[], Any]) -> None:
    """Tell no service of litellm's how long a call took: there is none."""


def _submit_nothing(*_task: Any, **_more: Any) -> "Future[Any]":
    future: Future[Any] = Future()
    future.cancel()
    return future
