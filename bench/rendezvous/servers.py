"""
The servers that are compared, and how each is started: as its operators start it, on a database
of its own on the disk.
"""

import contextlib
import enum
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from bench import postgres
from bench.common import BOUNDS_OUT_OF_REACH, OURS, BenchError, ServerProcess, free_port


class Kind(enum.Enum):
    """A server under test. The values are what the command line calls them."""

    THEIRS = "theirs"  # magic-wormhole-mailbox-server on SQLite
    OURS = "ours"  # on SQLite
    POSTGRES = "postgres"  # ours on PostgreSQL
    FLOOR = "floor"  # ours with a ledger that answers from memory: what the rest costs


TITLES = {
    Kind.THEIRS: "theirs (SQLite)",
    Kind.OURS: "ours (SQLite)",
    Kind.POSTGRES: "ours (PostgreSQL)",
    Kind.FLOOR: "floor (no database)",
}


@attrs.frozen
class Running:
    """A server that accepts connections. `database_pid` is 0 where the database is a file."""

    process: ServerProcess
    database_pid: int

    @property
    def port(self) -> int:
        return self.process.port

    @property
    def pid(self) -> int:
        return self.process.pid


@attrs.define
class Servers:
    """
    Starts servers, one at a time.

    :ivar other: the `bin` directory that holds theirs.
    :ivar scratch: where databases and logs go.
    :ivar environment: added to what each process has: the slow disk is put there.
    """

    other: Path
    scratch: Path
    environment: Mapping[str, str] = attrs.field(factory=dict)
    _postgres: postgres.Postgres | None = None
    _numbers: Iterator[int] = attrs.field(factory=itertools.count)

    def fresh_file(self) -> Path:
        """A name for a database that is not there yet."""
        return self.scratch / f"{next(self._numbers)}.db"

    @contextlib.contextmanager
    def running(self, kind: Kind, database: Path | None = None) -> Iterator[Running]:
        """
        A server of `kind`.

        :param database: the SQLite file; a fresh one where none is given.
        """
        port = free_port()
        path = database or self.fresh_file()
        database_pid = 0
        environment = dict(self.environment)
        match kind:
            case Kind.THEIRS:
                argv = [str(self.other / "twist"), "wormhole-mailbox"]
                argv += [f"--port=tcp:{port}:interface=127.0.0.1", f"--channel-db={path}"]
            case Kind.OURS:
                argv = _our_server(port, f"sqlite:///{path}")
            case Kind.POSTGRES:
                if self._postgres is None:
                    raise BenchError("no PostgreSQL has been started")
                argv = _our_server(port, self._postgres.fresh_database())
                database_pid = self._postgres.pid
            case Kind.FLOOR:
                argv = [str(OURS / "python"), "-m", "bench.floor_server", f"--port={port}"]
        log = self.scratch / f"{kind.value}.log"
        with ServerProcess(TITLES[kind], argv, port, log, environment) as process:
            yield Running(process, database_pid)


@contextlib.contextmanager
def prepared(
    kinds: Sequence[Kind], other: Path, scratch: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Servers]:
    """Whatever `kinds` need before any of them can be started, PostgreSQL above all."""
    environment = environment or {}
    with contextlib.ExitStack() as stack:
        database = None
        if Kind.POSTGRES in kinds:
            name = "postgres-slow" if environment else "postgres"
            database = stack.enter_context(postgres.running(scratch / name, environment))
        yield Servers(other, scratch, environment, database)


def _our_server(port: int, database: str) -> list[str]:
    return [
        str(OURS / "wormhole-server"),
        "run",
        f"--rendezvous=tcp:{port}:interface=127.0.0.1",
        "--transit=none",
        "--metrics=none",
        f"--database={database}",
        *BOUNDS_OUT_OF_REACH,
    ]
