"""The settings in force: read by gunicorn's master, inherited by every worker through fork.

A worker that starts later, after a crash or under a file that has meanwhile been broken, serves what its
siblings serve. This is the one value of the house that lives at module level: fork hands it on.
"""

import logging
from collections.abc import Mapping

from app.settings.gateway import Gateway
from app.settings.load import config_path, load

logger = logging.getLogger("tollhouse")

_current: Gateway | None = None


def take(environ: Mapping[str, str]) -> Gateway:
    """Read the file, make it the settings in force and return them.

    Raises SettingsInvalid, and leaves those that were in force before, when the file has problems.
    """
    global _current
    _current = load(config_path(environ), environ)
    return _current


def put_back(gateway: Gateway) -> None:
    """Make these the settings in force again: what was read after them cannot be served."""
    global _current
    _current = gateway


def current(environ: Mapping[str, str]) -> Gateway:
    """Return the settings in force, reading the file if nobody has yet."""
    if _current is None:
        logger.warning(
            "not started by gunicorn.conf.py, so without its worker, limits and reload; run gunicorn in the"
            " folder of that file, or name it: gunicorn -c FOLDER/gunicorn.conf.py --chdir FOLDER wsgi:app"
        )
    return _current or take(environ)
