"""The settings in force: read by gunicorn's master, inherited by every worker through fork.

A worker that starts later, after a crash or under a file that has meanwhile been broken, serves what its
siblings serve, and trusts whom they trust. This is the one value of the house that lives at module level: fork
hands it on.
"""

import logging
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from app.settings import trust
from app.settings.gateway import Gateway
from app.settings.load import config_path, load

logger = logging.getLogger("tollhouse")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the operator gave when it was taken."""

    gateway: Gateway
    authorities: ssl.SSLContext | None
    """What verifies upstreams; None where none speaks TLS and no CA bundle is named."""


_current: Snapshot | None = None


@contextmanager
def taken(environ: Mapping[str, str]) -> Iterator[Gateway]:
    """Read CA bundles and the file, and make them the settings in force, for as long as the block does not raise.

    Raises SettingsInvalid when they have problems. Then, as after the block's own exceptions, those are in force
    that were before.
    """
    global _current
    before = _current
    try:
        yield _take(environ)
    except BaseException:
        _current = before
        raise


def _take(environ: Mapping[str, str]) -> Gateway:
    global _current
    # First those that are named: an adapter of the operator's own may import litellm, which reads one of them.
    named = trust.read(environ) if trust.ca_bundles(environ) else None
    gateway = load(config_path(environ), environ)
    _current = Snapshot(gateway, named or (trust.read(environ) if gateway.needs_tls else None))
    return gateway


def current(environ: Mapping[str, str]) -> Gateway:
    """Return the settings in force, reading the file if nobody has yet."""
    if _current is not None:
        return _current.gateway
    logger.warning(
        "not started by gunicorn.conf.py, so without its worker, limits and reload; run gunicorn in the"
        " folder of that file, or name it: gunicorn -c FOLDER/gunicorn.conf.py --chdir FOLDER wsgi:app"
    )
    return _take(environ)


def authorities(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return what verifies upstreams; read now for an app whose settings were not taken here."""
    return (_current and _current.authorities) or trust.read(environ)
