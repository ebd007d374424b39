"""Imports only go down the house, from a floor to a lower one, and stand where a reader looks for them."""

import ast
from pathlib import Path

import pytest

# From the roof to the ground. What stands on one floor never imports its neighbours; a package may import itself.
FLOORS = (
    ("wsgi", "gunicorn.conf"),
    ("app.worker", "app.__main__"),
    ("app.master", "app.unreadable"),
    ("app.explain", "app.keys_command"),
    ("app.factory",),
    ("app.keyed",),
    ("app.entrance",),
    ("app.routes", "app.management", "app.health", "app.metrics_page"),
    (
        "app.admission",
        "app.application",
        "app.issuing",
        "app.ledger",
        "app.ratelimit",
        "app.refusals",
        "app.relay",
        "app.router",
    ),
    ("app.stores", "app.telemetry"),
    ("app.settings",),
    ("app.adapters",),
    ("app.arrival", "app.arriving", "app.parting"),
    ("app.serving",),
    ("app.credentials", "app.dialects", "app.exchange", "app.framing", "app.targets"),
    ("app.limit_errors", "app.model_errors", "app.store_errors"),
    ("app.carriers", "app.errors", "app.headers", "app.principal"),
    ("app.fields", "app.key_index", "app.patching", "app.postponed", "app.readable", "app.sound_json", "app.version"),
)
# Where an import may wait until it is needed: what it loads is slow, and most runs do without.
LATE = {
    ("app.__main__", "app.explain"),
    ("app.__main__", "app.settings"),
    ("app.__main__", "app.keys_command"),
    ("app.adapters", "app.adapters"),
    ("app.factory", "app.keyed"),
    ("app.settings.urls", "idna"),
    ("gunicorn.conf", "app"),
    ("gunicorn.conf", "app.factory"),
    ("gunicorn.conf", "app.keyed"),
    ("gunicorn.conf", "app.stores"),
    ("app.stores.counters", "app.stores"),
    ("app.stores.opened", "app.stores"),
    ("app.stores.tables", "app.stores"),
}

LEVELS = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}


def modules():
    """Return {dotted name: path} of everything the house is made of."""
    found = {path.as_posix().removesuffix(".py").replace("/", "."): path for path in Path("app").rglob("*.py")}
    found |= {"wsgi": Path("wsgi.py"), "gunicorn.conf": Path("gunicorn.conf.py")}
    return {name.removesuffix(".__init__"): path for name, path in found.items()}


HOUSE = modules()


def room(name):
    """Return the entry of FLOORS that a module belongs to, or None."""
    return next((found for found in LEVELS if name == found or name.startswith(found + ".")), None)


def imports(tree):
    """Yield (node, dotted name of a module of this house) for each import below the node."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield node, whole if whole in HOUSE else node.module
        elif isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)


def stands(name):
    """Return the level of a module, and where it stands there."""
    found = room(name)
    assert found is not None, f"{name} is on no floor; add it to FLOORS"
    return LEVELS[found], found


def tree_of(name):
    return ast.parse(HOUSE[name].read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", sorted(set(HOUSE) - {"app"}))
def test_every_module_stands_on_a_floor(name):
    assert room(name) is not None


@pytest.mark.parametrize("name", sorted(set(HOUSE) - {"app"}))
def test_imports_only_go_down(name):
    level, own = stands(name)
    ours = [stands(imported) for _, imported in imports(tree_of(name)) if imported.partition(".")[0] in ("app", "wsgi")]

    up = [found for below, found in ours if found != own and below <= level]

    assert up == []


@pytest.mark.parametrize("name", sorted(HOUSE))
def test_an_import_stands_inside_a_function_only_where_it_saves_time(name):
    functions = [
        node
        for node in ast.walk(tree_of(name))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    ]

    late = {(name, room(imported) or imported) for function in functions for _, imported in imports(function)}
    assert late - LATE == set()


@pytest.mark.parametrize("name", sorted(name for name in HOUSE if HOUSE[name].name == "__init__.py"))
def test_a_package_is_only_a_docstring(name):
    docstring, *more = tree_of(name).body

    assert isinstance(docstring, ast.Expr)
    # The adapters' dotted paths are public, and their modules are loaded when one is asked for (PEP 562).
    assert [node.name for node in more] == (["__getattr__"] if name == "app.adapters" else [])


@pytest.mark.parametrize("name", sorted(HOUSE))
def test_every_module_says_in_its_first_line_what_it_is(name):
    first = (ast.get_docstring(tree_of(name)) or "").partition("\n")[0]

    assert first.endswith((".", "?"))


@pytest.mark.parametrize("name", ["app.headers", "app.targets", "app.framing", "app.relay.http1", "app.dialects"])
def test_a_pure_module_imports_nothing_that_does_io(name):
    imported = {found.partition(".")[0] for _, found in imports(tree_of(name))}

    assert imported & {"socket", "ssl", "gevent", "requests", "flask", "os", "time", "logging", "pathlib"} == set()
