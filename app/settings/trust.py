"""Whose word an upstream's certificate needs: authorities, read by gunicorn's master and shared through fork.

To read all that a system trusts takes 25 ms and 2 MB, once and not in each worker; as with the settings, a worker
that starts later trusts whom its siblings trust.
"""

import ssl
from collections.abc import Iterator, Mapping

import certifi

from app.settings.problems import Problem, SettingsInvalid

CA_BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")

# Files, and what verifies by them.
Authorities = tuple[list[str], ssl.SSLContext]

_in_force: Authorities | None = None


def take(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Read the CA bundles that the environment names, else certifi's; return what verifies by them from now on.

    Raises SettingsInvalid, and leaves those that were in force before, when one of them cannot be used.
    """
    global _in_force
    files = ca_bundles(environ) or [certifi.where()]
    complaints = {}
    context: ssl.SSLContext | None = None
    for file in files:
        try:
            context = _with(file, context)
        except (OSError, ValueError) as fault:
            complaints[file] = getattr(fault, "strerror", None) or "it holds no certificate"
    if context is None or complaints:
        raise SettingsInvalid(_problems(environ, complaints))
    context.set_alpn_protocols(["http/1.1"])
    _in_force = files, context
    return context


def in_force() -> Authorities | None:
    return _in_force


def put_back(authorities: Authorities | None) -> None:
    """Make these the authorities in force again: what was read beside the newer ones cannot be served."""
    global _in_force
    _in_force = authorities


def current(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return what verifies upstreams, reading the bundles of this environment if nobody has yet."""
    if _in_force is None or _in_force[0] != (ca_bundles(environ) or [certifi.where()]):
        return take(environ)
    return _in_force[1]


def ca_bundles(environ: Mapping[str, str]) -> list[str]:
    """Return the files whose authorities are trusted, each once."""
    return list(dict.fromkeys(environ[name] for name in CA_BUNDLES if environ.get(name)))


def _with(file: str, context: ssl.SSLContext | None) -> ssl.SSLContext:
    """Return the context with the authorities of one more file, or the first; raises OSError or ValueError."""
    if context is None:
        try:
            return ssl.create_default_context(cafile=file)
        except OSError:
            # It opens SSLKEYLOGFILE, too; where only that fails, this does not.
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
            problem = Problem("environment", None, "SSLKEYLOGFILE", "names a file that cannot be written to; unset it")
            raise SettingsInvalid([problem]) from None
    context.load_verify_locations(cafile=file)
    return context


def _problems(environ: Mapping[str, str], complaints: Mapping[str, str]) -> Iterator[Problem]:
    names = [name for name in CA_BUNDLES if environ.get(name)]
    for name in names:
        if why := complaints.get(environ[name]):
            message = f"names a CA bundle that cannot be used: {why}; correct it, or unset it"
            yield Problem("environment", None, name, message)
    if not names:
        (file,) = complaints
        yield Problem(file, None, "", "certifi's CA bundle cannot be used; install the package certifi again")
