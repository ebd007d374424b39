"""The command line: `python -m app serve | check | explain | schema | keys`."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from app.settings.load import Inspection, config_path, inspect
from app.settings.problems import SettingsInvalid

ROOT = Path(__file__).resolve().parent.parent

Execute = Callable[[str, list[str], Mapping[str, str]], object]


def main(arguments: Sequence[str], environ: Mapping[str, str], execute: Execute = os.execve) -> int:
    """Run the command and return its exit status: 0, or 1 for a file or request that does not hold.

    Wrong usage raises SystemExit(2). `execute` replaces this process (`serve`).
    """
    options = _parser(arguments).parse_args(arguments)
    if options.command == "serve":
        return serve(options, environ, execute)
    if options.command == "schema":
        return schema()
    if options.command == "keys":
        from app import keys_command

        return keys_command.run(options, environ)
    try:
        inspection = inspect(_config(options.config, environ), environ)
    except SettingsInvalid as invalid:
        print(invalid, file=sys.stderr)
        return 1
    return check(inspection) if options.command == "check" else explain(inspection, options)


def check(inspection: Inspection) -> int:
    """Print the routes of a sound file, and what to think about."""
    from app.settings.listing import listing

    print(listing(inspection))
    for warning in inspection.gateway.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return 0


def schema() -> int:
    """Print the JSON Schema of the settings file."""
    from app.settings.schema import schema_text

    sys.stdout.write(schema_text())
    return 0


def explain(inspection: Inspection, options: argparse.Namespace) -> int:
    """Print what would be sent upstream; 1 when the gateway would refuse the request."""
    from app.explain import explain as explained

    explanation = explained(inspection, options.method, options.path, options.headers)
    print(explanation.text)
    return 0 if explanation.is_relayed or explanation.status < 400 else 1


def serve(options: argparse.Namespace, environ: Mapping[str, str], execute: Execute) -> int:
    """Become gunicorn, set up as the bare command `gunicorn wsgi:app` at the top of this repository."""
    settings = {"CONFIG_FILE_PATH": str(_config(options.config, environ).absolute())}
    if options.port is not None:
        settings["PORT"] = str(options.port)
    if options.workers is not None:
        settings["WEB_CONCURRENCY"] = str(options.workers)
    if options.detailed_debug:
        settings["LOG_LEVEL"] = "DEBUG"
    command = ["-m", "gunicorn", "-c", str(ROOT / "gunicorn.conf.py"), "--chdir", str(ROOT), "wsgi:app"]
    execute(sys.executable, [sys.executable, *command], {**environ, **settings})
    return 0


def _config(named: str | None, environ: Mapping[str, str]) -> Path:
    return Path(named) if named else config_path(environ)


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m app", description="Tollhouse, a pass-through gateway.")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_serve(commands.add_parser("serve", help="serve the settings file"))
    checking = commands.add_parser("check", help="print every problem of the settings file, or its routes")
    checking.add_argument("config", nargs="?", metavar="FILE", help="default: CONFIG_FILE_PATH or config/config.yaml")
    commands.add_parser("schema", help="print the JSON Schema of the settings file")
    _add_keys(commands.add_parser("keys", help="create, list, block, unblock and delete gateway keys"), arguments)
    _add_explain(commands.add_parser("explain", help="print what would be sent upstream, secrets masked"))
    return parser


def _add_serve(serving: argparse.ArgumentParser) -> None:
    serving.add_argument("--config", metavar="FILE", help="default: CONFIG_FILE_PATH or config/config.yaml")
    serving.add_argument("--port", type=_port, metavar="N", help="default: PORT or 4000")
    serving.add_argument("--workers", type=_positive, metavar="N", help="default: WEB_CONCURRENCY or one per CPU")
    serving.add_argument("--detailed_debug", "--detailed-debug", action="store_true", help="LOG_LEVEL=DEBUG")


def _add_keys(keys: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    # What it loads is slow, and other commands do without.
    if "keys" in arguments[:1]:
        from app import keys_command

        keys_command.add_to(keys)


def _add_explain(explaining: argparse.ArgumentParser) -> None:
    explaining.add_argument("method", metavar="METHOD")
    explaining.add_argument("path", metavar="PATH", help="as in the request line, with its query")
    explaining.add_argument("-H", "--header", dest="headers", action="append", default=[], type=_field, metavar="FIELD")
    explaining.add_argument("--config", metavar="FILE", help="default: CONFIG_FILE_PATH or config/config.yaml")


def _port(text: str) -> int:
    if not (text.isdecimal() and 0 < int(text) < 65536):
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return int(text)


def _positive(text: str) -> int:
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError("it must be a number above 0")
    return int(text)


def _field(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise argparse.ArgumentTypeError("a header is written as 'Name: value'")
    return name.strip(), value.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
