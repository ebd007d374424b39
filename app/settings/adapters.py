"""From the dotted path of a target to the adapter it names: a Python file beside the settings file, or a module."""

import importlib
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from app.adapters import litellm_library
from app.adapters.own import OwnSchema, can_stream, missing_methods
from app.adapters.three_methods import ThreeMethods
from app.adapters.withheld import without
from app.settings.gateway import AdapterTarget
from app.settings.models import PassThroughEndpoint
from app.settings.problems import Finding, Place
from app.settings.understanding import Candidate

SHIPPED = "app.adapters"
LONGEST_FAULT = 200
BESIDE = "beside_the_settings"
# Names of variables whose values do not stand in a message, whoever quotes them.
TELLING = re.compile(r"key|secret|token|passw|credential|auth|dsn|_url$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The adapters that the routes name, by dotted path."""

    adapters: Mapping[str, object]
    findings: tuple[Finding, ...]


class AdapterBroken(Exception):
    """The dotted path leads to no adapter; the text says why, with a way out.

    `said` is an exception's own text, which may quote anything.
    """

    def __init__(self, message: str, said: str | None = None) -> None:
        super().__init__(message)
        self.said = said

    def told(self, secrets: Iterable[str]) -> str:
        """Return what can be shown."""
        if self.said is None:
            return str(self)
        return f"{self}: {without(self.said, secrets)[:LONGEST_FAULT]}; correct it"


def load_all(candidates: Mapping[Place, Candidate], folder: Path, secrets: Iterable[str] = ()) -> Loaded:
    """Return the adapters that routes name; each module is run anew, so that a reload takes over what has changed.

    No finding holds one of the `secrets`.
    """
    named = {place: c.endpoint.target for place, c in candidates.items() if isinstance(c.endpoint.target, str)}
    unusable = litellm_library.unusable() if named else None
    if unusable:
        return Loaded({}, tuple(Finding((*place, "target"), unusable) for place in named))
    if any(not path.startswith(f"{SHIPPED}.") for path in named.values()):
        litellm_library.load()  # with what newer versions have lost, before anybody's adapter asks for it
    loaded: dict[str, object | AdapterBroken] = {}
    modules: dict[str, ModuleType] = {}
    for path in dict.fromkeys(named.values()):
        try:
            loaded[path] = _adapter(path, folder, modules)
        except AdapterBroken as broken:
            loaded[path] = broken
    wrong = {path: found.told(secrets) for path, found in loaded.items() if isinstance(found, AdapterBroken)}
    findings = tuple(Finding((*place, "target"), wrong[path]) for place, path in named.items() if path in wrong)
    return Loaded(loaded, findings)


def target(endpoint: PassThroughEndpoint, loaded: Loaded) -> AdapterTarget:
    """Return where this endpoint leads; its adapter must have been loaded without a finding."""
    path = str(endpoint.target)
    adapter = loaded.adapters[path]
    if type(adapter) is ThreeMethods:  # whoever derives from it wants its own methods called
        return AdapterTarget(path, adapter.schema, takes_litellms_own=False)
    own = OwnSchema(adapter, endpoint.error_format, litellm_library.load(), endpoint.include_subpath)
    return AdapterTarget(path, own, takes_litellms_own=True)


def secrets_among(environ: Mapping[str, str], referred: Iterable[str]) -> list[str]:
    """Return what a file may have read that must not be shown: what the settings refer to, and telling variables."""
    return [*referred, *(value for name, value in environ.items() if TELLING.search(name))]


def _adapter(path: str, folder: Path, modules: dict[str, ModuleType]) -> object:
    name, _, attribute = path.rpartition(".")
    module = modules.get(name) or _module(name, folder)
    modules[name] = module
    with _told(_called(module)):
        try:
            adapter = getattr(module, attribute)
        except AttributeError:
            raise AdapterBroken(f"names {attribute}, which {_called(module)} does not have; correct the name") from None
        if isinstance(adapter, type):
            raise AdapterBroken(f"is a class and no adapter; name an instance: {attribute.lower()} = {attribute}()")
        missing = missing_methods(adapter)
        can_stream(adapter)
    if missing:
        raise AdapterBroken(f"is no adapter, it has no method {' and no '.join(missing)}; add it, or name another")
    return adapter


def _module(name: str, folder: Path) -> ModuleType:
    file = folder.joinpath(*name.split(".")).with_suffix(".py")
    if file.is_file():
        return _run(name, file)
    with _told(name):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as missing:
            if not missing.name or not (name == missing.name or name.startswith(f"{missing.name}.")):
                raise
            message = f"is neither http(s) nor an adapter: no {file.name} beside this file, and no module {name}"
            raise AdapterBroken(f"{message}; correct the name") from missing


def _run(name: str, file: Path) -> ModuleType:
    """Return a new module out of the file. What it imports from beside itself is new as well."""
    # Not under its bare name: a file called json.py is no module for anybody else.
    spec = spec_from_file_location(f"{BESIDE}.{name}", file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    # LiteLLM's page prints an adapter that uses litellm without importing it.
    vars(module)["litellm"] = litellm_library.module()
    with _importing_from(file.parent):
        sys.modules[module.__name__] = module
        with _told(str(file)):
            spec.loader.exec_module(module)
    return module


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Raise AdapterBroken for whatever a file does where it is run, or where it is asked for its adapter.

    SystemExit and KeyboardInterrupt too: the master that reads the file again must not end by one.
    """
    try:
        yield
    except AdapterBroken:
        raise
    except BaseException as fault:
        raise _broken(where, fault) from None


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """Let a file import its neighbours, which never hide an installed module, and forget them afterwards."""
    before = set(sys.modules)
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            # Not getattr: some modules are stand-ins that import what they stand for, and fail.
            place = getattr(sys.modules[name], "__dict__", {}).get("__file__")
            if isinstance(place, str) and Path(place).is_relative_to(folder):
                del sys.modules[name]


def _called(module: ModuleType) -> str:
    return str(vars(module).get("__file__") or module.__name__)


def _broken(where: str, fault: BaseException) -> AdapterBroken:
    """Return what to say of a module that cannot be run: the file, the line in it, the exception."""
    line = _line(where, fault)
    place = f"{where}, line {line}" if line else where
    said = " ".join(_said(fault).split())
    return AdapterBroken(f"cannot be loaded: {place}: {type(fault).__name__}", said)


def _said(fault: BaseException) -> str:
    try:
        return str(fault.msg if isinstance(fault, SyntaxError) else fault)
    except Exception:  # its own __str__ fails: its name has to do
        return ""


def _line(where: str, fault: BaseException) -> int | None:
    # Python calls a file by its absolute name, however the settings file was named.
    file = str(Path(where).absolute())
    if isinstance(fault, SyntaxError) and fault.filename == file:
        return fault.lineno
    frames = traceback.extract_tb(fault.__traceback__)
    return next((frame.lineno for frame in reversed(frames) if frame.filename == file), None)
