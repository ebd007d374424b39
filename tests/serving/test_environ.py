"""The environ of a request, as PEP 3333 and this gateway want it."""

import io

import pytest

from app.serving.environ import Surroundings
from app.serving.head import Limits, request_head


def the_environ(octets, server=("0.0.0.0", 4000), address=("10.0.0.7", 5123), **options):
    around = Surroundings("the client", address, server, **({"is_tls": False} | options))
    return around.environ(request_head(octets, Limits()), io.BytesIO())


def test_fields_become_variables():
    environ = the_environ(
        b"POST /a%2Fb?q=%20 HTTP/1.0\r\nHost: h\r\nX-A: 1\r\nX-A: 2\r\nContent-Type: t\r\nContent-Length: 3\r\n\r\n"
    )

    assert {name: environ[name] for name in ("HTTP_HOST", "HTTP_X_A", "CONTENT_TYPE", "CONTENT_LENGTH")} == {
        "HTTP_HOST": "h", "HTTP_X_A": "1,2", "CONTENT_TYPE": "t", "CONTENT_LENGTH": "3",
    }  # fmt: skip
    assert (environ["REQUEST_METHOD"], environ["RAW_URI"], environ["QUERY_STRING"], environ["SERVER_PROTOCOL"]) == (
        "POST", "/a%2Fb?q=%20", "q=%20", "HTTP/1.0",
    )  # fmt: skip
    assert (environ["REMOTE_ADDR"], environ["SERVER_PORT"], environ["wsgi.url_scheme"]) == ("10.0.0.7", "4000", "http")


@pytest.mark.parametrize("name", [b"Script_Name", b"SCRIPT_NAME", b"X_Forwarded_For", b"Remote_User"])
def test_a_name_with_underscores_passes_for_no_other(name):
    environ = the_environ(b"GET / HTTP/1.1\r\nHost: h\r\n%b: /evil\r\n\r\n" % name)

    assert "/evil" not in environ.values()


def test_a_unix_socket_has_no_addresses():
    environ = the_environ(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", server="/run/gw.sock", address="", is_tls=True)

    assert (environ["SERVER_NAME"], environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]) == ("/run/gw.sock", "", "https")
