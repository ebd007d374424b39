"""Makes the standard library wait without holding up the event loop (gevent's patches), and is quick about it."""

from importlib import metadata

from gevent import monkey


def patch_all() -> None:
    """Do what gevent's own `patch_all` does; before anything is imported that keeps blocking sockets and locks.

    25 times gevent asks whether an installed package has something to add, and the standard library reads the
    metadata of all of them each time: 20 to 70 ms. Here it reads them once.
    """
    asked = metadata.entry_points
    metadata.entry_points = asked().select
    try:
        monkey.patch_all()
    finally:
        metadata.entry_points = asked
