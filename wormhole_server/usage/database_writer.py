"""
Usage records in the database: one row for each relay connection, once it has ended.

Owns how rows are gathered into transactions, and how old ones are deleted. `schema` has the table.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import attrs
import sqlalchemy as sa
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from rendezvous.errors import LedgerUnavailable
from rendezvous.ledger.statements import prepare, prepare_query
from rendezvous.ledger.transaction import Transaction
from transit_relay.observer import ConnectionRecord
from wormhole_server.database.schema import UNKNOWN_END, relay_usage

T = TypeVar("T")

_log = Logger()

# On SQLite they are inserted on the reactor's thread: two milliseconds.
_BATCH_ROWS = 100
# Hours of an ordinary relay while the database does not answer, in a few megabytes.
_WAITING_ROWS = 10_000
# Deleted in one transaction, for which the commands of clients wait.
_DELETED_ROWS = 1000

_COLUMNS = ("end", "started", "waiting_seconds", "total_seconds", "mood", "bytes")
_INSERT = prepare(
    sa.insert(relay_usage).values({each: sa.bindparam(f"a_{each}") for each in _COLUMNS}).inline()
)
_DELETE = prepare(
    sa.delete(relay_usage).where(
        relay_usage.c.id.in_(
            sa.select(relay_usage.c.id)
            .where(relay_usage.c.started < sa.bindparam("the_cutoff"))
            .order_by(relay_usage.c.started)
            .limit(_DELETED_ROWS)
        )
    )
)


@attrs.frozen
class RelayedBytes:
    """A sum."""

    byte_count: int


_BYTES_SINCE = prepare_query(
    sa.select(
        sa.cast(sa.func.coalesce(sa.func.sum(relay_usage.c.bytes), 0), sa.BigInteger).label(
            "byte_count"
        )
    ).where(relay_usage.c.started >= sa.bindparam("the_start"), relay_usage.c.end != UNKNOWN_END),
    RelayedBytes,
)


class TransactionRunner(Protocol):
    """Runs operations in transactions; `rendezvous.ledger.ledger.Ledger` is one."""

    def submit(self, operation: Callable[[Transaction], T]) -> Deferred[T]:
        """Run an operation; the Deferred fires once its transaction is durable."""


class DatabaseWriter:
    """
    Inserts records, as many at a time as have gathered during the last transaction.

    What cannot be written is counted and dropped: nothing waits for it.

    :param lost: takes how many records could not be written.
    """

    def __init__(self, ledger: TransactionRunner, lost: Callable[[int], None]) -> None:
        self._ledger = ledger
        self._lost = lost
        self._waiting: deque[Mapping[str, Any]] = deque()
        self._writing = 0
        self._flushed: list[Deferred[None]] = []
        self._warned = False

    def write(self, record: ConnectionRecord) -> None:
        """Insert a record with the next transaction."""
        if len(self._waiting) >= _WAITING_ROWS:
            self._lost(1)
            return
        self._waiting.append(
            {
                "a_end": record.kind.value,
                "a_started": record.started,
                "a_waiting_seconds": record.waiting_seconds,
                "a_total_seconds": record.total_seconds,
                "a_mood": record.mood.value,
                "a_bytes": record.bytes,
            }
        )
        if not self._writing:
            self._insert()

    def bytes_since(self, start: float) -> Deferred[int]:
        """
        Sum up the bytes of the records of connections that began at `start` or later, without imported ones.

        :param start: seconds since the epoch.
        """

        def read(tx: Transaction) -> int:
            found = tx.one(_BYTES_SINCE, the_start=start)
            return 0 if found is None else found.byte_count

        return self._ledger.submit(read)

    def flush(self) -> Deferred[None]:
        """Wait until every record has been written or dropped."""
        if not self._writing:
            return succeed(None)
        flushed: Deferred[None] = Deferred()
        self._flushed.append(flushed)
        return flushed

    def _insert(self) -> None:
        rows = [self._waiting.popleft() for _ in range(min(_BATCH_ROWS, len(self._waiting)))]
        self._writing = len(rows)

        def insert(tx: Transaction) -> None:
            tx.many(_INSERT, rows)

        writing = maybeDeferred(self._ledger.submit, insert)
        writing.addCallbacks(self._written, self._failed).addBoth(self._next).addErrback(
            self._interrupted
        )

    def _written(self, _: None) -> None:
        self._warned = False

    def _failed(self, failure: Failure) -> None:
        self._lost(self._writing)
        # Once until a transaction has succeeded again; the metrics have the number.
        if not self._warned:
            self._warned = True
            if failure.check(LedgerUnavailable):
                _log.warn("Usage records of the relay are lost: {why}.", why=failure.value)
            else:
                _log.failure("Usage records of the relay could not be written.", failure)

    def _next(self, result: Failure | None) -> None:
        if result is not None:  # of the counter's
            _log.failure("Lost usage records could not be counted.", result)
        self._writing = 0
        if self._waiting:
            self._insert()
            return
        flushed, self._flushed = self._flushed, []
        for each in flushed:
            each.callback(None)

    def _interrupted(self, failure: Failure) -> None:
        """Go on with the records that wait, for which a shutdown may wait as well."""
        _log.failure("Writing usage records of the relay was interrupted, and goes on.", failure)
        self._next(None)


def delete_old_records(tx: Transaction, cutoff: float) -> bool:
    """
    Delete some of the records that began before a moment.

    :param cutoff: seconds since the epoch.
    :return: False where none is left.
    """
    return tx.count(_DELETE, the_cutoff=cutoff) > 0
