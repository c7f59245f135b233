"""
Mutation testing: changes one thing in a module at a time, and reports the changes that no test notices.

    python -m tools.mutate rendezvous/protocol transit_relay/pair.py

Owns the kinds of change, and how the tests of one change are run: in a fork of this process that already
has the libraries in memory and a PostgreSQL to talk to, with the changed source in place of the module's.
The test module of the module runs first, then all tests of its package. Nothing on the disk is changed.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import importlib.abc
import importlib.util
import itertools
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import attrs
import psycopg
import pytest

from tests import databases

ROOT = Path(__file__).parents[1]
# What DESIGN calls the core: what the project exists for.
DEFAULT_PLACES = (
    "rendezvous/protocol",
    "rendezvous/commands",
    "rendezvous/rules",
    "rendezvous/ledger",
    "transit_relay/handshake.py",
    "transit_relay/links",
    "transit_relay/pairing.py",
    "transit_relay/pair.py",
    "transit_relay/session.py",
    "wormhole_websocket/frames.py",
)
# Changes that nobody can notice: `module: line -> changed line`, each with its reason above it.
EQUIVALENT = ROOT / "tools" / "equivalent_mutants.txt"

_SWAPPED_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_SWAPPED_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
}
_SWAPPED_CALLS = {"sorted": "list", "min": "max", "max": "min", "any": "all", "all": "any"}
# Nobody tests what a log says word by word.
_LOGGERS = {"_log", "log"}


@attrs.frozen
class Mutant:
    """
    One change of one module.

    :ivar line: where, from 1.
    :ivar before: the line as it is.
    :ivar after: the statement as it would be.
    :ivar source: the whole module with the change.
    """

    module: Path
    line: int
    before: str
    after: str
    source: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {self.before} -> {self.after}"

    @property
    def key(self) -> str:
        """What stands in the list of equivalent mutants: independent of line numbers."""
        return f"{self.module}: {self.before} -> {self.after}"


def mutants(module: Path) -> Iterator[Mutant]:
    """Every change of a module, in the order of its lines."""
    text = (ROOT / module).read_text("utf-8")
    lines = text.splitlines()
    tree = ast.parse(text)
    statements = _statements(tree)
    for number, statement in enumerate(statements):
        for change in range(_count(statement)):
            changed = copy.deepcopy(tree)
            target = _statements(changed)[number]
            line = _change(target, change)
            ast.fix_missing_locations(changed)
            yield Mutant(
                module,
                line,
                lines[line - 1].strip(),
                _first_line(target),
                ast.unparse(changed),
            )


def _first_line(statement: ast.stmt) -> str:
    lines = ast.unparse(statement).splitlines()
    return next(line for line in lines if not line.startswith("@"))


def _statements(tree: ast.AST) -> list[ast.stmt]:
    """All statements whose own expressions are worth changing, always in the same order."""
    found: list[ast.stmt] = []

    def visit(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                if _is_skipped(child):
                    continue
                found.append(child)
            visit(child)

    visit(tree)
    return found


def _is_skipped(statement: ast.stmt) -> bool:
    match statement:
        case ast.Import() | ast.ImportFrom() | ast.Assert() | ast.Global() | ast.Nonlocal():
            return True
        case ast.Expr(ast.Constant()):  # a docstring, or the dots of a protocol
            return True
        case ast.Expr(ast.Call(ast.Attribute(ast.Name(name)))) if name in _LOGGERS:
            return True
        case ast.If(ast.Name("TYPE_CHECKING")):
            return True
        # Figures at the top of a module were measured or chosen: one more is no fault.
        case ast.Assign([ast.Name(name)], value) if name.isupper() and _is_figure(value):
            return True
        case ast.AnnAssign(ast.Name(name), _, ast.expr() as value) if name.isupper() and _is_figure(
            value
        ):
            return True
        case ast.Assign([ast.Name(name)]) if name == "__slots__":
            return True
        case ast.ClassDef(bases=[*_, ast.Attribute(attr="Enum")]):
            return True
        case ast.ClassDef(bases=[*_, ast.Name("Protocol")]) if _is_interface(statement):
            return True
    return False


def _is_figure(value: ast.expr) -> bool:
    """Whether a value is a constant, or arithmetic of constants such as 256 * 1024."""
    kinds = (ast.Constant, ast.BinOp, ast.operator)
    return all(isinstance(node, kinds) for node in ast.walk(value))


def _is_interface(statement: ast.ClassDef) -> bool:
    """Whether a class has nothing but declarations, as a `typing.Protocol` and no Twisted protocol has."""
    methods = [each for each in statement.body if isinstance(each, ast.FunctionDef)]
    return all(isinstance(each.body[-1], ast.Expr) for each in methods)


def _own(statement: ast.stmt) -> Iterator[ast.expr]:
    """The expressions of a statement itself, without annotations, decorators and nested statements."""

    def visit(node: ast.AST) -> Iterator[ast.expr]:
        for name, value in ast.iter_fields(node):
            if name in {
                "annotation",
                "returns",
                "decorator_list",
                "type_params",
                "bases",
                "keywords",
            } and (isinstance(node, ast.stmt | ast.arg)):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.stmt | ast.match_case | ast.ExceptHandler):
                    continue
                if isinstance(child, ast.expr):
                    yield child
                if isinstance(child, ast.AST):
                    yield from visit(child)

    yield from visit(statement)


def _changes(statement: ast.stmt) -> Iterator[tuple[ast.AST, str]]:
    """Which node would be changed, and how."""
    match statement:
        case ast.Expr(ast.Call() | ast.Await()):
            yield statement, "removed"
        case ast.AugAssign() | ast.Raise() | ast.Delete():
            yield statement, "removed"
        # None is as false as what it would replace.
        case ast.Return(ast.expr() as value) if not (
            isinstance(value, ast.Constant) and not value.value
        ):
            yield statement, "none"
        case ast.If() | ast.While():
            yield statement, "negated"
        case ast.Break():
            yield statement, "continue"
        case ast.Continue():
            yield statement, "break"
        case ast.Assign([ast.Attribute()]):
            yield statement, "removed"
    for node in _own(statement):
        match node:
            case ast.Compare(ops=operators):
                for place, operator in enumerate(operators):
                    if type(operator) in _SWAPPED_COMPARISONS:
                        yield node, f"compare {place}"
            case ast.BoolOp() | ast.IfExp():
                yield node, "swapped"
            case ast.BinOp(op=operator) if type(operator) in _SWAPPED_OPERATORS:
                if not any(isinstance(side, ast.JoinedStr) for side in (node.left, node.right)):
                    yield node, "swapped"
            case ast.Constant(bool()):
                yield node, "inverted"
            case ast.Constant(int() | float()):
                yield node, "one more"
            case ast.UnaryOp(ast.Not()):
                yield node, "dropped"
            case ast.Call(ast.Name(name)) if name in _SWAPPED_CALLS:
                yield node, "swapped"


def _count(statement: ast.stmt) -> int:
    return sum(1 for _ in _changes(statement))


def _change(statement: ast.stmt, number: int) -> int:
    """Make one of the changes of a statement. Returns its line."""
    node, how = next(itertools.islice(_changes(statement), number, None))
    line: int = getattr(node, "lineno", statement.lineno)
    kind, _, place = how.partition(" ")
    match node, kind:
        case ast.stmt(), "removed" | "continue" | "break":
            _become(node, {"continue": ast.Continue(), "break": ast.Break()}.get(kind, ast.Pass()))
        case ast.Return(), _:
            node.value = ast.Constant(None)
        case ast.If() | ast.While(), _:
            node.test = ast.UnaryOp(ast.Not(), node.test)
        case ast.Compare(), _:
            node.ops[int(place)] = _SWAPPED_COMPARISONS[type(node.ops[int(place)])]()
        case ast.BoolOp(), _:
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        case ast.IfExp(), _:
            node.body, node.orelse = node.orelse, node.body
        case ast.BinOp(), _:
            node.op = _SWAPPED_OPERATORS[type(node.op)]()
        case ast.Constant(bool(value)), _:
            node.value = not value
        case ast.Constant(value), _:
            node.value = value + 1  # type: ignore[operator] # a number, as `_changes` has seen
        case ast.UnaryOp(), _:
            _become(node, node.operand)
        case ast.Call(ast.Name() as function), _:
            function.id = _SWAPPED_CALLS[function.id]
            if function.id == "list":
                node.keywords = []
    return line


def _become(node: ast.AST, other: ast.AST) -> None:
    node.__class__ = other.__class__
    node.__dict__ = {**node.__dict__, **other.__dict__}


class _Replacement(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the changed source in place of the module's own."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        parts = mutant.module.with_suffix("").parts
        self._name = ".".join(parts).removesuffix(".__init__")

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the one module."""
        del path, target
        if fullname != self._name:
            return None
        place = str(ROOT / self._mutant.module)
        return importlib.util.spec_from_file_location(fullname, place, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed source."""
        exec(compile(self._mutant.source, str(module.__file__), "exec"), module.__dict__)  # noqa: S102


def _run_tests(mutant: Mutant | None, tests: Sequence[str], seconds: float) -> bool:
    """Run tests in a fork. Returns whether all pass, within the time."""
    child = os.fork()
    if child == 0:
        os.setsid()
        # Whatever tests print is not for us.
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        if mutant is not None:
            sys.meta_path.insert(0, _Replacement(mutant))
        databases._numbers = itertools.count(os.getpid() * 1_000_000)  # noqa: SLF001
        status = 1
        try:
            status = pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests])
        finally:
            os._exit(int(status))
    return _wait(child, seconds) == 0


def _wait(child: int, seconds: float) -> int:
    deadline = time.monotonic() + seconds  # noqa: TID251
    pause = 0.01
    done = 0
    try:
        while time.monotonic() < deadline:  # noqa: TID251
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(pause)
            pause = min(0.1, pause * 1.2)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        if not done:
            os.waitpid(child, 0)
    return -1


def _drop_databases() -> None:
    url = databases._server_url()  # noqa: SLF001
    with psycopg.connect(databases._driver_dsn(url), autocommit=True) as connection:  # noqa: SLF001
        names = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'test\\_%'")
        for (name,) in names.fetchall():
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _tests_of(module: Path) -> list[list[str]]:
    """The test module of a module, then the rest of the package's tests."""
    package = f"tests/{module.parts[0]}"
    own = ROOT / "tests" / module.parent / f"test_{module.name}"
    if not own.exists():
        return [[package]]
    return [[str(own)], [package, f"--ignore={own}"]]


def _modules(places: Sequence[str]) -> Iterator[Path]:
    for place in places:
        path = (ROOT / place).resolve()
        files = [path] if path.is_file() else sorted(path.rglob("*.py"))
        yield from (file.relative_to(ROOT) for file in files if file.name != "__init__.py")


def _equivalent() -> set[str]:
    lines = EQUIVALENT.read_text("utf-8").splitlines() if EQUIVALENT.exists() else []
    return {line for line in lines if line and not line.startswith("#")}


def _preload() -> None:
    """Import what every run needs, once; nothing of the project, and no reactor."""
    for name in (
        "hypothesis",
        "msgspec",
        "prometheus_client",
        "sqlalchemy.dialects.postgresql",
        "sqlalchemy.dialects.sqlite",
        "twisted.internet.defer",
        "twisted.internet.task",
        "twisted.trial.unittest",
        "twisted.web.server",
        "websockets.protocol",
    ):
        importlib.import_module(name)
    sys.modules.pop("twisted.internet.reactor", None)


def main() -> int:
    """Returns 0 where at least 95 % of the changes of each module were noticed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("places", nargs="*", default=DEFAULT_PLACES, help="modules or folders")
    parser.add_argument("--own", action="store_true", help="only each module's own test module")
    arguments = parser.parse_args()
    # An exit stops PostgreSQL; the default action of a signal would leave it running.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = tempfile.mkdtemp(prefix="mutate-")
    _preload()
    databases._server_url()  # noqa: SLF001
    equivalent = _equivalent()
    low = []
    for module in _modules(arguments.places):
        stages = _tests_of(module)[: 1 if arguments.own else None]
        seconds = []
        for tests in stages:
            began = time.monotonic()  # noqa: TID251
            if not _run_tests(None, tests, 600):
                sys.exit(f"{module}: {' '.join(tests)} fails without any change; fix that first")
            seconds.append(20 + 5 * (time.monotonic() - began))  # noqa: TID251
        every = [each for each in mutants(module) if each.key not in equivalent]
        survivors = []
        for mutant in every:
            runs = zip(stages, seconds, strict=True)
            if all(_run_tests(mutant, tests, limit) for tests, limit in runs):
                survivors.append(mutant)
                sys.stdout.write(f"  survived: {mutant}\n")
                sys.stdout.flush()
        _drop_databases()
        caught = len(every) - len(survivors)
        share = 100.0 * caught / len(every) if every else 100.0
        sys.stdout.write(f"{module}: {caught} of {len(every)} caught, {share:.0f} %\n")
        sys.stdout.flush()
        if share < 95:
            low.append(str(module))
    if low:
        sys.stdout.write(f"below 95 %: {', '.join(low)}\n")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
