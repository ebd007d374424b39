"""A request as WSGI wants it (PEP 3333), with the raw form beside it."""

import sys
from typing import Any

from app.serving.head import RequestHead

NOT_PREFIXED = {"CONTENT-TYPE": "CONTENT_TYPE", "CONTENT-LENGTH": "CONTENT_LENGTH"}


class Surroundings:
    """What is the same for all requests on one connection."""

    def __init__(self, client: Any, address: Any, server: Any, *, is_tls: bool) -> None:
        """`address` and `server` are socket addresses: (host, port, ...) or the path of a Unix socket."""
        host, port = server[:2] if isinstance(server, tuple) else (str(server or "localhost"), "")
        peer = address[:2] if isinstance(address, tuple) else (str(address or ""), "")
        self._base = {
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https" if is_tls else "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            "SERVER_NAME": host,
            "SERVER_PORT": str(port),
            "REMOTE_ADDR": peer[0],
            "REMOTE_PORT": str(peer[1]),
            "SCRIPT_NAME": "",
            "gunicorn.socket": client,
        }

    def environ(self, head: RequestHead, body: object) -> dict[str, Any]:
        """Return the environ of a request.

        X_Y and X-Y would be one name in it: names with underscores stay away, so that none passes for another.
        """
        path, _, query = head.target.partition("?")
        environ: dict[str, Any] = {
            **self._base,
            "REQUEST_METHOD": head.method,
            "RAW_URI": head.target,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_PROTOCOL": "HTTP/1.1" if head.minor_version else "HTTP/1.0",
            "wsgi.input": body,
            "wsgi.input_terminated": True,
        }
        for name, value in head.fields:
            if "_" in name:
                continue
            key = NOT_PREFIXED.get(name) or "HTTP_" + name.replace("-", "_")
            environ[key] = f"{environ[key]},{value}" if key in environ else value
        return environ
