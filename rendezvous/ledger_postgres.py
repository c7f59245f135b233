"""
Batches on PostgreSQL: everything in a worker thread, since each statement is a round trip.

Owns one connection, its loss and its return. A batch whose connection breaks is run again on the next
one; where it broke during the commit itself, the server is asked first whether that commit took place.

Before its operations a batch takes an advisory lock for every key that they name, in one order for all:
batches that touch the same nameplate or mailbox, here or on another instance, take turns and cannot block
each other half-way.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import blake2b
from typing import cast

import psycopg
from psycopg import errors
from sqlalchemy import Engine, PoolProxiedConnection
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from rendezvous.errors import LedgerUnavailable
from rendezvous.ledger import Job, log_failed_batch
from rendezvous.observer import Observer
from rendezvous.statements import Transaction
from rendezvous.worker import Worker

_log = Logger()

# A command waits so long for a database that has gone, then is told so.
AWAY_PATIENCE_SECONDS = 30.0
AWAY_RETRY_SECONDS = 0.25
# Conflicts with other instances; each means that somebody got further.
MAX_CONFLICTS = 20

_CONFLICTS = (errors.SerializationFailure, errors.DeadlockDetected, errors.LockNotAvailable)
_BEGIN = """
    SELECT pg_current_xact_id()::text, count(pg_advisory_xact_lock(key))
    FROM unnest(%(keys)s::bigint[]) AS key
"""
_TRY_LOCK = "SELECT pg_try_advisory_xact_lock(%(key)s)"
_STATUS = "SELECT pg_xact_status(%(xid)s::xid8)"


def lock_key(key: str) -> int:
    """The number that stands for a key in PostgreSQL's space of advisory locks, on every instance."""
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big", signed=True)


def _try_lock(cursor: psycopg.Cursor, key: str) -> bool:
    row = cursor.execute(_TRY_LOCK, {"key": lock_key(key)}).fetchone()
    return row is not None and bool(row[0])


class PostgresRunner:
    """
    Runs batches on one connection of its own, in one thread of its own.

    :param engine: connects; its pool must not keep connections.
    """

    def __init__(
        self, clock: IReactorTime, engine: Engine, worker: Worker, observer: Observer
    ) -> None:
        self._clock = clock
        self._engine = engine
        self._worker = worker
        self._observer = observer
        self._stopping = threading.Event()
        # From here on the worker thread's alone.
        self._proxy: PoolProxiedConnection | None = None
        self._away_since: float | None = None
        # The transaction whose commit was asked for and not answered.
        self._unanswered: str | None = None

    def run(self, jobs: Sequence[Job], done: Callable[[], object]) -> None:
        """See `Runner.run`."""
        self._worker.do(partial(self._run, jobs, done))

    def stop(self) -> None:
        """See `Runner.stop`."""
        self._stopping.set()
        self._worker.do(self._close)
        self._worker.stop()

    def _run(self, jobs: Sequence[Job], done: Callable[[], object]) -> Callable[[], object]:
        reports: list[Callable[[], object]] = []
        batches = deque([jobs])
        while batches:
            batch = batches.popleft()
            try:
                seconds = self._until_committed(batch)
            except Exception as error:  # whatever an operation raises concerns its batch only
                self._roll_back()
                if len(batch) > 1 and not isinstance(error, LedgerUnavailable):
                    reports.append(partial(log_failed_batch, self._observer, batch, error))
                    batches.extendleft([job] for job in reversed(batch))
                    continue
                for job in batch:
                    job.fail(error)
            else:
                reports.append(partial(self._observer.batch_committed, len(batch), seconds))
        return partial(_all, [*reports, done])

    def _until_committed(self, jobs: Sequence[Job]) -> float:
        """Try until it is done or hopeless; the seconds that the commit took."""
        conflicts = 0
        while True:
            try:
                if self._was_committed():
                    return 0.0
                seconds = self._attempt(jobs)
            except _CONFLICTS:
                self._roll_back()
                conflicts += 1
                if conflicts > MAX_CONFLICTS:
                    raise LedgerUnavailable("too many conflicts") from None
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if self._proxy is not None and not self._is_broken():
                    raise LedgerUnavailable(_plain(error)) from None
                self._wait_for_return(error)
            else:
                self._away_since = None
                return seconds

    def _attempt(self, jobs: Sequence[Job]) -> float:
        connection = self._connection()
        with connection.cursor() as cursor:
            keys = sorted({lock_key(key) for job in jobs for key in job.keys})
            row = cursor.execute(_BEGIN, {"keys": keys}).fetchone()
            tx = Transaction(cursor, self._engine.dialect, partial(_try_lock, cursor))
            for job in jobs:
                job.run(tx)
            tx.finish()
            began = self._clock.seconds()
            self._unanswered = row[0] if row else None
            connection.commit()
        self._unanswered = None
        return self._clock.seconds() - began

    def _was_committed(self) -> bool:
        """Whether the commit that the last connection took with it has taken place after all."""
        xid = self._unanswered
        while xid is not None:
            connection = self._connection()
            row = connection.execute(_STATUS, {"xid": xid}).fetchone()
            connection.rollback()
            status = row[0] if row else None
            if status != "in progress":
                self._unanswered = None
                self._away_since = None
                return bool(status == "committed")
            # The server has not noticed yet that its client has gone.
            self._stopping.wait(AWAY_RETRY_SECONDS)
        return False

    def _connection(self) -> psycopg.Connection:
        if self._proxy is None:
            self._proxy = self._engine.raw_connection()
            if self._away_since is not None:
                _log.info("the database is back")
        return cast("psycopg.Connection", self._proxy.driver_connection)

    def _is_broken(self) -> bool:
        return self._proxy is not None and bool(self._connection().closed)

    def _wait_for_return(self, error: Exception) -> None:
        """
        Let go of a broken connection and wait a little before the next.

        :raises LedgerUnavailable: it has been away too long.
        """
        self._close_broken()
        now = self._clock.seconds()
        if self._away_since is None:
            self._away_since = now
            _log.error("the database has gone: {why}", why=_plain(error))
        if now - self._away_since > AWAY_PATIENCE_SECONDS or self._stopping.is_set():
            self._unanswered = None
            raise LedgerUnavailable(_plain(error)) from None
        self._stopping.wait(AWAY_RETRY_SECONDS)

    def _roll_back(self) -> None:
        self._unanswered = None
        if self._proxy is None:
            return
        try:
            self._connection().rollback()
        except psycopg.Error:
            self._close_broken()

    def _close_broken(self) -> None:
        if self._proxy is not None:
            self._proxy.invalidate()
            self._proxy = None

    def _close(self) -> Callable[[], object]:
        if self._proxy is not None:
            self._proxy.close()
            self._proxy = None
        return _nothing


def _plain(error: Exception) -> str:
    """What happened, without the values that PostgreSQL's details repeat."""
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    return primary or type(error).__name__


def _all(calls: Sequence[Callable[[], object]]) -> None:
    for call in calls:
        call()


def _nothing() -> None:
    return None
