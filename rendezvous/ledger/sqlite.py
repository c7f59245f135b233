"""
The SQLite runner: statements run on the reactor's thread, the commit, which waits for the disk, on another.

Owns the only connection that writes. Two threads that both run statements compete for the interpreter at
every one of them; a commit is a single call that waits without holding it. The connection is never used by
both threads at once: the reactor's thread does not touch it between `COMMIT` and its result.

Another process, such as a backup, may have locked the file. SQLite would sleep until it is unlocked; here
the batch is tried again later instead.

On a full disk SQLite could not even delete. The runner then gives up its spare file, writes the log back,
and from there on carries out what stores nothing: what is removed makes room. The spare file is created again
when there is enough of it.

SQLite goes on writing to files that have been moved or deleted, its log above all, and all of that would be
lost at the end of the process. So each commit checks before and after that the files are where they were. If
one is not, what is only in the log goes into the database file, and nothing more is written.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from typing import NoReturn

from sqlalchemy import Dialect
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from rendezvous.errors import DiskFull, LedgerUnavailable, OutcomeUnknown
from rendezvous.ledger.ledger import log_failed_batch
from rendezvous.ledger.queue import Job
from rendezvous.ledger.spare_file import SpareFile
from rendezvous.ledger.transaction import Transaction
from rendezvous.ledger.worker import Worker
from rendezvous.observer import RendezvousObserver

_log = Logger()

# How long batches wait for a file that another process has locked, and how often they try. After that, new
# ones are refused at once until the file is unlocked.
LOCKED_RETRY_SECONDS = 0.02
LOCKED_TIMEOUT_SECONDS = 30.0

_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}

# What the operator can do, by SQLite's primary error codes.
_REMEDIES = {
    sqlite3.SQLITE_FULL: "free some space on its disk",
    sqlite3.SQLITE_READONLY: "check whether its disk is mounted read-only, and the file's permissions",
    sqlite3.SQLITE_IOERR: "check whether its disk is full or failing",
    sqlite3.SQLITE_CORRUPT: "stop the server and restore a backup",
    sqlite3.SQLITE_NOTADB: "stop the server and restore a backup",
}

_FULL = "the disk is full; what is left of it is for what makes room"
_GONE = (
    "the file {name} has been moved or deleted; put it back, or restart the server; restore a backup if the "
    "database file itself is lost"
)


def _primary_code(error: Exception) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _is_locked(error: Exception) -> bool:
    return isinstance(error, sqlite3.OperationalError) and _primary_code(error) in _LOCKED


class SqliteRunner:
    """
    Runs batches on one connection.

    :param clock: runs the retries and measures the commits.
    :param connection: in autocommit mode, usable from several threads, with a busy timeout of 0.
    :param spare: space for what makes room on a full disk.
    :param find_lost: returns the name of a file that is not where it was; None if all are.
    """

    def __init__(
        self,
        clock: IReactorTime,
        connection: sqlite3.Connection,
        dialect: Dialect,
        worker: Worker,
        observer: RendezvousObserver,
        spare: SpareFile,
        find_lost: Callable[[], str | None],
    ) -> None:
        self._clock = clock
        self._spare = spare
        self._connection = connection
        self._find_lost = find_lost
        self._worker = worker
        self._observer = observer
        self._dialect = dialect
        self._batches: deque[Sequence[Job]] = deque()
        self._done: Callable[[], object] = _nothing
        self._locked_since: float | None = None
        # The disk is full, and the spare file has been given up.
        self._full = False
        self._logged = False
        self._checkpoint_failed = False

    def run(self, jobs: Sequence[Job], done: Callable[[], object]) -> None:
        """See `Runner.run`."""
        self._done = done
        self._batches.append(jobs)
        self._next()

    def stop_waiting(self) -> None:
        """See `Runner.stop_waiting`. A locked file ends the wait by itself, after the timeout."""

    def close(self) -> None:
        """See `Runner.close`."""
        self._worker.stop()
        self._connection.close()
        self._spare.give_up()

    def _next(self) -> None:
        while self._batches:
            if not self._try(self._batches[0]):
                return
        self._done()

    def _try(self, jobs: Sequence[Job]) -> bool:
        """Run the first batch; return False if it has not ended, and `_next` will be called again."""
        if self._full:
            jobs = self._batches[0] = _without_storing(jobs)
        try:
            # The lock is taken at the start: a batch must not fail half-way because of another process.
            self._connection.execute("BEGIN IMMEDIATE")
            before = self._connection.total_changes
            # The cursor is closed first: a read that was not finished would outlive the transaction, and
            # the next one could not begin once another process has written.
            with closing(self._connection.cursor()) as cursor:
                tx = Transaction(cursor, self._dialect)
                for job in jobs:
                    job.run(tx)
                tx.finish()
            if tx.wrote or self._connection.total_changes != before:
                if (lost := self._find_lost()) is not None:
                    self._connection.execute("ROLLBACK")
                    self._save(sqlite3.OperationalError(_GONE.format(name=lost)))
                else:
                    self._worker.run(partial(self._commit, tx.checkpoint), self._commit_failed)
                return False
            # Nothing was written, so there is nothing to wait for.
            self._connection.execute("COMMIT")
        except Exception as error:  # an operation may raise anything; only its batch fails
            return self._failed(error)
        self._done_with_first(0.0)
        return True

    def _commit(self, checkpoint: bool) -> Callable[[], object]:
        """Commit, in the worker's thread, which competes for the interpreter behind every system call."""
        began = self._clock.seconds()
        self._connection.execute("COMMIT")
        seconds = self._clock.seconds() - began
        if checkpoint:
            self._checkpoint()
        full = self._full and not self._spare.create()
        return partial(self._finish_commit, seconds, full)

    def _make_room(self) -> Callable[[], object]:
        """Give the spare file's place to the database, in the worker's thread."""
        self._spare.give_up()
        self._checkpoint()
        return self._next

    def _save(self, error: Exception) -> None:
        """Keep what was answered, and have the batch fail: nothing more can be written."""

        def save() -> NoReturn:
            self._checkpoint()
            raise error

        self._worker.run(save, self._commit_failed)

    def _checkpoint(self) -> None:
        """
        Write what is only in the log into the database file; both are open, wherever they are.

        Where that fails, the log keeps it: what has been committed stays so.
        """
        try:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:
            if not self._checkpoint_failed:
                _log.warn("The database's log cannot be written back: {error}", error=error)
            self._checkpoint_failed = True
        else:
            self._checkpoint_failed = False

    def _commit_failed(self, error: Exception) -> None:
        if self._failed(error):
            self._next()

    def _finish_commit(self, seconds: float, full: bool) -> None:
        if (lost := self._find_lost()) is not None:
            self._save(OutcomeUnknown(_GONE.format(name=lost)))
            return
        self._done_with_first(seconds)
        self._full = full
        if self._logged and not full:
            self._logged = False
            _log.info("The database accepts writes again.")
        self._next()

    def _done_with_first(self, seconds: float) -> None:
        self._locked_since = None
        self._observer.batch_committed(len(self._batches.popleft()), seconds)

    def _failed(self, error: Exception) -> bool:
        """Handle the failure of the first batch; return False if it will be tried again later."""
        self._roll_back()
        if isinstance(error, OutcomeUnknown):
            self._log_once(error)
            for job in self._batches.popleft():
                job.fail(error)
            return True
        if _primary_code(error) == sqlite3.SQLITE_FULL and not self._full:
            self._full = True
            self._log_once(error)
            self._worker.run(self._make_room, self._commit_failed)
            return False
        if self._may_wait(error):
            self._clock.callLater(LOCKED_RETRY_SECONDS, self._next)
            return False
        jobs = self._batches.popleft()
        if len(jobs) > 1:
            log_failed_batch(self._observer, jobs, error)
            self._batches.extendleft([job] for job in reversed(jobs))
        elif isinstance(error, sqlite3.Error):
            self._log_once(error)
            full = _primary_code(error) == sqlite3.SQLITE_FULL
            jobs[0].fail((DiskFull if full else LedgerUnavailable)(str(error)))
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
        return now < self._locked_since + LOCKED_TIMEOUT_SECONDS

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            self._log_once(error)

    def _log_once(self, error: Exception) -> None:
        """Log once until a write has succeeded again; reads may succeed all the time."""
        if not self._logged:
            self._logged = True
            remedy = _REMEDIES.get(_primary_code(error) or 0)
            _log.error(
                "The database refuses writes: {error}{remedy}",
                error=error,
                remedy=f"; {remedy}" if remedy else "",
            )


def _without_storing(jobs: Sequence[Job]) -> Sequence[Job]:
    """Refuse what would store messages on a full disk; return the others."""
    for job in jobs:
        if job.size:
            job.fail(DiskFull(_FULL))
    return [job for job in jobs if not job.size]


def _nothing() -> None:
    return None
