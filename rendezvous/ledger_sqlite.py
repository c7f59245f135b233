"""
Batches on SQLite: statements on the reactor's thread, the commit, which waits for the disk, on another.

Owns the one connection that writes. Two threads that both run statements fight for the interpreter at
every one of them; a commit is a single call, which waits without holding it. The connection is never used
by both at once: between `COMMIT` and its result the reactor's thread keeps away from it.

Another process may hold the file's lock (a backup, a command of the operator's). SQLite would sleep for
it; here the batch is put off and tried again.

SQLite goes on writing to a file that has been moved or deleted, and all that was answered would be gone with
the process: before a commit the file has to be where it was.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial

from sqlalchemy import Dialect
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from rendezvous.errors import LedgerUnavailable
from rendezvous.ledger import Job, log_failed_batch
from rendezvous.observer import Observer
from rendezvous.statements import Transaction
from rendezvous.worker import Worker

_log = Logger()

# How long batches wait for a file that another process has locked, and how often they look. Once that is
# over, those that come are refused at once until the lock is gone.
LOCKED_RETRY_SECONDS = 0.02
LOCKED_PATIENCE_SECONDS = 30.0

_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}

# What the operator can do, by SQLite's primary error codes.
_MENDS = {
    sqlite3.SQLITE_FULL: "free some space there",
    sqlite3.SQLITE_READONLY: "see whether its disk has become read-only, and who may write to the file",
    sqlite3.SQLITE_IOERR: "see whether its disk is full or broken",
    sqlite3.SQLITE_CORRUPT: "stop the server and restore a backup",
    sqlite3.SQLITE_NOTADB: "stop the server and restore a backup",
}


_GONE = "its file has been moved or deleted; put it back, or stop the server and restore a backup"


def _primary_code(error: Exception) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _is_locked(error: Exception) -> bool:
    return isinstance(error, sqlite3.OperationalError) and _primary_code(error) in _LOCKED


class SqliteRunner:
    """
    Runs batches on one connection.

    :param connection: in autocommit mode, usable from several threads, with a busy timeout of 0.
    :param is_there: whether the connection's file is the one that stands under its name.
    """

    def __init__(
        self,
        clock: IReactorTime,
        connection: sqlite3.Connection,
        dialect: Dialect,
        worker: Worker,
        observer: Observer,
        is_there: Callable[[], bool],
    ) -> None:
        self._clock = clock
        self._connection = connection
        self._is_there = is_there
        self._worker = worker
        self._observer = observer
        self._dialect = dialect
        self._batches: deque[Sequence[Job]] = deque()
        self._done: Callable[[], object] = _nothing
        self._locked_since: float | None = None
        self._complained = False

    def run(self, jobs: Sequence[Job], done: Callable[[], object]) -> None:
        """See `Runner.run`."""
        self._done = done
        self._batches.append(jobs)
        self._next()

    def hurry(self) -> None:
        """See `Runner.hurry`; a lock is waited for a few seconds at most anyway."""

    def stop(self) -> None:
        """See `Runner.stop`."""
        self._worker.stop()
        self._connection.close()

    def _next(self) -> None:
        while self._batches:
            if not self._try(self._batches[0]):
                return
        self._done()

    def _try(self, jobs: Sequence[Job]) -> bool:
        """Run the first batch; False where it is not over yet and `_next` will be called again."""
        try:
            # At once the right to write, lest a lock be met half-way.
            self._connection.execute("BEGIN IMMEDIATE")
            before = self._connection.total_changes
            # Closed before the end: a read that was not finished would outlive the transaction, and the
            # next could not begin once another process has written.
            with closing(self._connection.cursor()) as cursor:
                tx = Transaction(cursor, self._dialect)
                for job in jobs:
                    job.run(tx)
                tx.finish()
            if self._connection.total_changes != before:
                if not self._is_there():
                    raise sqlite3.OperationalError(_GONE)
                self._worker.do(self._commit)
                return False
            # Nothing to make durable, nothing to wait for.
            self._connection.execute("COMMIT")
        except Exception as error:  # whatever an operation raises concerns its batch only
            return self._failed(error)
        self._done_with_first(0.0)
        return True

    def _commit(self) -> Callable[[], object]:
        """In the worker's thread."""
        began = self._clock.seconds()
        try:
            self._connection.execute("COMMIT")
        except Exception as error:  # handed to the reactor's thread
            return partial(self._commit_failed, error)
        took = self._clock.seconds() - began
        return partial(self._finish_commit, took)

    def _commit_failed(self, error: Exception) -> None:
        if self._failed(error):
            self._next()

    def _finish_commit(self, seconds: float) -> None:
        self._done_with_first(seconds)
        if self._complained:
            self._complained = False
            _log.info("the database takes what it is given again")
        self._next()

    def _done_with_first(self, seconds: float) -> None:
        self._locked_since = None
        self._observer.batch_committed(len(self._batches.popleft()), seconds)

    def _failed(self, error: Exception) -> bool:
        """The first batch was not taken; False where it is tried again later."""
        self._roll_back()
        if self._may_wait(error):
            self._clock.callLater(LOCKED_RETRY_SECONDS, self._next)
            return False
        jobs = self._batches.popleft()
        if len(jobs) > 1:
            log_failed_batch(self._observer, jobs, error)
            self._batches.extendleft([job] for job in reversed(jobs))
        elif isinstance(error, sqlite3.Error):
            self._complain(error)
            jobs[0].fail(LedgerUnavailable(str(error)))
        else:
            jobs[0].fail(error)
        return True

    def _may_wait(self, error: Exception) -> bool:
        if not _is_locked(error):
            self._locked_since = None
            return False
        now = self._clock.seconds()
        if self._locked_since is None:
            self._locked_since = now
        return now < self._locked_since + LOCKED_PATIENCE_SECONDS

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            self._complain(error)

    def _complain(self, error: Exception) -> None:
        """Once, until something has been stored again: what only reads may go well all the time."""
        if not self._complained:
            self._complained = True
            mend = _MENDS.get(_primary_code(error) or 0)
            _log.error(
                "the database does not take what it is given: {error}{mend}",
                error=error,
                mend=f"; {mend}" if mend else "",
            )


def _nothing() -> None:
    return None
