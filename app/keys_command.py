"""`python -m app keys create | list | block | unblock | delete`: the key store without a gateway.

What it changes holds in all running workers of this machine from the next request on.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.errors import Refusal
from app.issuing.answers import KeyRow
from app.issuing.forms import DeleteForm, GenerateForm, KeyForm, ListQuery
from app.issuing.issuer import Issuer
from app.issuing.reading import filled_in
from app.stores.embedded import EmbeddedStore
from app.stores.engines import store_url
from app.stores.key_database import KeyDatabase
from app.stores.keys import KeyStore
from app.stores.known_keys import KnownKeys

PAGE = 100
COLUMNS = ("key_id", "key_name", "key_alias", "rpm_limit", "max_parallel_requests", "expires", "blocked")


def add_to(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `keys` its subcommands."""
    commands = parser.add_subparsers(dest="keys_command", required=True)
    creating = commands.add_parser("create", help="issue a key; the key alone goes to stdout, this once")
    creating.add_argument(
        "--alias", "--key-alias", dest="key_alias", metavar="NAME", help="its name in logs and metrics"
    )
    creating.add_argument("--duration", metavar="30d", help="how long it lives: 30s, 15m, 12h, 30d, 4w")
    creating.add_argument("--expires", metavar="MOMENT", help="when it ends: 2030-01-31T00:00:00Z")
    creating.add_argument("--rpm-limit", type=int, metavar="N", help="requests in any 60 s")
    creating.add_argument("--max-parallel-requests", type=int, metavar="N", help="requests at one time")
    creating.add_argument(
        "--route",
        dest="allowed_passthrough_routes",
        action="append",
        metavar="PATH",
        help="a route it may use, with what lies below it; may be given several times; all if left out",
    )
    commands.add_parser("list", help="list the keys, the newest first")
    for name, told in (("block", "refuse a key"), ("unblock", "let it in again"), ("delete", "delete a key")):
        changing = commands.add_parser(name, help=told)
        changing.add_argument("key", metavar="KEY", help="its key_id, as list tells it, or its alias")


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Do what was asked and return the exit status: 1, with the reason on stderr, where it was not done."""
    try:
        with _issuer(environ) as issuer:
            _COMMANDS[options.keys_command](issuer, options)
    except Refusal as refusal:
        cause = str(refusal.__cause__ or "").partition("\n")[0]
        print(" ".join(part for part in (refusal.message, cause) if part), file=sys.stderr)
        return 1
    except (OSError, ValueError) as fault:
        print(fault, file=sys.stderr)
        return 1
    return 0


@contextmanager
def _issuer(environ: Mapping[str, str]) -> Iterator[Issuer]:
    url = store_url(environ)
    embedded = EmbeddedStore(Path(environ.get("DATA_DIR") or "var"))
    database = KeyDatabase(url, KnownKeys(embedded).changing)
    try:
        yield Issuer(KeyStore(database))
    finally:
        database.close()
        embedded.close()


def _create(issuer: Issuer, options: argparse.Namespace) -> None:
    sent = {name: value for name, value in vars(options).items() if name in GenerateForm.model_fields}
    issued = issuer.generate(
        filled_in(GenerateForm, {name: value for name, value in sent.items() if value is not None})
    )
    print(f"key_id {issued.key_id}", file=sys.stderr)
    print(issued.key)


def _list(issuer: Issuer, _options: argparse.Namespace) -> None:
    rows = [COLUMNS, *(tuple(_cell(getattr(key, name)) for name in COLUMNS) for key in _all(issuer))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _block(issuer: Issuer, options: argparse.Namespace) -> None:
    _tell(issuer.block(filled_in(KeyForm, {"key": _reference(issuer, options.key)})), "is blocked")


def _unblock(issuer: Issuer, options: argparse.Namespace) -> None:
    _tell(issuer.unblock(filled_in(KeyForm, {"key": _reference(issuer, options.key)})), "is not blocked")


def _delete(issuer: Issuer, options: argparse.Namespace) -> None:
    reference = _reference(issuer, options.key)
    for deleted in issuer.delete(filled_in(DeleteForm, {"keys": [reference]})).deleted_keys:
        print(f"{deleted} is deleted")


_COMMANDS: dict[str, Any] = {
    "create": _create,
    "list": _list,
    "block": _block,
    "unblock": _unblock,
    "delete": _delete,
}


def _all(issuer: Issuer) -> Iterator[KeyRow]:
    page, pages = 1, 1
    while page <= pages:
        found = issuer.list(ListQuery(page=page, size=PAGE, return_full_object=True))
        yield from (key for key in found.keys if isinstance(key, KeyRow))
        page, pages = page + 1, found.total_pages


def _reference(issuer: Issuer, named: str) -> str:
    """Return what the issuer calls the key with this alias, or else what was named."""
    found = issuer.list(filled_in(ListQuery, {"key_alias": named})).keys
    return str(found[0]) if found else named


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return "" if value is None else str(value)


def _tell(key: KeyRow, state: str) -> None:
    print(f"{key.key_id} {state}")
