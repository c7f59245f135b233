"""
The PostgreSQL runner: runs batches in a worker thread, since each waits for the network.

Owns how a batch is run until it is committed: which keys it locks, and when it is run again. A batch whose
connection is lost is run again on the next one; if it was lost during the commit, the server is first asked
whether that commit took place (`postgres_connection`).

Before its operations a batch takes an advisory lock for every key that they name, in the same order
everywhere. So batches that use the same nameplate or mailbox, on this instance or another, run one after the
other and cannot deadlock. An operation may find that it needs another key: it locks that key if it is free;
otherwise the batch is run again with that key locked from the start.

What a batch has stored is announced to all instances within its transaction.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

import psycopg
from psycopg import errors
from sqlalchemy import Engine
from twisted.internet.interfaces import IReactorTime

from rendezvous.errors import LedgerUnavailable
from rendezvous.ledger.announcement import CHANNEL, NewMessages, encode
from rendezvous.ledger.keys import lock_key
from rendezvous.ledger.ledger import log_failed_batch
from rendezvous.ledger.pipelined_batch import CircularWaitError, PipelinedBatch
from rendezvous.ledger.postgres_connection import PostgresConnection, describe
from rendezvous.ledger.queue import Job
from rendezvous.ledger.transaction import KeyTaken
from rendezvous.ledger.worker import Worker
from rendezvous.observer import RendezvousObserver

# Conflicts with other instances; at each of them some other transaction made progress.
MAX_CONFLICTS = 20

_CONFLICTS = (errors.SerializationFailure, errors.DeadlockDetected, errors.LockNotAvailable)
_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
# Returns the number of the transaction first: after a lost commit, the server is asked about it.
_LOCK = """
    SELECT pg_current_xact_id()::text, count(pg_advisory_xact_lock(key))
    FROM unnest($1::bigint[]) AS key
"""
_NOTIFY = "SELECT pg_notify($1, $2)"
_COMMIT = "COMMIT"


class PostgresRunner:
    """
    Runs batches on one connection of its own, in one thread of its own.

    :param clock: measures commits and the time for which the database is unavailable.
    :param engine: its pool must keep no connections.
    :param instance: this instance's name in announcements.
    """

    def __init__(
        self,
        clock: IReactorTime,
        engine: Engine,
        worker: Worker,
        observer: RendezvousObserver,
        instance: str,
    ) -> None:
        self._clock = clock
        self._worker = worker
        self._observer = observer
        self._instance = instance
        # Used by the worker's thread only.
        self._connection = PostgresConnection(clock, engine)

    def run(self, jobs: Sequence[Job], done: Callable[[], object]) -> None:
        """See `Runner.run`."""

        def failed(error: Exception) -> None:
            for job in jobs:
                job.fail(error)
            done()

        self._worker.run(partial(self._run, jobs, done), failed)

    def stop_waiting(self) -> None:
        """See `Runner.stop_waiting`."""
        self._connection.stop_waiting()

    def close(self) -> None:
        """See `Runner.close`."""
        self._worker.run(self._close, _ignore)
        self._worker.stop()

    def _run(self, jobs: Sequence[Job], done: Callable[[], object]) -> Callable[[], object]:
        reports: list[Callable[[], object]] = []
        batches = deque([jobs])
        while batches:
            batch = batches.popleft()
            try:
                seconds = self._run_until_committed(batch)
            except Exception as error:  # an operation may raise anything; only its batch fails
                self._connection.roll_back()
                if len(batch) > 1 and not isinstance(error, LedgerUnavailable):
                    reports.append(partial(log_failed_batch, self._observer, batch, error))
                    batches.extendleft([job] for job in reversed(batch))
                    continue
                for job in batch:
                    job.fail(error)
            else:
                reports.append(partial(self._observer.batch_committed, len(batch), seconds))
        return partial(_call_all, [*reports, done])

    def _run_until_committed(self, jobs: Sequence[Job]) -> float:
        """Run a batch until it is committed; return how long the commit took, in seconds."""
        conflicts = 0
        together = True
        keys = {lock_key(key) for job in jobs for key in job.keys}
        connection = self._connection
        while True:
            try:
                committed = connection.was_committed()
                seconds = 0.0 if committed else self._attempt(jobs, keys, together=together)
            except CircularWaitError:
                connection.roll_back()
                together = False
            except KeyTaken as taken:
                connection.roll_back()
                keys.add(lock_key(taken.key))
            except _CONFLICTS:
                connection.roll_back()
                conflicts += 1
                if conflicts > MAX_CONFLICTS:
                    raise LedgerUnavailable("too many conflicts with other instances") from None
            except errors.ReadOnlySqlTransaction as error:
                # The server is not the primary, or no longer.
                connection.wait_after(error)
            except psycopg.Error as error:
                if connection.is_lost:
                    connection.wait_after(error)
                elif isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
                    raise LedgerUnavailable(describe(error)) from None
                else:
                    raise
            else:
                connection.succeeded()
                return seconds

    def _attempt(self, jobs: Sequence[Job], keys: set[int], *, together: bool) -> float:
        with self._connection.pipeline() as pipeline:
            pipeline.queue(_BEGIN)
            xid = pipeline.queue(_LOCK, [sorted(keys)])
            batch = PipelinedBatch(pipeline, set(keys))
            for some in [jobs] if together else [[job] for job in jobs]:
                batch.run(some)
            if xid.value is None:
                # No operation has waited for a result so far.
                pipeline.exchange()
            batch.finish()
            if batch.announced:
                pipeline.queue(_NOTIFY, [CHANNEL, self._announcement(batch)])
            began = self._clock.seconds()
            self._connection.commit_requested(xid.value)
            pipeline.queue(_COMMIT)
            pipeline.exchange()
        self._connection.commit_answered()
        return self._clock.seconds() - began

    def _announcement(self, batch: PipelinedBatch) -> str:
        stored = batch.announced.items()
        return encode(
            self._instance,
            [
                NewMessages(lock_key(key), mailbox_id, number)
                for key, (mailbox_id, number) in stored
            ],
        )

    def _close(self) -> Callable[[], object]:
        self._connection.close()
        return _nothing


def _call_all(calls: Sequence[Callable[[], object]]) -> None:
    for call in calls:
        call()


def _nothing() -> None:
    return None


def _ignore(_: Exception) -> None:
    return None
