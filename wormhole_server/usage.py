"""
The relay's usage records in the database: one row for each connection, once it is gone.

Owns their table, how they are gathered into transactions, and how old ones are forgotten. They hold no
token, side or address.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from rendezvous.errors import LedgerUnavailable
from rendezvous.schema import metadata
from rendezvous.statements import Transaction, prepare
from transit_relay.observer import ConnectionRecord
from wormhole_server.blur import blur_size, blur_time

T = TypeVar("T")

_log = Logger()

# SQLite makes a rowid of INTEGER alone, PostgreSQL a 64-bit sequence of BIGINT.
_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# In place of an `End` where nobody noted which it was: in records that were imported.
UNKNOWN_END = "unknown"

relay_usage = sa.Table(
    "relay_usage",
    metadata,
    sa.Column("id", _KEY, primary_key=True, autoincrement=True),
    # How it came: `transit_relay.observer.End`, or `UNKNOWN_END`.
    sa.Column("end", sa.Text, nullable=False),
    sa.Column("started", sa.Double, nullable=False),
    sa.Column("waiting_seconds", sa.Double),
    sa.Column("total_seconds", sa.Double, nullable=False),
    # How it ended: `transit_relay.observer.Mood`.
    sa.Column("mood", sa.Text, nullable=False),
    # Handed on from this connection: the sum over all rows is the traffic.
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Index(None, "started"),
)

# Inserted one by one on the reactor's thread, where it is SQLite: two milliseconds.
_BATCH_ROWS = 100
# A few megabytes, and hours of an ordinary relay, while a database does not answer.
_WAITING_ROWS = 10_000
# Deleted in one transaction; others wait for it.
_FORGET_ROWS = 1000

_COLUMNS = ("end", "started", "waiting_seconds", "total_seconds", "mood", "bytes")
_ADD = prepare(
    sa.insert(relay_usage).values({each: sa.bindparam(f"a_{each}") for each in _COLUMNS}).inline()
)
_FORGET = prepare(
    sa.delete(relay_usage).where(
        relay_usage.c.id.in_(
            sa.select(relay_usage.c.id)
            .where(relay_usage.c.started < sa.bindparam("the_cutoff"))
            .order_by(relay_usage.c.started)
            .limit(_FORGET_ROWS)
        )
    )
)


class Ledger(Protocol):
    """As much of `rendezvous.ledger.Ledger` as is needed."""

    def submit(self, operation: Callable[[Transaction], T]) -> Deferred[T]:
        """Run the operation in a transaction."""


class RelayUsage:
    """
    Writes records to the database, as many at a time as have gathered during the last transaction.

    Nobody waits for them: what cannot be written is counted and let go.

    :ivar blur_seconds: how to round what is written, see `wormhole_server.blur`. May be changed.
    :param lost: is told how many records could not be written.
    """

    def __init__(
        self, ledger: Ledger, blur_seconds: float | None, lost: Callable[[int], None]
    ) -> None:
        self._ledger = ledger
        self.blur_seconds = blur_seconds
        self._lost = lost
        self._waiting: deque[Mapping[str, Any]] = deque()
        self._writing = 0
        self._idle: list[Deferred[None]] = []
        self._complained = False

    def record(self, record: ConnectionRecord) -> None:
        """Write the record soon."""
        if len(self._waiting) >= _WAITING_ROWS:
            self._lost(1)
            return
        self._waiting.append(self._row(record))
        if not self._writing:
            self._write()

    def flush(self) -> Deferred[None]:
        """Fires when nothing waits to be written any more."""
        if not self._writing:
            return succeed(None)
        idle: Deferred[None] = Deferred()
        self._idle.append(idle)
        return idle

    def _write(self) -> None:
        rows = [self._waiting.popleft() for _ in range(min(_BATCH_ROWS, len(self._waiting)))]
        self._writing = len(rows)

        def add(tx: Transaction) -> None:
            tx.many(_ADD, rows)

        self._ledger.submit(add).addCallbacks(self._written, self._failed).addBoth(self._next)

    def _written(self, _: None) -> None:
        self._complained = False

    def _failed(self, failure: Failure) -> None:
        self._lost(self._writing)
        if not self._complained:
            # Once is enough until it goes well again; a counter tells how many.
            self._complained = True
            if failure.check(LedgerUnavailable):
                _log.warn("Usage records of the relay are lost while the database is away.")
            else:
                _log.failure("Usage records of the relay could not be written.", failure)

    def _next(self, _: object) -> None:
        self._writing = 0
        if self._waiting:
            self._write()
            return
        idle, self._idle = self._idle, []
        for each in idle:
            each.callback(None)

    def _row(self, record: ConnectionRecord) -> Mapping[str, Any]:
        step = self.blur_seconds
        waiting = record.waiting_seconds
        return {
            "a_end": record.end.value,
            "a_started": blur_time(record.started, step),
            "a_waiting_seconds": None if waiting is None else blur_time(waiting, step),
            "a_total_seconds": blur_time(record.total_seconds, step),
            "a_mood": record.mood.value,
            "a_bytes": blur_size(record.bytes, step),
        }


def forget_relay_usage(tx: Transaction, cutoff: float) -> bool:
    """Delete some records from before `cutoff`; False where none is left."""
    return tx.count(_FORGET, the_cutoff=cutoff) > 0
