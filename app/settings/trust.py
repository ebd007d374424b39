"""Whose word an upstream's certificate needs: authorities, read by gunicorn's master and shared through fork.

To read all that a system trusts takes 25 ms and 2 MB, once and not in each worker; as with the settings, a worker
that starts later trusts whom its siblings trust.
"""

import ssl
from collections.abc import Iterator, Mapping

import certifi

from app.settings.problems import Problem, SettingsInvalid

CA_BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")

_in_force: tuple[list[str], ssl.SSLContext] | None = None


def take(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Read the CA bundles that the environment names, else certifi's; return what verifies by them from now on.

    Raises SettingsInvalid, and leaves those that were in force before, when one of them cannot be used.
    """
    global _in_force
    files = ca_bundles(environ) or [certifi.where()]
    context: ssl.SSLContext | None = None
    complaints: dict[str, str] = {}
    for file in files:
        try:
            if context is None:
                context = ssl.create_default_context(cafile=file)
            else:
                context.load_verify_locations(cafile=file)
        except (OSError, ValueError) as fault:
            complaints[file] = getattr(fault, "strerror", None) or "it holds no certificate"
    if context is None or complaints:
        raise SettingsInvalid(_problems(environ, complaints))
    context.set_alpn_protocols(["http/1.1"])
    _in_force = files, context
    return context


def current(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return what verifies upstreams, reading the bundles of this environment if nobody has yet."""
    if _in_force is None or _in_force[0] != (ca_bundles(environ) or [certifi.where()]):
        return take(environ)
    return _in_force[1]


def ca_bundles(environ: Mapping[str, str]) -> list[str]:
    """Return the files whose authorities are trusted, each once."""
    return list(dict.fromkeys(environ[name] for name in CA_BUNDLES if environ.get(name)))


def _problems(environ: Mapping[str, str], complaints: Mapping[str, str]) -> Iterator[Problem]:
    names = [name for name in CA_BUNDLES if environ.get(name)]
    for name in names:
        if why := complaints.get(environ[name]):
            message = f"names a CA bundle that cannot be used: {why}; correct it, or unset it"
            yield Problem("environment", None, name, message)
    if not names:
        (file,) = complaints
        yield Problem(file, None, "", "certifi's CA bundle cannot be used; install the package certifi again")
