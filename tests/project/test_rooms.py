"""
The structure of the packages: who may import whom, and where everything is to be found.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project.markdown import ROOT, spans

# Which packages a package may import beside itself.
ALLOWED = {
    "wormhole_limits": set[str](),
    "wormhole_twisted": set[str](),
    "wormhole_web": set[str](),
    "wormhole_websocket": {"wormhole_twisted"},
    "rendezvous": {"wormhole_limits", "wormhole_twisted", "wormhole_websocket"},
    "transit_relay": {"wormhole_limits", "wormhole_twisted", "wormhole_websocket"},
    "wormhole_client": {"wormhole_twisted", "wormhole_web"},
    "wormhole_server": {
        "rendezvous",
        "transit_relay",
        "wormhole_client",
        "wormhole_limits",
        "wormhole_twisted",
        "wormhole_web",
        "wormhole_websocket",
    },
}
OURS = {*ALLOWED, "bench", "tests", "tools"}

# The rooms and modules of a package, from the bottom to the top: each may import those before it.
ORDER = {
    "wormhole_limits": "bounds buckets ip_addresses deny_list memory recent_addresses scheduler stamps",
    "wormhole_twisted": "internals sequence timer",
    "wormhole_web": "files",
    "wormhole_websocket": "masking frames handshake autobahn auto_ping protocol",
    "rendezvous": (
        "errors protocol observer ledger rules subscriptions sharing commands announcements condition "
        "sweeper heartbeat database welcome permissions server connections"
    ),
    "transit_relay": (
        "observer credit handshake pairing session rates traffic descriptor transport link links "
        "connection pair relay tcp websocket"
    ),
    "wormhole_server": (
        "errors version config lifecycle listening metrics database usage web doctor "
        "service commands plugin cli __main__"
    ),
    "wormhole_client": (
        "errors cancellation blocking stamps words codes code_input keys eventual delegate observers network "
        "machines permission wormhole transit transfers checks commands cli __main__"
    ),
}

# Bytes or values in, values out; time is a parameter.
NO_IO = [
    "rendezvous/protocol",
    "rendezvous/sharing/accounts.py",
    "rendezvous/sharing/guesses.py",
    "transit_relay/credit.py",
    "transit_relay/handshake.py",
    "transit_relay/pairing.py",
    "transit_relay/session.py",
    "wormhole_client/stamps.py",
    "wormhole_limits",
    "wormhole_server/lifecycle/handover/state.py",
    "wormhole_websocket/frames.py",
    "wormhole_websocket/handshake.py",
    "wormhole_websocket/masking.py",
]
IO = re.compile(
    r"(twisted\.(internet(?!\.(address|interfaces)\b)|web|application)|autobahn|sqlalchemy|psycopg|sqlite3|socket|select|ssl|asyncio"
    r"|threading|time|os|pathlib|random|secrets)(\.|$)"
)

MOST_MODULES = 15
# Data, entry points and package heads.
WITHOUT_TESTS = {"__init__", "__main__", "version"}


def _name(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def _imports(file: Path) -> Iterator[str]:
    """The modules that a file imports, those under TYPE_CHECKING and in functions included."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            modules = [name for name in names if _is_module(name)]
            yield from modules
            if len(modules) < len(names):
                yield node.module


def _is_module(name: str) -> bool:
    place = ROOT / name.replace(".", "/")
    return place.with_suffix(".py").exists() or (place / "__init__.py").exists()


@pytest.mark.parametrize("package", ALLOWED)
def test_packages(package: str) -> None:
    """A package imports no other than those that it may import."""
    files = _files(package)
    strange = {
        f"{_name(file)} imports {name}"
        for file in files
        for name in _imports(file)
        if name.partition(".")[0] in OURS - ALLOWED[package] - {package}
    }
    assert files
    assert sorted(strange) == []


def test_heads() -> None:
    """Where the head of a package says that it imports none of the others, it names those that it may."""
    said = {}
    for package in ALLOWED:
        head = ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text("utf-8")))
        if match := re.search(r"Imports ([^.]*)none of the other packages", head or ""):
            said[package] = set(re.findall(r"`(\w+)`", match[1]))
    assert said
    assert said == {package: ALLOWED[package] for package in said}


@pytest.mark.parametrize("package", ORDER)
def test_order(package: str) -> None:
    """Inside a package imports go one way; every room and module of it has its place in the order."""
    order = ["", *ORDER[package].split()]
    here = {_name(file).split(".")[1] for file in _files(package) if "." in _name(file)}
    assert here == set(order[1:])
    wrong = set()
    for file in _files(package):
        own = [*_name(file).split("."), ""][1]
        for name in _imports(file):
            root, *rest = name.split(".")
            if root == package and rest and own and order.index(rest[0]) > order.index(own):
                wrong.add(f"{_name(file)} imports {name}")
    assert sorted(wrong) == []


@pytest.mark.parametrize("package", ALLOWED)
def test_circles(package: str) -> None:
    """At no level of a package do modules and rooms import each other in a circle."""
    edges: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for file in _files(package):
        importer = _name(file).split(".")
        for name in _imports(file):
            imported = name.split(".")
            shared = 0
            while importer[shared : shared + 1] == imported[shared : shared + 1] != []:
                shared += 1
            if 0 < shared < min(len(importer), len(imported)):
                parent = ".".join(importer[:shared])
                edges[parent][importer[shared]].add(imported[shared])
    circles = {
        f"{parent}: {' -> '.join(circle)}"
        for parent, graph in edges.items()
        for circle in _circles(graph)
    }
    assert sorted(circles) == []


def _circles(graph: dict[str, set[str]]) -> Iterator[list[str]]:
    done: set[str] = set()

    def visit(node: str, path: list[str]) -> Iterator[list[str]]:
        if node in path:
            yield [*path[path.index(node) :], node]
        elif node not in done:
            for other in sorted(graph.get(node, ())):
                yield from visit(other, [*path, node])
            done.add(node)

    for start in sorted(graph):
        yield from visit(start, [])


@pytest.mark.parametrize("place", NO_IO)
def test_no_io(place: str) -> None:
    """A module without I/O imports no reactor, socket, clock or database, and says so in its head."""
    root = ROOT / place
    files = [root] if root.is_file() else sorted(root.rglob("*.py"))
    used = {
        f"{_name(file)} imports {name}"
        for file in files
        for name in _imports(file)
        if IO.match(name)
    }
    assert files
    assert sorted(used) == []
    head = root if root.is_file() else root / "__init__.py"
    assert "no i/o" in (ast.get_docstring(ast.parse(head.read_text("utf-8"))) or "").lower()


@pytest.mark.parametrize("package", ALLOWED)
def test_size(package: str) -> None:
    """No room has more modules side by side than a reader can take in; each room says what lives there."""
    for room in sorted({file.parent for file in _files(package)}):
        modules = [file.name for file in room.glob("*.py") if file.stem not in WITHOUT_TESTS]
        assert len(modules) <= MOST_MODULES, (room, len(modules))
        assert ast.get_docstring(ast.parse((room / "__init__.py").read_text("utf-8"))), room


@pytest.mark.parametrize("package", ALLOWED)
def test_mirror(package: str) -> None:
    """Each module has one test module, in the same place below tests/; each test module has its module."""
    modules = {
        file.relative_to(ROOT).parent / f"test_{file.name}"
        for file in _files(package)
        if file.stem not in WITHOUT_TESTS
    }
    mirrored = {
        file.relative_to(ROOT / "tests") for file in (ROOT / "tests" / package).rglob("test_*.py")
    }
    assert sorted(map(str, modules - mirrored)) == []
    assert sorted(map(str, mirrored - modules)) == []


def test_installed() -> None:
    """The build installs every room; an editable installation does not show that one is missing."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    rooms = {_name(head) for each in ALLOWED for head in (ROOT / each).rglob("__init__.py")}
    assert sorted(rooms - set(build["packages"])) == []


def test_class_names() -> None:
    """The name of a public class stands once in the project."""
    places: dict[str, list[str]] = defaultdict(list)
    for package in ALLOWED:
        for file in _files(package):
            for node in ast.parse(file.read_text("utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].append(_name(file))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_architecture() -> None:
    """The page on the architecture names no module or package that is not there."""
    named = set()
    for span in spans(ROOT / "docs" / "architecture.md"):
        if match := re.fullmatch(r"(?:[a-z_]+/)*[a-z_*]+(?:\.py|/)", span):
            named.add(match[0])
    missing = [
        name
        for name in named
        if not list(ROOT.glob(name))
        and not any(list((ROOT / package).glob(name)) for package in ALLOWED)
    ]
    assert named
    assert sorted(missing) == []
