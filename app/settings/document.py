"""A YAML file as plain values, with the line of each.

PyYAML's composer gives nodes with marks; they are turned into values here, because its own constructor
forgets the lines and lets the last of two equal keys win (YAML 1.2 §3.2.1.3 forbids them).
"""

import re
from dataclasses import dataclass

import yaml

from app.settings.problems import Finding, Place

_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
_TEXT = _TAG + "str"
_KNOWN = frozenset(_TAG + kind for kind in ("map", "seq", "str", "int", "float", "bool", "null", "merge"))
# Aliases can make a small file unfold without end. A gateway with a thousand routes needs some 20,000 values; one
# that has more has written most of them out.
_MOST_VALUES = 200_000
_MOST_TIMES = 5

# In PyYAML's messages: a piece of the file, and those pieces that can be shown (a sign, a token's name).
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_HARMLESS = re.compile(r"'([^\w'!*&]|\\\\?.|<[a-z ]+>)'")

_Entries = dict[str, tuple[int, yaml.Node]]


@dataclass(frozen=True, slots=True)
class Document:
    """What the file says, before any meaning: dicts, tuples, text, numbers, booleans, None."""

    value: object
    lines: dict[Place, int]
    """Line of every value, counted from 1; for a value in a mapping, the line of its name."""
    findings: tuple[Finding, ...]


# Dates are left as the text they are: `2024-10-21` is an API version here.
_RESOLVERS = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TAG + "timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Loader(yaml.SafeLoader):
    """The safe loader, which says what is wrong in words that this gateway knows."""

    yaml_implicit_resolvers = _RESOLVERS


# A file of 100,000 keys takes the loader in Python 40 s. The wheels of PyYAML bring libyaml; a source build may not.
if yaml.__with_libyaml__:

    class _FastLoader(yaml.CSafeLoader):
        """The same in C, for files with which nothing is wrong."""

        yaml_implicit_resolvers = _RESOLVERS

else:
    _FastLoader = _Loader  # type: ignore[misc, assignment]


def read(octets: bytes) -> Document:
    """Return the file's values, lines and first findings.

    A file that is no YAML gives one finding, with the line where it stops making sense, and no value.
    """
    try:
        return _Reading(*_loaded(octets.decode("utf-8-sig"))).document()
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        return _unreadable("is not UTF-8 text; save the file as UTF-8", line)
    except yaml.reader.ReaderError as error:
        line = octets.decode("utf-8-sig").count("\n", 0, error.position) + 1
        return _unreadable("has a control character here; remove it", line)
    except yaml.MarkedYAMLError as error:
        return _unreadable(_said(error), _line(error))
    except RecursionError:
        return _unreadable("is nested too deeply, or refers to itself; write it out flat", 1)


def _loaded(text: str) -> tuple[yaml.SafeLoader | yaml.CSafeLoader, yaml.Node | None]:
    """Return the root of the nodes, and the loader that made them."""
    try:
        fast = _FastLoader(text)
        return fast, fast.get_single_node()
    except yaml.YAMLError:
        loader = _Loader(text)
        return loader, loader.get_single_node()


class _Reading:
    """One walk over the nodes, gathering lines and findings."""

    def __init__(self, loader: yaml.SafeLoader | yaml.CSafeLoader, root: yaml.Node | None) -> None:
        self.loader = loader
        self.root = root
        self.lines: dict[Place, int] = {}
        self.findings: list[Finding] = []
        self.unfolded = 0
        self.written: set[int] = set()

    def document(self) -> Document:
        if self.root is None:
            return _unreadable("is empty; config/config.yaml of Tollhouse shows every field", 1)
        value = self.item(self.root, ())
        return Document(value, self.lines, tuple(self.findings))

    def item(self, node: yaml.Node, place: Place) -> object:
        self.lines[place] = _first_line(node)
        return self.value(node, place)

    def value(self, node: yaml.Node, place: Place) -> object:
        self.count(node)
        if node.tag not in _KNOWN:
            message = "begins with a YAML tag (!) that has no meaning here; put quotes around the value"
            return self.nothing(Finding(place, message, _first_line(node)))
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return tuple(self.item(child, (*place, index)) for index, child in enumerate(node.value))
        return self.scalar(node, place)

    def mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, object]:
        result = {}
        for name, (line, child) in self.entries(node, place).items():
            self.lines[(*place, name)] = line
            result[name] = self.value(child, (*place, name))
        return result

    def entries(self, node: yaml.MappingNode, place: Place) -> _Entries:
        """Return the mapping's own entries and, behind them, those it merges (YAML merge key, `<<`)."""
        self.count(node)
        own: _Entries = {}
        merged: list[_Entries] = []
        for name_node, child in node.value:
            name = self.name(name_node, place)
            if name in own or (name_node.tag == _MERGE and merged):
                message = "is written twice in one mapping; keep one"
                self.findings.append(Finding((*place, name or ""), message, _first_line(name_node)))
            elif name_node.tag == _MERGE:
                merged = [self.entries(source, place) for source in self.sources(child, place)]
            elif name is not None:
                own[name] = (_first_line(name_node), child)
        for source in merged:
            for name, entry in source.items():
                own.setdefault(name, entry)
        return own

    def sources(self, node: yaml.Node, place: Place) -> list[yaml.MappingNode]:
        nodes: list[yaml.Node] = node.value if isinstance(node, yaml.SequenceNode) else [node]
        mappings = [source for source in nodes if isinstance(source, yaml.MappingNode)]
        if len(mappings) < len(nodes):
            message = "merges what is no mapping; name one that is anchored: `<<: *name`"
            self.findings.append(Finding((*place, "<<"), message, _first_line(node)))
        return mappings

    def name(self, node: yaml.Node, place: Place) -> str | None:
        is_plain = isinstance(node, yaml.ScalarNode) and node.tag in _KNOWN
        value = self.scalar(node, place) if is_plain else None
        if isinstance(value, str):
            return value
        message = "has a name here that is no text; put quotes around it"
        self.findings.append(Finding(place, message, _first_line(node)))
        return None

    def scalar(self, node: yaml.Node, place: Place) -> object:
        if node.tag in (_TEXT, _MERGE):
            return node.value
        try:
            return self.loader.construct_object(node)
        except ValueError:  # such as `!!int x`, or a number of 5,000 digits
            message = "is no number that can be read; correct it, or put quotes around it"
            return self.nothing(Finding(place, message, _first_line(node)))

    def nothing(self, finding: Finding) -> str:
        """Record why there is no value, and return one that no check will speak of."""
        self.findings.append(finding)
        return ""

    def count(self, node: yaml.Node) -> None:
        self.unfolded += 1
        self.written.add(id(node))
        if self.unfolded > max(_MOST_VALUES, _MOST_TIMES * len(self.written)):
            problem = "its aliases unfold to more values than any gateway needs"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def _first_line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _unreadable(message: str, line: int) -> Document:
    return Document(None, {}, (Finding((), message, line),))


def _line(error: yaml.MarkedYAMLError) -> int:
    """Return the line to look at: for what is never closed that is its beginning, not the end of the file."""
    never_closed = re.search("end of stream|stream end", error.problem or "")
    mark = error.context_mark if never_closed else error.problem_mark
    mark = mark or error.problem_mark or error.context_mark
    return mark.line + 1 if mark else 1


def _said(error: yaml.MarkedYAMLError) -> str:
    """Return PyYAML's complaint without the texts it quotes: an unquoted secret may begin with * or !."""
    said = ", ".join(part for part in (error.context, error.problem) if part)
    said = _QUOTED.sub(lambda quoted: quoted[0] if _HARMLESS.fullmatch(quoted[0]) else "…", said)
    return f"is not YAML: {said}; compare the indentation and the quotes with the lines above"
