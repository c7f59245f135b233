"""
The condition of the database: whether it answers and accepts writes, which is what a load balancer asks.

Owns when the database is only read and when a write is tried. A database that can be read may refuse writes:
its disk is full, or it has become read-only. To find out takes a commit that reaches the disk, so it is done
once a minute, and at every check while an operation, whoever submitted it, is known to have failed.

Every lane is checked: if one waits for the database, so do the clients whose commands it carries.
"""

from __future__ import annotations

import sqlalchemy as sa
from twisted.internet.defer import Deferred, FirstError, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from rendezvous.ledger.ledger import Ledger
from rendezvous.ledger.statements import prepare, prepare_value
from rendezvous.ledger.transaction import Transaction
from rendezvous.rules import schema

# However often the condition is checked, one flush a minute is nothing to any disk.
_WRITE_SECONDS = 60.0
# No mailbox has this id.
_UNUSED_ID = -1

_D = schema.discarded_mailboxes
_ONE = prepare_value(sa.select(sa.literal_column("1")), int)
_INSERT = prepare(sa.insert(_D).values(mailbox_id=sa.bindparam("the_id")))
_DELETE = prepare(sa.delete(_D).where(_D.c.mailbox_id == sa.bindparam("the_id")))


class DatabaseCondition:
    """
    Checks the database through the ledger.

    :param clock: measures the time since the last write; steady.
    """

    def __init__(self, clock: IReactorTime, ledger: Ledger) -> None:
        self._clock = clock
        self._ledger = ledger
        # When the next check has to write, and the failures before the last successful write.
        self._write_at = float("-inf")
        self._failures = 0

    def check(self) -> Deferred[None]:
        """
        Check the database.

        :return: fires when every lane has answered; fails with `LedgerUnavailable` if one did not, or if the
            database refused a write.
        """
        now, failures = self._clock.seconds(), self._ledger.failures
        if now < self._write_at and failures == self._failures:
            first = self._ledger.submit(_read)
        else:
            first = self._ledger.submit(_write).addCallback(self._written, now, failures)
        others = range(1, self._ledger.backlog().lanes)
        lanes = [first, *(self._ledger.submit(_read, lane=lane) for lane in others)]
        checked = gatherResults(lanes, consumeErrors=True)
        return checked.addCallbacks(lambda _: None, _first_failure)

    def _written(self, _: None, now: float, failures: int) -> None:
        self._write_at = now + _WRITE_SECONDS
        self._failures = failures


def _first_failure(failure: Failure) -> Failure:
    return failure.value.subFailure if isinstance(failure.value, FirstError) else failure


def _read(tx: Transaction) -> None:
    tx.one(_ONE)


def _write(tx: Transaction) -> None:
    """Write something that leaves no trace."""
    tx.run(_INSERT, the_id=_UNUSED_ID)
    tx.run(_DELETE, the_id=_UNUSED_ID)
