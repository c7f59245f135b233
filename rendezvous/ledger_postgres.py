"""
Batches on PostgreSQL: everything in a worker thread, since it waits for the network.

Owns one connection, its loss and its return. A batch whose connection breaks is run again on the next
one; where it broke during the commit itself, the server is asked first whether that commit took place.

Before its operations a batch takes an advisory lock for every key that they name, in one order for all:
batches that touch the same nameplate or mailbox, here or on another instance, take turns and cannot block
each other half-way. An operation that finds out on its way that it needs another key takes it if it is
free; if it is not, the batch begins again with that key among its own.

What a batch has stored it announces to all instances, within its transaction.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import psycopg
from psycopg import errors
from sqlalchemy import Engine, PoolProxiedConnection
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from rendezvous.errors import LedgerUnavailable, OutcomeUnknown
from rendezvous.keys import lock_key
from rendezvous.ledger import Job, log_failed_batch
from rendezvous.news import CHANNEL, encode
from rendezvous.observer import Observer
from rendezvous.pipeline import Pipeline
from rendezvous.side_by_side import Entangled, SideBySide
from rendezvous.statements import KeyTaken
from rendezvous.worker import Worker

_log = Logger()

# A command waits so long for a database that has gone, then is told so.
AWAY_PATIENCE_SECONDS = 30.0
AWAY_RETRY_SECONDS = 0.25
# A database that takes connections and does not answer: it waits for a disk, or for a standby that is to
# confirm a commit. Given up early, since nothing is lost by it: a commit is asked after.
ANSWER_SECONDS = 10.0
# Conflicts with other instances; each means that somebody got further.
MAX_CONFLICTS = 20

_CONFLICTS = (errors.SerializationFailure, errors.DeadlockDetected, errors.LockNotAvailable)
_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
_TAKE_TURNS = """
    SELECT pg_current_xact_id()::text, count(pg_advisory_xact_lock(key))
    FROM unnest($1::bigint[]) AS key
"""
_NOTIFY = "SELECT pg_notify($1, $2)"
_COMMIT = "COMMIT"
# An instance that is cut off or stands still in the middle of a batch must not hold its keys for hours, as
# it would by the system's own keepalive. And a commit that waits for a standby must not be cut short, as a
# time limit of the role's would do: it is then answered as if the standby had it.
_SET_UP = """
    SELECT set_config(name, value, false) FROM (VALUES
        ('idle_in_transaction_session_timeout', '15s'),
        ('statement_timeout', '0'),
        ('tcp_keepalives_idle', '10'),
        ('tcp_keepalives_interval', '5'),
        ('tcp_keepalives_count', '2')
    ) AS settings (name, value)
"""
_STATUS = "SELECT pg_xact_status(%(xid)s::xid8)"
# The time without a crash, on one primary, in which a transaction's number is given once. Statistics
# begin anew after a crash, and a new primary writes on a new timeline. NULL on a standby.
_LIFE = """
    SELECT CASE WHEN pg_is_in_recovery() THEN NULL ELSE concat_ws(
        ' ', pg_postmaster_start_time(), (SELECT stats_reset FROM pg_stat_bgwriter),
        left(pg_walfile_name(pg_current_wal_lsn()), 8)
    ) END
"""


class PostgresRunner:
    """
    Runs batches on one connection of its own, in one thread of its own.

    :param engine: connects; its pool must not keep connections.
    :param instance: whose announcements these are.
    """

    def __init__(
        self,
        clock: IReactorTime,
        engine: Engine,
        worker: Worker,
        observer: Observer,
        instance: str = "",
    ) -> None:
        self._clock = clock
        self._engine = engine
        self._worker = worker
        self._observer = observer
        self._instance = instance
        self._stopping = threading.Event()
        # From here on the worker thread's alone.
        self._proxy: PoolProxiedConnection | None = None
        self._away_since: float | None = None
        # See `_LIFE` and `Pipeline`, of the connection.
        self._life = ""
        self._prepared: dict[str, bytes] = {}
        # The transaction whose commit was asked for and not answered, and in which life that was.
        self._unanswered: tuple[str, str] | None = None

    def run(self, jobs: Sequence[Job], done: Callable[[], object]) -> None:
        """See `Runner.run`."""
        self._worker.do(partial(self._run, jobs, done))

    def hurry(self) -> None:
        """See `Runner.hurry`."""
        self._stopping.set()

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
        together = True
        keys = {lock_key(key) for job in jobs for key in job.keys}
        while True:
            try:
                if self._was_committed():
                    return 0.0
                seconds = self._attempt(jobs, keys, together=together)
            except Entangled:
                self._roll_back()
                together = False
            except KeyTaken as taken:
                self._roll_back()
                keys.add(lock_key(taken.key))
            except _CONFLICTS:
                self._roll_back()
                conflicts += 1
                if conflicts > MAX_CONFLICTS:
                    raise LedgerUnavailable("too many conflicts") from None
            except errors.ReadOnlySqlTransaction as error:
                # It is no primary, or no longer.
                self._wait_for_return(error)
            except psycopg.Error as error:
                if self._proxy is None or self._is_broken():
                    self._wait_for_return(error)
                elif isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
                    raise LedgerUnavailable(_plain(error)) from None
                else:
                    raise
            else:
                self._has_answered()
                return seconds

    def _attempt(self, jobs: Sequence[Job], keys: set[int], *, together: bool) -> float:
        with Pipeline(self._connection(), self._prepared, ANSWER_SECONDS) as pipeline:
            pipeline.ask(_BEGIN)
            begun = pipeline.ask(_TAKE_TURNS, [sorted(keys)])
            batch = SideBySide(pipeline, set(keys))
            for some in [jobs] if together else [[job] for job in jobs]:
                batch.run(some)
            if not begun.rows:
                # Nobody has waited for anything so far.
                pipeline.exchange()
            batch.finish()
            if batch.news:
                news = {lock_key(key): newest for key, newest in batch.news.items()}
                pipeline.ask(_NOTIFY, [CHANNEL, encode(self._instance, news)])
            began = self._clock.seconds()
            self._unanswered = begun.rows[0][0], self._life
            pipeline.ask(_COMMIT)
            pipeline.exchange()
        self._unanswered = None
        return self._clock.seconds() - began

    def _was_committed(self) -> bool:
        """
        Whether the commit that the last connection took with it has taken place after all.

        :raises OutcomeUnknown: nobody can tell.
        """
        while self._unanswered is not None:
            xid, life = self._unanswered
            connection = self._connection()
            status = _status(connection, xid)
            if status == "committed" and life == self._life:
                self._unanswered = None
                self._has_answered()
                return True
            if status == "committed" or self._life.split()[-1:] != life.split()[-1:]:
                # After a crash the number may have been given again, to another transaction; and a new
                # primary may have had another past.
                raise OutcomeUnknown("the database has been started again since")
            if status != "in progress":
                self._unanswered = None
                return False
            # The server has not noticed yet that its client has gone.
            self._wait("the last transaction has not ended")
        return False

    def _connection(self) -> psycopg.Connection:
        if self._proxy is None:
            self._proxy = self._engine.raw_connection()
            try:
                self._life = _set_up(cast("psycopg.Connection", self._proxy.driver_connection))
            except Exception:
                # Half set up it is of no use.
                self._close_broken()
                raise
            self._prepared = {}
        return cast("psycopg.Connection", self._proxy.driver_connection)

    def _is_broken(self) -> bool:
        return self._proxy is not None and bool(self._connection().closed)

    def _has_answered(self) -> None:
        if self._away_since is not None:
            self._away_since = None
            _log.info("the database is back")

    def _wait_for_return(self, error: Exception) -> None:
        """
        Let go of a broken connection and wait a little before the next.

        :raises LedgerUnavailable: it has been away too long.
        """
        self._close_broken()
        if self._away_since is None:
            _log.error("the database has gone: {why}", why=_plain(error))
        self._wait(_plain(error))

    def _wait(self, why: str) -> None:
        now = self._clock.seconds()
        if self._away_since is None:
            self._away_since = now
        if now - self._away_since > AWAY_PATIENCE_SECONDS or self._stopping.is_set():
            raise (LedgerUnavailable if self._unanswered is None else OutcomeUnknown)(why)
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


def _set_up(connection: psycopg.Connection) -> str:
    """Make a new connection what a batch relies on; see `_LIFE`."""
    connection.execute(_SET_UP)
    row = connection.execute(_LIFE).fetchone()
    connection.commit()
    if row is None or row[0] is None:
        raise psycopg.OperationalError("the server is a standby")
    return str(row[0])


def _status(connection: psycopg.Connection, xid: str) -> str | None:
    """What has become of a transaction; None where there is no trace of it."""
    try:
        row = connection.execute(_STATUS, {"xid": xid}).fetchone()
    except errors.InvalidParameterValue:
        # A number that is yet to be given: before a crash, nothing of it got as far as the disk.
        row = None
    connection.rollback()
    return row[0] if row else None


def _plain(error: Exception) -> str:
    """What happened, without the values that PostgreSQL's details repeat."""
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    return primary or type(error).__name__


def _all(calls: Sequence[Callable[[], object]]) -> None:
    for call in calls:
        call()


def _nothing() -> None:
    return None
